"""The workbench, page by page: what it shows, what it escapes, whom it answers."""

from __future__ import annotations

import html
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from embedcode import bundle, workbench
from embedcode import folder as folders
from embedcode.book import book_hash
from embedcode.build import Flip, Report
from embedcode.cli import app
from embedcode.coder import Coder
from embedcode.corpus import Corpus, Filter
from embedcode.difference import Move
from embedcode.documents import Columns, Source
from embedcode.draft import editable
from embedcode.errors import BundleError
from embedcode.explain import explain
from embedcode.flips import Best, Change, Near, Why
from embedcode.gold import read_gold
from embedcode.loading import load
from embedcode.margin import FeatureMove, Margin
from embedcode.recode import CorpusFlip, Recoded
from embedcode.review import Design, draw
from embedcode.run import Bundled, run
from embedcode.web import HEADERS, PAGE, application, pieces
from embedcode.workbench import Trial, Workbench

TEXTS = [str(r["text"]) for r in gold_rows()]
SCRIPT = "<script>document.title = 'hacked'</script>Build language models in Python.\n\"><img src=x onerror=alert(1)>"
HOME = "http://127.0.0.1:8800"


@pytest.fixture(scope="module")
def corpus(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("web")
    ads = [{"id": f"ad {i}", "title": None, "text": t} for i, t in enumerate(TEXTS)]
    ads[0] = {"id": "<b>0</b>", "title": "<i>Engineer</i>", "text": SCRIPT}
    ads[3]["text"] = " "
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    run(Source.open([str(folder / "ads.parquet")], Columns()), folder / "out", Bundled(str(built_study.index)))
    return Corpus(folder / "out")


@pytest.fixture(scope="module")
def coder(built_study: Study) -> Coder:
    return Coder(built_study.bundle())


@pytest.fixture
def bench(built_study: Study, coder: Coder, corpus: Corpus) -> Workbench:
    return Workbench(lambda: coder, built_study.anchors, built_study.index, corpus)


@pytest.fixture
def client(bench: Workbench) -> Iterator[TestClient]:
    with TestClient(application(bench), base_url=HOME) as found:
        yield found


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))


# The corpus


def test_the_corpus(client: TestClient, corpus: Corpus) -> None:
    page = client.get("/")
    assert (page.status_code, page.url.path) == (200, "/corpus")
    assert f"{len(TEXTS)} of {len(TEXTS)} ads" in text_of(page.text)
    rows = re.findall(r'href="/ad/(\d+)"', page.text)
    assert rows == [str(i) for i in range(min(PAGE, len(TEXTS)))]
    second = client.get("/corpus", params={"page": 2})
    assert re.findall(r'href="/ad/(\d+)"', second.text) == [str(i) for i in range(PAGE, len(TEXTS))]


def test_a_filter(client: TestClient, corpus: Corpus) -> None:
    page = client.get("/corpus", params={"code": "TASK3", "tool": "Python", "order": "unsure"})
    count = int(re.search(r"(\d+) of", text_of(page.text))[1])  # type: ignore[index]
    assert 0 < count < len(TEXTS)
    assert '<option value="TASK3" selected>' in page.text
    assert "code=TASK3&amp;tool=Python&amp;order=unsure&amp;profile=" in page.text
    nothing = client.get("/corpus", params={"words": "no ad says this"})
    assert "No ad passes this filter." in nothing.text


@pytest.mark.parametrize(
    "query", ["least=high", "least=nan&most=inf", "page=-1", "page=99999999999999999999", "order=up", "code=%00", "x=1"]
)
def test_queries_that_make_no_sense_are_left_out(client: TestClient, query: str) -> None:
    assert client.get(f"/corpus?{query}").status_code == 200


def test_without_a_corpus(built_study: Study, coder: Coder) -> None:
    bench = Workbench(lambda: coder, built_study.anchors, built_study.index)
    with TestClient(application(bench), base_url=HOME) as client:
        assert client.get("/").url.path == "/paste"
        page = client.get("/corpus")
        assert (page.status_code, "embedcode serve FOLDER" in page.text) == (404, True)
        assert client.get("/ad/0").status_code == 404


# An ad


