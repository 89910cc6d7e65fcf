"""The workbench in a real browser: by mouse, by keyboard, on a phone, and with ads that hold scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from serving import served

pytestmark = pytest.mark.browser

EMBEDCODE = Path(sys.executable).parent / "embedcode"
AXE = Path(sys.prefix) / "node_modules" / "axe-core" / "axe.min.js"
TEXTS = [str(r["text"]) for r in gold_rows()]
SCRIPT = "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">"
AD = f"GenAI Engineer\n\nYou build chatbots with LangChain and Python.\n{SCRIPT}\nYou test prompts with the team."
VIEWS = (
    "/corpus",
    "/ad/1",
    "/paste",
    "/nothing",
    "/review",
    "/review/ann.random.checking.5.0",
    "/anchors?code=TASK3",
    "/rebuild",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    ads = [{"id": f"ad {i}", "text": TEXTS[i % len(TEXTS)] + f"\nAd {i}."} for i in range(300)]
    ads[0]["text"] = AD
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    classify = [EMBEDCODE, "classify", "ads.parquet", "-o", "coded"]
    subprocess.run(classify, cwd=folder, check=True, capture_output=True)
    # A coding book and a bundle of its own, since these are edited.
    subprocess.run([EMBEDCODE, "anchors", "copy", "anchors"], cwd=folder, check=True, capture_output=True)
    subprocess.run([EMBEDCODE, "build"], cwd=folder, check=True, capture_output=True)
    with served(EMBEDCODE, "serve", "coded", cwd=folder) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    found = context.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    yield found
    context.close()
    assert not problems


def test_an_ad_is_pasted_and_explained(page: Any) -> None:
    page.goto("/")
    page.get_by_role("link", name="Paste an ad").click()
    page.get_by_label("Text of the ad").fill(AD)
    page.get_by_role("button", name="Code and explain").click()
    assert "GenAI Engineer" in page.locator(".decision").inner_text()
    assert page.locator(".features .weight.for").count() > 0
    assert "LangChain" in page.locator("dl.tools").inner_text()


def test_a_script_in_an_ad_does_not_run(page: Any) -> None:
    page.goto("/ad/0")
    assert "<script>document.title = 'hacked'</script>" in page.locator(".ad.text").inner_text()
    page.wait_for_timeout(300)
    assert page.title() == "Ad ad 0 – embedcode"
    assert page.locator(".ad img").count() == 0


def test_pointing_shows_why(page: Any) -> None:
    page.goto("/ad/0")
    segments = page.locator("a.segment")
    assert segments.count() > 2
    shown = page.locator(".detail:visible")
    for number in (0, 1):
        segments.nth(number).hover()
        assert shown.count() == 1
        name = segments.nth(number).get_attribute("id")
        assert shown.get_attribute("id") == name.replace("s", "d")
        assert shown.locator(".anchors li").count() == 5
    segments.nth(1).click()  # held
    segments.nth(0).hover()
    assert shown.get_attribute("id") == segments.nth(1).get_attribute("id").replace("s", "d")


def test_the_keyboard_is_enough(page: Any) -> None:
    page.goto("/ad/0")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('segment')"):
            break
    number = page.evaluate("document.activeElement.id").removeprefix("s")
    assert page.locator(".detail:visible").get_attribute("id") == f"d{number}"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.locator(".detail:visible").count() == 1


def test_a_corpus_is_filtered(page: Any) -> None:
    page.goto("/corpus")
    assert page.get_by_role("status").inner_text() == "300 of 300 ads"
    page.get_by_label("Code").select_option("TASK3")
    page.get_by_label("Order").select_option("unsure")
    page.get_by_role("button", name="Show").click()
    some = page.get_by_role("status").inner_text()
    assert some != "300 of 300 ads"
    page.get_by_label("Words").fill("Ad 7.")
    page.get_by_label("Code").select_option("")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_role("status").inner_text() == "1 of 300 ads"
    page.get_by_role("link", name="ad 7", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == "Ad ad 7"
    page.get_by_role("link", name="Next ad").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Ad ad 8"


def test_pages_are_turned(page: Any) -> None:
    page.goto("/corpus?order=sure")
    page.get_by_role("link", name="Next").click()
    assert "Page 2 of 12" in page.locator("nav.pages").inner_text()
    assert "order=sure" in page.url


def test_a_segment_becomes_an_anchor_and_is_rolled_back(page: Any) -> None:
    """Two clicks to an anchor; rebuild, see what changes, keep, roll back."""
    page.goto("/ad/0")
    page.locator("a.segment").filter(has_text="test prompts").click()
    page.locator(".detail:visible").get_by_role("button", name="Make it an anchor").click()
    page.get_by_role("link", name="Anchors (1 staged)").click()
    page.get_by_role("button", name="Rebuild and compare").click()
    page.get_by_text("On trial: nothing is written yet.").wait_for(timeout=60_000)
    assert "kappa" in page.locator("table.figures").inner_text()
    assert "300 ads change profile" in page.inner_text("main")
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Kept: the edits are written").wait_for(timeout=60_000)
    page.goto("/anchors?words=test prompts with the team")
    assert page.get_by_role("status").inner_text().startswith("1 of")
    page.goto("/rebuild")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_text("Nothing is on trial.").wait_for(timeout=60_000)
    page.goto("/anchors?words=test prompts with the team")
    assert page.get_by_role("status").inner_text().startswith("0 of")


def test_a_rebuild_goes_on_without_its_browser(browser: Any, address: str) -> None:
    """Closed while it is building; what it found is there on return."""
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.goto("/anchors?words=dashboards")
    page.get_by_role("link", name="Edit").first.click()
    page.get_by_role("button", name="Stage removal").click()
    page.get_by_role("button", name="Rebuild and compare").click()
    page.get_by_text("Building").wait_for()
    context.close()
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.goto("/rebuild")
    page.get_by_text("On trial: nothing is written yet.").wait_for(timeout=60_000)
    assert "kappa" in page.locator("table.figures").inner_text()
    page.get_by_role("button", name="Drop the trial").click()
    page.get_by_role("button", name="Undo the last").click()
    context.close()


def test_on_a_phone_each_figure_of_an_anchor_is_named(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/anchors?code=TASK3")
    cells = page.locator("table.ads tbody tr").first.locator("td[data-label]")
    named = cells.evaluate_all("all => all.map(c => getComputedStyle(c, '::before').content)")
    assert named == ['"Wins: "', '"Right on labelled ads: "', '"Nearest of its code: "', '"Nearest rival: "']


def test_ten_ads_are_reviewed_by_keyboard(page: Any) -> None:
    page.goto("/review")
    page.get_by_label("Your name").fill("keys")
    page.get_by_label("Ads", exact=True).fill("10")
    page.keyboard.press("Enter")
    for number in range(10):
        page.get_by_role("heading", name=f"Ad {number + 1} of 10").wait_for()
        page.locator("fieldset.piece:focus").wait_for()
        assert page.locator("input:checked").count() == 0
        page.keyboard.press("j")
        page.keyboard.press("3")
        page.keyboard.press("Shift+Digit1")
        page.keyboard.press("Shift+Digit2")
        page.keyboard.press("Shift+Digit2")
        assert page.locator("fieldset.piece").nth(1).locator("input:checked").count() == 2
        page.keyboard.press("p")
        page.keyboard.press("p")
        for _ in range(3):
            page.keyboard.press("c")
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="Review done").wait_for()
    assert page.get_by_text("GenAI Engineer").count() == 10
    page.goto("/review")
    assert "10 of 10" in page.get_by_role("table").inner_text()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [1280, 390])
def test_no_view_is_wider_than_the_screen(page: Any, view: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(view)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_anyone_can_read_it(page: Any, view: str, scheme: str) -> None:
    """axe-core finds nothing serious: contrast, names, landmarks, keyboard."""
    page.emulate_media(color_scheme=scheme)
    page.goto(view)
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 5
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert not serious, json.dumps([{v["id"]: [n["html"][:200] for n in v["nodes"][:3]]} for v in serious], indent=1)


def test_without_javascript_all_is_there(browser: Any, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/ad/0")
    assert page.locator(".detail:visible").count() == page.locator(".detail").count() > 2
    context.close()