def test_an_ad(client: TestClient, coder: Coder) -> None:
    page = client.get("/ad/1")
    found = explain(coder, TEXTS[1])
    shown = text_of(page.text)
    assert found.profile in shown
    for segment in found.segments:
        for code in segment.codes:
            assert f">{code}</span>" in page.text
        for anchor in segment.anchors:
            assert anchor.phrase in shown
    for feature in found.features[:3]:
        assert feature.meaning in shown
    assert 'href="/ad/0" rel="prev"' in page.text
    assert 'href="/ad/2" rel="next"' in page.text
    assert 'rel="next"' not in client.get(f"/ad/{len(TEXTS) - 1}").text


def test_features_lead_to_segments_that_are_there(client: TestClient) -> None:
    page = client.get("/ad/1").text
    linked = set(re.findall(r'href="#(s\d+)"', page))
    assert linked
    assert linked <= set(re.findall(r'id="(s\d+)"', page))
    assert set(re.findall(r'href="#(d\d+)"', page)) <= set(re.findall(r'id="(d\d+)"', page))


def test_an_ad_that_could_not_be_coded(client: TestClient) -> None:
    page = client.get("/ad/3")
    assert (page.status_code, "could not be coded: no text" in page.text) == (200, True)


@pytest.mark.parametrize("path", ["/ad/0", "/corpus"])
def test_what_an_ad_says_is_text(client: TestClient, path: str) -> None:
    page = client.get(path).text
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "<b>0" not in page
    assert "<i>Engineer" not in page
    assert "&lt;i&gt;Engineer" in page or "&lt;script&gt;document" in page


@pytest.mark.parametrize("path", ["/ad/99", "/ad/-1", "/ad/x", "/nothing", "/static/%2e%2e/web.py"])
def test_there_is_nothing_else(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


# Pasting


def test_pasting(client: TestClient) -> None:
    page = client.post("/paste", data={"text": SCRIPT, "title": ""}, headers={"Origin": HOME})
    assert page.status_code == 200
    assert "&lt;script&gt;document.title" in page.text
    assert page.text.count("<script") == 1


@pytest.mark.parametrize("text", ["", " \r\n ", "a" * 2_100_000])
def test_pasting_what_is_no_ad(client: TestClient, text: str) -> None:
    page = client.post("/paste", data={"text": text}, headers={"Origin": HOME})
    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert "xpected an" in page.text or "expected at least a word" in page.text


# Who is answered


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil", "127.0.0.1:80:80"])
def test_other_hosts_are_refused(client: TestClient, host: str) -> None:
    page = client.get("/corpus", headers={"Host": host})
    assert page.status_code == 421
    assert "ads" not in page.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8800", "[::1]:9000", "[::1]"])
def test_this_machine_is_answered(client: TestClient, host: str) -> None:
    assert client.get("/paste", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:9999", "http://127.0.0.1:8800.evil.example"]
)
def test_posts_from_other_pages_are_refused(client: TestClient, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    assert client.post("/paste", data={"text": "An ad."}, headers=headers).status_code == 403


def test_headers(client: TestClient) -> None:
    for path in ("/corpus", "/ad/1", "/nothing", "/static/style.css"):
        found = client.get(path).headers
        assert {k: found.get(k) for k in HEADERS} == HEADERS


def test_pages_take_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/corpus", "/ad/1", "/paste", "/static/style.css", "/static/ad.js"):
        assert not re.search(r"(?:src|href|action)=\"(?!/|#)|url\(|@import|https?://", client.get(path).text)


# Pieces


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["Build language models.", " Python", "\n", "- ", "R&D ", "<b>", "é", "PyTorch, "])))
def test_pieces_make_up_the_text(coder: Coder, parts: list[str]) -> None:
    text = "".join(parts)
    if not text.strip():
        return
    found = explain(coder, text)
    cut = pieces(text, "text", found)
    assert "".join(p.text for p in cut) == text
    for number, segment in enumerate(found.segments):
        assert "".join(p.text for p in cut if p.segment == number) == segment.text
    named = "".join(p.text for p in cut if p.tool)
    assert named == "".join(text[t.start : t.end] for t in found.tools)


# The command


def test_serve_is_bound_to_this_machine(corpus: Corpus, built_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(uvicorn.Config, "bind_socket", lambda config: asked.append((config.host, config.port)))
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
    command = ["serve", str(corpus.folder), "--index", str(built_study.index), "--anchors", str(built_study.anchors)]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "http://127.0.0.1:8800" in done.stdout) == (0, True), done.output
    assert CliRunner().invoke(app, [*command, "--host", "0.0.0.0", "--port", "9"]).exit_code == 0
    assert asked == [("127.0.0.1", 8800), ("0.0.0.0", 9)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.undo()
        done = CliRunner().invoke(app, [*command, "--port", str(taken.getsockname()[1])])
    assert (done.exit_code, "Name a port with --port" in done.stderr) == (2, True), done.output


def test_two_workbenches_on_one_coding_book(study: Study, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one shows all and changes nothing."""
    import uvicorn

    pages: list[str] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        with TestClient(server.config.app, base_url=HOME, headers={"Origin": HOME}) as client:
            pages.append(client.get("/anchors").text)
            pages.append(client.get("/ad/1").text)
            form = {"do": "add", "code": "TASK4", "phrase": "repair broken clocks", "language": "en"}
            pages.append(client.post("/anchors", data=form).text)

    monkeypatch.setattr(uvicorn.Config, "bind_socket", lambda config: None)
    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(folders, "PATIENCE_TO_EDIT", 0.05)
    command = ["serve", str(corpus.folder), "--index", str(study.index), "--anchors", str(study.anchors)]
    with editable(study.anchors, study.index, "the first workbench"):
        done = CliRunner().invoke(app, command)
        assert (done.exit_code, "edited by the first workbench" in done.stderr) == (0, True), done.output
    anchors, ad, refused = pages
    assert "Here the anchors can be looked at only" in anchors
    assert "modellen trainen" in anchors
    assert "Add an anchor" not in anchors
    assert 'class="edit"' not in anchors
    assert "Make it an anchor" not in ad
    assert "is being edited by the first workbench" in refused
    assert "staged" not in refused
    pages.clear()
    assert CliRunner().invoke(app, command).exit_code == 0
    anchors, ad, staged = pages
    assert "looked at only" not in anchors
    assert "Add an anchor" in anchors
    assert "Make it an anchor" in ad
    assert "repair broken clocks" in staged


def test_serve_without_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["serve", str(tmp_path / "none")])
    assert (done.exit_code, "expected coded ads" in done.stderr) == (2, True)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    done = runner.invoke(app, ["serve"])
    assert (done.exit_code, "pip install 'embedcode[web]'" in done.stderr) == (2, True)


# Reviewing


@pytest.fixture
def reviewing(bench: Workbench, tmp_path: Path) -> Iterator[TestClient]:
    web = application(bench, reviews=tmp_path / "reviews")
    with TestClient(web, base_url=HOME, headers={"Origin": HOME}) as found:
        yield found


def begin(client: TestClient, **design: str) -> str:
    form = {"reviewer": "ann", "sample": "random", "mode": "blind", "size": "3", "seed": "1", **design}
    page = client.post("/review", data=form)
    assert page.status_code == 200, page.text
    return page.url.path


def test_a_review_from_beginning_to_end(reviewing: TestClient, corpus: Corpus, tmp_path: Path) -> None:
    path = begin(reviewing)
    design = Design("ann", size=3, seed=1)
    for number, row in enumerate(draw(corpus, design)):
        assert path == f"/review/{design.key}/{row}"
        page = reviewing.get(path).text
        assert f"Ad {number + 1} of 3" in page
        code = next(c for c in re.findall(r'name="code" value="([^"]+)"', page) if c.endswith(":TASK3"))
        form = {"profile": "ML Engineer", "confidence": "3", "code": [code], "tools": "python, Foo; "}
        page = reviewing.post(path, data=form)
        path = page.url.path
    assert "Review done" in page.text
    assert "3 of 3" in reviewing.get("/review").text
    ads = read_gold(tmp_path / "reviews" / f"{design.key}.parquet", ["ML Engineer"], ["TASK3"])
    assert [ad.id for ad in ads] == [corpus.ads["id"][r].as_py() for r in draw(corpus, design)]
    assert [(t.name, t.code) for t in ads[0].tools] == [("Python", "TECH1"), ("Foo", "OTHER")]
    again = reviewing.get(f"/review/{design.key}/{draw(corpus, design)[0]}").text
    assert re.search(r'value="ML Engineer" required checked', again)
    assert f'value="{code.split(":")[0]}:' in again


def test_reviews_of_other_corpora_are_left_out(reviewing: TestClient, tmp_path: Path) -> None:
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "bob.random.blind.3.1.parquet").write_bytes(b"PAR1")
    page = reviewing.get("/review")
    assert (page.status_code, "bob" in page.text) == (200, False)


def test_blind_shows_nothing_and_checking_all(reviewing: TestClient, coder: Coder, corpus: Corpus) -> None:
    blind = reviewing.get(begin(reviewing, size="20")).text
    assert " checked" not in blind
    assert 'id="tools" name="tools" value=""' in blind
    path = begin(reviewing, mode="checking", size="20")
    found = explain(coder, corpus.document(int(path.rsplit("/", 1)[1])).text)
    checking = reviewing.get(path).text
    assert f'value="{found.profile}" required checked' in checking
    for segment in found.segments:
        for code in segment.codes:
            assert f'value="{segment.start}:{segment.end}:{code}" checked' in checking


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"profile": "Poet", "confidence": "3"},
        {"profile": "ML Engineer", "confidence": "9"},
        {"profile": "ML Engineer", "confidence": "3", "code": "0:1:TASK3"},
        {"profile": "ML Engineer", "confidence": "3", "code": "0:9999999:TASK9"},
    ],
)
def test_forms_that_make_no_sense_save_nothing(reviewing: TestClient, tmp_path: Path, form: dict[str, str]) -> None:
    page = reviewing.post(begin(reviewing), data=form)
    assert (page.status_code, 'role="alert"' in page.text) == (400, True)
    assert not (tmp_path / "reviews").exists()


@pytest.mark.parametrize("path", ["/review/x", "/review/..%2Fx.random.blind.3.1", "/review/ann.random.blind.3.1/3"])
def test_reviews_that_are_not_there(reviewing: TestClient, path: str) -> None:
    assert reviewing.get(path).status_code in (400, 404)


# Anchors and rebuilding


@pytest.fixture
def own(study: Study, corpus: Corpus) -> Workbench:
    """A workbench whose anchors may be edited."""
    return Workbench(lambda: load(study.index), study.anchors, study.index, corpus)


@pytest.fixture
def editing(own: Workbench) -> Iterator[TestClient]:
    with TestClient(application(own), base_url=HOME, headers={"Origin": HOME}) as found:
        yield found


def settled(bench: Workbench) -> None:
    for _ in range(600):
        if not (bench.trial and bench.trial.running):
            return
        time.sleep(0.1)
    raise AssertionError("the build does not end")


def test_anchors_are_listed_with_what_they_win(client: TestClient, bench: Workbench) -> None:
    page = client.get("/anchors")
    for row in bench.anchors():
        assert row.anchor.phrase in text_of(page.text)
    some = client.get("/anchors", params={"code": "TASK3", "words": "MODELLEN"})
    assert "1 of" in text_of(some.text)
    assert "modellen trainen" in some.text
    assert "No anchor passes this filter." in client.get("/anchors", params={"words": "none"}).text
    won = sum(r.won or 0 for r in bench.anchors("TASK3"))
    assert bench.corpus
    rows = bench.corpus.find(Filter(code="TASK3")).tolist()
    assert won == sum(e.code == "TASK3" for ad in bench.corpus.coded(rows) for e in ad.codes) > 0


def test_rivals_are_the_nearest(bench: Workbench) -> None:
    for row in bench.anchors():
        assert row.own is None or (row.own.code == row.anchor.code and row.own != row.anchor)
        assert row.other is None or row.other.code != row.anchor.code
    assert all(r.stray for r in bench.anchors(stray=True))


def test_an_anchor_from_a_segment_to_a_new_bundle_and_back(editing: TestClient, own: Workbench, study: Study) -> None:
    files = {p: p.read_bytes() for p in study.anchors.rglob("*.csv")}
    before = own.coder.bundle.book_hash
    segment = re.search(r'name="phrase" value="([^"]+)"', editing.get("/ad/1").text)
    assert segment
    form = {"do": "add", "code": "TASK4", "phrase": "repair broken clocks", "language": "en", "back": "/ad/1#d2"}
    page = editing.post("/anchors", data=form)
    assert page.url.path == "/ad/1"
    assert "(1 staged)" in page.text
    boilerplate = {"do": "boilerplate", "phrase": "we drink coffee", "language": "en"}
    assert "we drink coffee" in editing.post("/anchors", data=boilerplate).text
    assert {p: p.read_bytes() for p in files} == files
    editing.post("/rebuild", data={"do": "try"})
    settled(own)
    assert own.trial and own.trial.report, own.trial and own.trial.failed
    page = editing.get("/rebuild")
    assert "On trial: nothing is written yet." in page.text
    assert "kappa" in page.text
    assert "ads change profile" in page.text
    assert {p: p.read_bytes() for p in files} == files
    assert own.coder.bundle.book_hash == before
    assert "Kept: the edits are written" in editing.post("/rebuild", data={"do": "keep"}).text
    assert "repair broken clocks" in (study.anchors / "phrases/TASK4.csv").read_text("utf-8")
    assert own.coder.bundle.book_hash == book_hash(study.anchors) != before
    assert "Nothing is on trial." in editing.post("/rebuild", data={"do": "back"}).text
    assert {p: p.read_bytes() for p in files} == files
    assert own.coder.bundle.book_hash == book_hash(study.anchors) == before


def test_ads_that_flip_lead_to_their_page(editing: TestClient, own: Workbench) -> None:
    flip = CorpusFlip("ad 7", "ML Engineer", None, 0.9, None)
    report = Report(0.5, None, (), (), 0, None, Recoded(9, (flip,), {}, ""))
    own.trial = Trial(("an edit",), report=report)
    page = editing.get("/rebuild").text
    assert '<a href="/ad/7">ad 7</a>: ML Engineer (90%) → None (–)' in page
    assert "1 of 9 ads change profile" in page


def test_a_flip_tells_why(editing: TestClient, own: Workbench) -> None:
    near = (Near("TASK3", "build <i>models</i>", 0.91, "added"), Near("NEG", "a pension", 0.5, ""))
    changes = (
        Change("TASK3", True, f"Build models. {SCRIPT}", 0.2, 0.7, 0.3, 0.3, near),
        Change("SKILL1", False, "Talk with us.", 0.31, 0.31, 0.3, 0.333),
        Change("TECH4", True, "LangChain", 0.0, 1.0, tool="Lang & Chain"),
    )
    best = Best("Train <b>models</b>.", 0.2, 0.7, near)
    features = (FeatureMove("TASK3.best", "TASK3: its best segment", 0.5, -0.1),)
    margin = Margin("ML Engineer", "GenAI Engineer", -0.2, 0.3, 0.6, features)
    corpus_flips = (
        CorpusFlip("ad 7", "GenAI Engineer", "ML Engineer", 0.5, 0.6, Why(changes, margin, {"TASK3.best": best})),
        CorpusFlip("ad 8", "GenAI Engineer", "ML Engineer", 0.5, 0.6, Why((), None, {})),
    )
    moved = (Move("TASK3", 0.1, 1, 4), Move("SKILL1", 0.01, 2, 2))
    flip = Flip("x", "ML Engineer", "GenAI Engineer", "ML Engineer", 0.5, 0.6, moved, margin)
    report = Report(0.5, None, (flip,), (), 0, None, Recoded(9, corpus_flips, {}, ""))
    own.trial = Trial(("an edit",), report=report)
    page = editing.get("/rebuild").text
    assert "<script>document" not in page
    assert "<i>models" not in page
    told = " ".join(text_of(page).split())
    assert told.count("Why: mostly the evidence moved") == 2
    assert "TASK3 1 → 4 segments." in told
    assert "TASK3 gained, 20% → 70%: Build models. <script>" in told
    assert "0.91 TASK3 build <i>models</i> added" in told
    assert told.count("Train <b>models</b>") == 1, "the text of labelled ads is not known"
    assert "0.50 against a pension" in told
    assert "SKILL1 lost by its threshold, 0.300 → 0.333: Talk with us." in told
    assert "TECH4 gained: Lang & Chain: LangChain" in told
    assert "Log-odds of ML Engineer over GenAI Engineer: -0.200 → +0.300" in told
    assert "the evidence moved them by +0.600, the head by -0.100." in told
    assert "+0.400 TASK3: its best segment evidence 20% → 70%: Train <b>models</b>. ≈ 0.91 TASK3" in told
    assert "No segment gains or loses a code." in told


def test_a_rebuild_that_fails_leaves_all_as_it_was(
    editing: TestClient, own: Workbench, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()}
    editing.post("/anchors", data={"do": "add", "code": "TASK4", "phrase": "repair clocks", "language": "en"})

    def broken(*args: object, **options: object) -> None:
        raise BundleError("the disk is full")

    monkeypatch.setattr(workbench, "rebuild", broken)
    editing.post("/rebuild", data={"do": "try"})
    settled(own)
    page = editing.get("/rebuild").text
    assert "the disk is full" in page
    assert "Anchors and bundle are as they were." in page
    assert "1 staged" in page
    monkeypatch.undo()
    editing.post("/rebuild", data={"do": "try"})
    settled(own)
    monkeypatch.setattr(workbench, "rebuild", broken)
    assert "the disk is full" in editing.post("/rebuild", data={"do": "keep"}).text
    assert {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()} == files


def test_a_bundle_that_cannot_be_written_leaves_the_old_one(
    editing: TestClient, own: Workbench, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle; the edits are still staged, and can be kept later."""
    files = {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()}
    before = own.coder.bundle.book_hash
    editing.post("/anchors", data={"do": "add", "code": "TASK4", "phrase": "repair clocks", "language": "en"})
    editing.post("/rebuild", data={"do": "try"})
    settled(own)
    write, written = bundle._write, 0

    def full(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == 4:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(bundle, "_write", full)
    page = editing.post("/rebuild", data={"do": "keep"})
    assert page.status_code == 400
    assert "No space left on device. The old one is unchanged." in text_of(page.text)
    assert {p: p.read_bytes() for p in files} == files
    assert own.coder.bundle.book_hash == load(study.index, anchors=study.anchors).bundle.book_hash == before
    monkeypatch.undo()
    assert "(1 staged)" in editing.get("/rebuild").text
    assert "Kept: the edits are written" in editing.post("/rebuild", data={"do": "keep"}).text
    assert load(study.index, anchors=study.anchors).bundle.book_hash == own.coder.bundle.book_hash != before


def test_a_rebuild_needs_no_browser(own: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked for it may leave; its result is there for the next one who looks."""
    going = threading.Event()
    rebuild = workbench.rebuild

    def slowly(*args: object, **options: object) -> Report:
        assert going.wait(60)
        return rebuild(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(workbench, "rebuild", slowly)
    with TestClient(application(own), base_url=HOME, headers={"Origin": HOME}) as client:
        client.post("/anchors", data={"do": "add", "code": "TASK4", "phrase": "repair clocks", "language": "en"})
        assert "Building" in client.post("/rebuild", data={"do": "try"}).text
        refused = client.post("/anchors", data={"do": "undo"})
        assert (refused.status_code, "Wait until it is done" in refused.text) == (400, True)
    going.set()
    settled(own)
    with TestClient(application(own), base_url=HOME) as client:
        assert "On trial: nothing is written yet." in client.get("/rebuild").text


@pytest.mark.parametrize(
    "form",
    [
        {"do": "add", "code": "TASK3", "phrase": "software bouwen", "language": "nl"},
        {"do": "add", "code": "../x", "phrase": "a thing", "language": "en"},
        {"do": "remove", "id": "nothing"},
        {"do": "undo"},
        {"do": "drop tables"},
        {},
    ],
)
def test_edits_that_cannot_be(editing: TestClient, own: Workbench, form: dict[str, str]) -> None:
    page = editing.post("/anchors", data=form)
    assert (page.status_code, 'role="alert"' in page.text) == (400, True)
    assert not own.draft.steps


@pytest.mark.parametrize("act", ["try", "keep", "back", "other", ""])
def test_nothing_to_rebuild(editing: TestClient, act: str) -> None:
    assert editing.post("/rebuild", data={"do": act}).status_code == 400


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil", "javascript:x", "/ad/1#\r\nX: y"]
)
def test_forms_lead_back_to_our_pages_only(editing: TestClient, back: str) -> None:
    form = {"do": "add", "code": "TASK4", "phrase": f"thing {len(back)}", "language": "en", "back": back}
    page = editing.post("/anchors", data=form, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/anchors")


def test_an_anchor_is_edited_and_undone(editing: TestClient, own: Workbench) -> None:
    anchor = next(a for a in own.draft.book.anchors if a.phrase == "modellen trainen")
    assert f'name="id" value="{anchor.id}"' in editing.get("/anchors", params={"edit": anchor.id}).text
    form = {"do": "change", "id": anchor.id, "code": "TASK4", "phrase": "software trainen", "language": "nl"}
    assert "change &#39;modellen trainen&#39; of TASK3" in editing.post("/anchors", data=form).text
    assert [r.anchor.code for r in own.anchors(words="software trainen")] == ["TASK4"]
    editing.post("/anchors", data={"do": "undo"})
    assert not own.draft.steps
    assert not own.anchors(words="software trainen")
