"""The command line: every command, what it prints, its exit status, and what it says of bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from ads import gold_rows
from conftest import Study
from typer.testing import CliRunner

from embedcode import cli
from embedcode._version import __version__
from embedcode.bundle import MANIFEST
from embedcode.documents import OUTPUT_NAMES
from embedcode.folder import LOCK

README = Path(__file__).parent.parent / "README.md"
TEXTS = [r["text"] for r in gold_rows()]
BIN = Path(sys.executable).parent / "embedcode"


@pytest.fixture
def here(study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study to stand in, with ads of all kinds."""
    monkeypatch.chdir(study.root)
    variables = dict(os.environ)
    ads = [{"id": f"ad-{i}", "text": t, "sector": "x"} for i, t in enumerate(TEXTS[:6])]
    pq.write_table(pa.Table.from_pylist(ads), "ads.parquet")
    Path("ads.jsonl").write_text("".join(json.dumps(a) + "\n" for a in ads), "utf-8")
    Path("one.jsonl").write_text(json.dumps(ads[0]) + "\n", "utf-8")
    Path("none.jsonl").write_text("", "utf-8")
    Path("rows.jsonl").write_text('{"id": "a", "text": null}\n{"id": "b", "text": 3}\n{"id": "c", "text": "Code."}\n')
    Path("ad.txt").write_text(TEXTS[0], "utf-8")
    Path("empty.txt").write_text(" \n", "utf-8")
    Path("latin.txt").write_bytes("Één café".encode("cp1252"))
    Path("latin.csv").write_bytes('id,text\n1,"Één ontwikkelaar voor het café"\n'.encode("cp1252"))
    Path("broken.parquet").write_bytes(b"PAR1 and no more")
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine", "utf-8")
    yield study
    os.environ.clear()
    os.environ.update(variables)


def invoke(*args: str, input: bytes | str | None = None) -> Any:
    return CliRunner().invoke(cli.app, list(args), input=input)


def ok(*args: str, input: bytes | str | None = None) -> Any:
    done = invoke(*args, input=input)
    assert done.exit_code == 0, (args, done.output, done.exception)
    return done


def coded(folder: str) -> pa.Table:
    """All parts of a folder of coded ads; the manifest beside them keeps `read_table` from reading the folder."""
    return pa.concat_tables([pq.read_table(p) for p in sorted(Path(folder).glob("part-*.parquet"))])


def files(folder: str) -> list[str]:
    """What lies in a folder of coded ads, beside its lock."""
    return sorted(p.name for p in Path(folder).iterdir() if p.name != LOCK)


def commands() -> dict[str, Any]:
    """Every command by its words, groups opened."""

    def within(group: Any, before: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            words = f"{before} {name}".strip()
            if hasattr(command, "commands"):
                yield from within(command, words)
            else:
                yield words, command

    return dict(within(typer.main.get_command(cli.app), ""))


# Help


def test_the_commands() -> None:
    assert set(commands()) == {
        *("classify", "explain", "build", "train", "evaluate", "export", "export-model", "demo", "serve"),
        *("import",),
        *("dedupe", "prevalence", "report"),
        *("anchors check", "anchors list", "anchors add", "anchors copy", "anchors suggest", "anchors suggest-tools"),
    }, "a command more: add it here, and test it below"


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented(name: str) -> None:
    command = commands()[name]
    assert re.search(rf"Example: `[^`]*embedcode {name}", command.help), "help shows an example"
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"
    shown = ok(*name.split(), "--help").output
    assert "Example:" in shown
    assert f"embedcode {name.split()[0]}" in README.read_text("utf-8"), "the README names it"


@pytest.mark.parametrize("name", commands())
def test_examples_use_options_that_exist(name: str) -> None:
    known = {o: {x for p in c.params for x in (*p.opts, *p.secondary_opts)} for o, c in commands().items()}
    examples = [e for e in re.findall(r"`([^`]*)`", commands()[name].help) for e in e.split("&&")]
    for example in (e.strip() for e in examples):
        if not example.startswith("embedcode "):
            continue
        owner = max((o for o in known if example.startswith(f"embedcode {o}")), key=len)
        for option in re.findall(r"(?<= )--?[a-z][a-z-]*", re.sub(r'"[^"]*"', "", example)):
            assert option in known[owner], f"{example}: no option {option}"


def test_no_command_shows_the_help() -> None:
    for args in ((), ("anchors",)):
        done = invoke(*args)
        assert done.exit_code in (0, 2)
        assert "Usage" in done.output


def test_version() -> None:
    assert ok("--version").output == f"embedcode {__version__}\n"


# classify


def test_classify(here: Study) -> None:
    done = ok("classify", "ads.parquet", "-o", "coded", "--keep", "sector", "--workers", "1")
    assert "6 ads" in done.stdout
    assert "→ coded" in done.stdout
    assert done.stderr == ""
    table = coded("coded")
    assert table.column_names == [*table.column_names[:10], "sector"]
    assert set(table.column_names[:10]) == OUTPUT_NAMES
    assert table.column("id").to_pylist() == [f"ad-{i}" for i in range(6)]
    assert json.loads(Path("coded", "manifest.json").read_text("utf-8"))["rows"] == 6


def test_classify_standard_input(here: Study) -> None:
    ok("classify", "-", "-o", "a", input=Path("ads.jsonl").read_bytes())
    ok("classify", "ads.jsonl", "-o", "b")
    assert Path("a/part-00000.parquet").read_bytes() == Path("b/part-00000.parquet").read_bytes()
    assert json.loads(Path("a/manifest.json").read_text("utf-8"))["input"] == []


def test_classify_with_options(here: Study) -> None:
    ok("classify", "ads.parquet", "ads.jsonl", "-o", "a", "--limit", "8", "--rows-per-part", "3", "--workers", "2")
    assert [pq.read_metadata(p).num_rows for p in sorted(Path("a").glob("part-*"))] == [3, 3, 2]
    ok("classify", "latin.csv", "-o", "b", "--encoding", "cp1252", "--index", "indexes/default")
    assert coded("b").column("id").to_pylist() == ["1"]
    ok("classify", "ads.parquet", "-o", "c", "--text-column", "sector", "--id-column", "text", "--title-column", "id")
    assert coded("c").column("id").to_pylist() == TEXTS[:6]
    ok("classify", "ads.par*", "-o", "d", "--limit", "1", "--keep", "all")


def test_timings_and_the_segment_cache(here: Study) -> None:
    with_cache = ok("classify", "ads.parquet", "ads.jsonl", "-o", "a", "--timings", "--workers", "1")
    known = re.search(r"segments known already: ([\d.]+)%", with_cache.stdout)
    assert known is not None
    assert float(known[1]) >= 50  # every ad is there twice
    for stage in ("segmenting", "similarities", "tools", "writing", "reading"):
        assert stage in with_cache.stdout
    without = ok("classify", "ads.parquet", "ads.jsonl", "-o", "b", "--timings", "--segment-cache", "0")
    assert "segments known already: 0.0%" in without.stdout
    assert Path("a/part-00000.parquet").read_bytes() == Path("b/part-00000.parquet").read_bytes()


def test_rows_with_errors_are_told(here: Study) -> None:
    done = ok("classify", "rows.jsonl", "-o", "out")
    assert "2 ads could not be coded (column error says why)" in done.stderr
    assert "1 × no text" in done.stderr
    assert coded("out").column("id").to_pylist() == ["a", "b", "c"]


def test_foreign_ads_are_told(here: Study) -> None:
    text = "Wir suchen eine Entwicklerin, die mit uns Modelle für die Vorhersage von Störungen an Zügen baut."
    done = ok("classify", "-", "-o", "out", input=json.dumps({"text": text}) + "\n")
    assert "Warning: 1 ad in neither English nor Dutch (de 1); coded all the same." in done.stderr


def test_no_ads(here: Study) -> None:
    assert "0 ads" in ok("classify", "none.jsonl", "-o", "out").stdout
    assert coded("out").num_rows == 0


def test_an_output_folder_with_brackets(here: Study) -> None:
    assert "→ out[bold]x" in ok("classify", "one.jsonl", "-o", "out[bold]x").stdout


def test_restart(here: Study) -> None:
    ok("classify", "ads.parquet", "-o", "out", "--rows-per-part", "2", "--workers", "1")
    done = invoke("classify", "one.jsonl", "-o", "out")
    assert done.exit_code == 2
    assert "out holds the coded ads of another run (another bundle and options)" in done.stderr
    assert "--restart" in done.stderr
    assert [p.name for p in sorted(Path("out").glob("part-*"))] == [f"part-0000{i}.parquet" for i in range(3)]
    done = invoke("classify", "one.jsonl", "-o", "out", "--rows-per-part", "2")
    assert done.exit_code == 2
    assert "out holds the coded ads of another run (the input was ads.parquet, not one.jsonl)" in done.stderr
    ok("classify", "one.jsonl", "-o", "out", "--restart")
    assert files("out") == ["journal.json", "manifest.json", "part-00000.parquet"]
    assert coded("out").column("id").to_pylist() == ["ad-0"]


def test_a_bundle_that_cannot_be_loaded_costs_no_earlier_run(here: Study) -> None:
    ok("classify", "one.jsonl", "-o", "out")
    before = {p: p.read_bytes() for p in Path("out").iterdir()}
    assert invoke("classify", "one.jsonl", "-o", "out", "--restart", "--index", "nope").exit_code == 2
    assert files("out") == ["journal.json", "manifest.json", "part-00000.parquet"]
    assert {p: p.read_bytes() for p in Path("out").iterdir()} == before
    invoke("classify", "one.jsonl", "-o", "new", "--index", "nope")
    assert not Path("new").exists()


def test_one_broken_file_among_many(here: Study) -> None:
    done = invoke("classify", "ads.parquet", "broken.parquet", "one.jsonl", "-o", "out")
    assert done.exit_code == 1
    assert "Not read: broken.parquet" in done.stderr
    assert coded("out").num_rows == 7


# explain


def test_explain_a_text_file(here: Study) -> None:
    done = ok("explain", "ad.txt")
    assert "What spoke for" in done.stdout
    assert "Evidence:" in done.stdout
    assert ok("explain", "-", input=Path("ad.txt").read_bytes()).stdout == done.stdout


def test_explain_as_json(here: Study) -> None:
    found = json.loads(ok("explain", "ad.txt", "--json").stdout)
    assert set(found) == {"profile", "confidence", "probabilities", "language", "segments", "tools", "features"}
    ok("classify", "one.jsonl", "-o", "out")
    assert coded("out").column("profile").to_pylist() == [found["profile"]]


def test_explain_one_ad_of_a_file(here: Study) -> None:
    by_id = ok("explain", "ads.parquet", "--id", "ad-0", "--json").stdout
    assert by_id == ok("explain", "ad.txt", "--json").stdout
    assert by_id == ok("explain", "-", "--id", "ad-0", "--json", input=Path("ads.jsonl").read_bytes()).stdout
    assert by_id == ok("explain", "one.jsonl", "--json").stdout
    Path("plain.csv").write_text('body\n"first"\n"You build models."\n', "utf-8")
    found = json.loads(ok("explain", "plain.csv", "--id", "1", "--json").stdout)
    assert found["segments"][0]["text"] == "You build models."


def test_explain_with_a_title(here: Study) -> None:
    found = json.loads(ok("explain", "ad.txt", "--title", "Python Engineer", "--json").stdout)
    assert (found["segments"][0]["field"], found["segments"][0]["text"]) == ("title", "Python Engineer")


# build, evaluate, anchors


def test_build_after_an_edit(here: Study) -> None:
    done = ok("anchors", "add", "TASK4", "develop web shops")
    assert "added to phrases/TASK4.csv: develop web shops (TASK4, software, en)" in done.stdout
    stale = invoke("classify", "one.jsonl", "-o", "out")
    assert stale.exit_code == 2
    assert "has changed since" in stale.stderr
    done = ok("build")
    assert re.search(r"cross-validated on the labelled ads: -?\d\.\d{3} → -?\d\.\d{3}", done.stdout)
    assert re.search(r"labelled ads that change profile: \d+", done.stdout)
    ok("classify", "one.jsonl", "-o", "out")


def test_build_shows_what_it_would_change(here: Study) -> None:
    ok("classify", "ads.parquet", "-o", "coded")
    here.edit("phrases/TASK4.csv", '"write, test and review software",software,en,\n', "")
    here.add("phrases/TASK3.csv", "forecasts of sales,predictive,en,")
    before = {p: p.read_bytes() for p in here.root.rglob("*") if p.is_file()}
    done = ok("build", "--diff", "--corpus", "coded")
    assert {p: p.read_bytes() for p in here.root.rglob("*") if p.is_file()} == before, "nothing is written"
    assert "edits of the coding book: 2" in done.stdout
    assert "+ anchor 'forecasts of sales': TASK3 predictive en" in done.stdout
    assert "- anchor 'write, test and review software': TASK4 software en" in done.stdout
    figure = r"-?\d\.\d{3} +\(-?\d\.\d{3} to -?\d\.\d{3}\)"
    for name in ("kappa", "macro-F1", "TASK3", "TASK4", "SKILL1"):
        assert re.search(rf"{name} +{figure} +{figure} +[+-]\d\.\d{{3}} +\(", done.stdout), name
    assert re.search(r"ads of the corpus that change profile: \d of 6", done.stdout)
    assert re.search(r"nothing written; compared with the bundle .*default\n$", done.stdout)
    assert ok("build", "--diff", "--corpus", "coded").stdout == done.stdout
    written = ok("build", "--corpus", "coded").stdout
    assert written.splitlines()[:-1] == done.stdout.splitlines()[:-1], "a build tells the same"


def test_build_tells_of_terms_not_measured(here: Study) -> None:
    ok("anchors", "add", "generative", "chatbot*")
    done = ok("build", "-o", "indexes/mine")
    assert "terms not measured yet" in done.stdout
    assert "chatbot*" in done.stdout
    done = ok("build", "-o", "indexes/mine", "--gold", "gold.parquet")
    assert "not measured" not in done.stdout
    ok("classify", "one.jsonl", "-o", "out", "--index", "mine")


def test_evaluate(here: Study) -> None:
    ok("classify", "gold.parquet", "-o", "coded", "--workers", "1")
    assert "kappa" in ok("evaluate", "coded", "gold.parquet").stdout
    assert json.loads(ok("evaluate", "coded", "gold.parquet", "--json").stdout)


def test_evaluate_with_further_coders(here: Study) -> None:
    ok("classify", "gold.parquet", "-o", "coded", "--workers", "1")
    labels = {"ML Engineer": "ML", "GenAI Engineer": "GenAI"}
    rows = pq.read_table("gold.parquet", columns=["id", "profile"]).to_pylist()
    given = [(r["id"], who, labels.get(r["profile"], "unsure")) for r in rows for who in ("ann", "bob")]
    lines = ["ad,who,label", *map(",".join, given)]
    Path("people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = (
        *("--columns", "id=ad,coder=who,profile=label"),
        *("--labels", "ML=ML Engineer, GenAI=GenAI Engineer,unsure="),
    )
    done = ok("evaluate", "coded", "gold.parquet", "people.csv", *options, "--disagreements-to", "worst.csv")
    assert "from all 4 coders" in done.stdout
    assert "ads → worst.csv" in done.stdout
    again = invoke("evaluate", "coded", "gold.parquet", "--disagreements-to", "worst.csv")
    assert (again.exit_code, "worst.csv exists already. Replace it with --force" in again.stderr) == (2, True)
    assert Path("worst.csv").read_text(encoding="utf-8-sig").startswith("rank,id,coder,profile,confidence,agrees")
    found = json.loads(ok("evaluate", "people.csv", *options, "--reference", "bob", "--json").stdout)
    assert (found["coded"], found["profile"]["accuracy"]) == ("ann", 1)
    assert found["reliability"]["alpha"]["value"] == 1


def test_anchors_check(here: Study) -> None:
    done = ok("anchors", "check")
    assert "anchors: sound" in done.stdout
    here.add("phrases/TASK4.csv", "software bouwen,software,nl,")
    here.add("terms.csv", "*x,generative,en,")
    done = invoke("anchors", "check", "anchors")
    assert done.exit_code == 1
    assert "phrases/TASK4.csv:6: the same phrase stands in phrases/TASK4.csv:5" in done.stderr
    assert "terms.csv:14: term '*x' has a stray wildcard" in done.stderr
    assert "2 problem(s) in anchors" in done.stderr


def test_anchors_check_lists_what_is_worth_a_look(here: Study) -> None:
    ok("classify", "ads.parquet", "-o", "coded")
    here.add("phrases/TASK4.csv", '"software, write: review and test",software,en,')
    done = ok("anchors", "check", "--coded", "coded")
    assert "same words  TASK4 'write, test and review software'  ≈  TASK4 'software, write: review and test'" in (
        done.stdout
    )
    assert re.search(r"TASK3 +4 +3 +1 +\d+% +\d+ +\d\n", done.stdout), "en, nl, purity, evidence won, idle"
    assert "thin codes and facets: 4\n  TASK3: 4, expected 10 or more" in done.stdout
    assert "languages missing: 1\n  SKILL1 has no anchor in nl" in done.stdout
    assert "not judged: 1 anchor(s) that the bundle does not have yet" in done.stdout
    assert re.search(r"anchors: sound; \d+ findings worth a look\n$", done.stdout)
    assert done.stdout == ok("anchors", "check", "--anchors", "anchors", "--coded", "coded").stdout
    found = json.loads(ok("anchors", "check", "--coded", "coded", "--json").stdout)
    assert set(found) == {"problems", "warnings", "findings"}
    assert found["findings"]["usage"]["ads"] == 6
    assert sum(c["won"] or 0 for c in found["findings"]["codes"]) == sum(found["findings"]["usage"]["won"].values())
    evidence = [e for ad in coded("coded").column("codes").to_pylist() for e in ad if e["anchor_id"]]
    assert len(evidence) == sum(found["findings"]["usage"]["won"].values()) > 0


def test_anchors_check_without_a_bundle(here: Study) -> None:
    shutil.rmtree(here.index)
    done = ok("anchors", "check", "--index", "nope")
    assert "warning: the anchors were not compared: Found no bundle 'nope'" in done.stdout
    assert done.stdout.endswith("anchors: sound\n")


def test_anchors_check_warns_of_unknown_words(here: Study) -> None:
    here.add("phrases/TASK4.csv", "zzyzx qqq,software,en,")
    assert (
        "the embedder does not know 'zzyzx'; its vector is made of z + z + y + z + x" in ok("anchors", "check").stdout
    )


def test_anchors_list(here: Study) -> None:
    done = ok("anchors", "list").stdout
    assert re.search(r"TASK3 +3 +1 +Modeling", done)
    assert "write, test and review software" in ok("anchors", "list", "TASK4").stdout
    assert "software bouwen" not in ok("anchors", "list", "TASK4", "--language", "en").stdout
    assert "taalmodel*" in ok("anchors", "list", "generative").stdout
    assert ok("anchors", "list", "TECH4").stdout == "LangChain, Lang Chain\n"
    assert "pension" in ok("anchors", "list", "NEG").stdout


def test_anchors_add_to_a_book_elsewhere(here: Study) -> None:
    shutil.copytree("anchors", "other")
    done = ok("anchors", "add", "NEG", "free parking", "--facet", "benefits", "--note", "why", "--anchors", "other")
    assert "embedcode build --anchors other" in done.stdout
    assert Path("other/negatives.csv").read_text("utf-8").endswith("free parking,benefits,en,why\n")
    assert "free parking" not in Path("anchors/negatives.csv").read_text("utf-8")


def test_anchors_suggest_tools(here: Study) -> None:
    ads = ("You know Python, Zarvo and LangChain.", "Python, Zarvo, LangChain", "Python, Quent")
    Path("lists.csv").write_text("\n".join(["text", *(f'"{ad}"' for ad in ads)]), "utf-8")
    header = "tool,code,ads,beside,example\n"
    found = ok("anchors", "suggest-tools", "lists.csv").stdout
    assert found == header + 'Zarvo,TECH1,2,Python,"You know Python, Zarvo and LangChain."\n'
    assert "\nQuent,TECH1,1,Python," in ok("anchors", "suggest-tools", "lists.csv", "--least", "1").stdout
    assert ok("anchors", "suggest-tools", "lists.csv", "--min-ads", "3").stdout == header
    assert ",1,Python," in ok("anchors", "suggest-tools", "lists.csv", "--limit", "1").stdout


def test_anchors_copy(here: Study) -> None:
    assert "embedcode build --anchors mine" in ok("anchors", "copy", "mine").stdout
    assert Path("mine/codes.csv").is_file()
    assert ok("anchors", "list", "--anchors", "mine")


def test_export_model(here: Study) -> None:
    assert "model: model" in ok("export-model", "model").stdout
    assert Path("model/modules.json").is_file()


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = ok("demo")
    assert "GenAI Engineer" in done.stdout
    assert "What spoke for" in done.stdout
    assert list(tmp_path.iterdir()) == []


# Bad input: exit status 2, and a message with what was found, what was expected and what to do

BAD = {
    "no such file": ("classify nowhere.csv -o out", r"no file or folder nowhere.csv. Beside it: .*ads.parquet"),
    "no such column": ("classify ads.parquet -o out --text-column body", r"no column `body`.*Found: id, text, sector"),
    "no text column": ("classify titles.csv -o out", r"no column called text, description.*Found: a, b.*--text-column"),
    "no kept column": (
        "classify ads.parquet -o out --keep nope",
        r"no column nope \(--keep\). Found: id, text, sector",
    ),
    "another encoding": (
        "classify latin.csv -o out",
        r"latin.csv is not utf-8: the first bad byte is 0xC9.*--encoding",
    ),
    "unknown encoding": ("classify latin.csv -o out --encoding x", r"No encoding is called 'x'. Expected utf-8"),
    "not Parquet": ("classify broken.parquet -o out", r"broken.parquet cannot be read.*Expected a whole Parquet file"),
    "another ending": ("classify ad.txt -o out", r"ends in none of .parquet, .csv"),
    "a full folder": ("classify ads.parquet -o full", r"full holds something else already \(notes.txt\).*-o"),
    "a file for a folder": ("classify ads.parquet -o ad.txt", r"Cannot write to ad.txt.*Name another folder"),
    "no such bundle": ("classify ads.parquet -o out --index nope", r"Found no bundle 'nope'.*one of: default"),
    "no folder of anchors": ("build --anchors nope", r"Found no folder nope; expected a coding book.*anchors copy"),
    "explain: no such file": ("explain nowhere.txt", r"Cannot read nowhere.txt: No such file.*Expected a text file"),
    "explain: no text": ("explain empty.txt", r"The ad has no text; expected at least a word"),
    "explain: encoding": ("explain latin.txt", r"latin.txt is not utf-8: byte 0 is 0xc9.*--encoding"),
    "explain: unknown encoding": ("explain ad.txt --encoding x", r"No encoding is called 'x'"),
    "explain: which ad": ("explain ads.parquet", r"holds many ads; say which with --id.*ad-0, ad-1"),
    "explain: no such id": (
        "explain ads.parquet --id nope",
        r"Found no ad 'nope' in ads.parquet; its first ids are ad-0",
    ),
    "explain: an ad with an error": ("explain rows.jsonl --id b", r"Ad 'b' cannot be coded: .*a number, not text"),
    "explain: no ads": ("explain none.jsonl", r"none.jsonl holds no ads"),
    "explain: a folder": ("explain full", r"Cannot read full: Is a directory"),
    "build: no such gold": ("build --gold nowhere.parquet", r"Cannot read coded ads from nowhere.parquet.*Parquet"),
    "build: gold of ads": (
        "build --gold ads.parquet",
        r"lacks the column\(s\) profile, segments, codes; found id, text",
    ),
    "build: a full folder": ("build -o full", r"full holds something that is not a bundle.*--output"),
    "evaluate: nothing coded": ("evaluate nowhere gold.parquet", r"nowhere.*embedcode classify"),
    "evaluate: no gold": ("evaluate full nowhere.parquet", r"Expected|expected"),
    "evaluate: one coder": ("evaluate gold.parquet", r"Found one coder only, 'gold'; expected two or more"),
    "evaluate: not a pair": ("evaluate gold.parquet gold.parquet --columns id", r"Found 'id' in --columns; expected"),
    "evaluate: not labelled": (
        "evaluate gold.parquet ads.parquet",
        r"ads.parquet lacks profile; found the columns .*--columns profile=COLUMN",
    ),
    "anchors list: unknown": ("anchors list TASK9", r"Found no code or facet 'TASK9'; expected one of .*TASK3"),
    "anchors list: language": ("anchors list TASK3 --language xx", r"Found the language 'xx'; expected one of en, nl"),
    "a model for nothing": ("classify ads.parquet -o out --model nope", r"holds its own embedder; found --model nope"),
    "anchors add: unknown": ("anchors add TASK9 x", r"Found no code or facet 'TASK9'; expected one of TASK3"),
    "anchors add: a tool": ("anchors add TECH4 x", r"Tools go into tools.csv"),
    "anchors add: no kind": ("anchors add NEG x", r"needs its kind: --facet, one of benefits"),
    "anchors add: facet": (
        "anchors add TASK3 x --facet generativ",
        r"Found no facet 'generativ' of TASK3; expected one of",
    ),
    "anchors add: twice": ("anchors add TASK4 'Software Bouwen'", r"Not added: .*the same phrase stands in"),
    "anchors add: wildcard": ("anchors add generative mod*el", r"Not added: .*term 'mod\*el' has a stray wildcard"),
    "anchors add: language": ("anchors add TASK4 'write code' --language fr", r"language 'fr'; expected one of en, nl"),
    "anchors add: comment": ("anchors add TASK4 '# code'", r"read as a comment"),
    "anchors add: comment without a space": ("anchors add TASK4 '#code'", r"read as a comment"),
    "anchors add: not text": ("anchors add TASK4 'caf\udcff'", r"found 'caf\\udcff,.*not UTF-8; expected text"),
    "anchors add: no word": ("anchors add TASK4 '...'", r"has no word"),
    "anchors check: no folder": ("anchors check nope", r"Found no folder nope"),
    "anchors check: two folders": ("anchors check anchors --anchors full", r"Found two coding books.*expected one"),
    "anchors check: nothing coded": ("anchors check --coded nowhere", r"Found no nowhere; expected coded ads"),
    "build: no corpus": ("build --diff --corpus full", r"Found no part-\*.parquet in full; expected coded ads"),
    "anchors copy: a full folder": ("anchors copy full", r"full exists already and is not an empty folder"),
    "export: options of another format": ("export ads -o x.csv --blind", r"Found '--blind' for a table"),
    "import: no project": ("import no.qdpx coded -o x.parquet", r"Cannot read no.qdpx .*Expected a REFI-QDA project"),
    "export: a full folder": ("export-model full", r"full exists already and is not an empty folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(here: Study, case: str) -> None:
    import shlex

    Path("titles.csv").write_text("a,b\n1,2\n", "utf-8")
    before = {p: p.read_bytes() for p in here.root.rglob("*") if p.is_file()}
    arguments, message = BAD[case]
    done = invoke(*shlex.split(arguments))
    assert done.exit_code == 2, done.output
    assert re.search(message, " ".join(done.stderr.split())), done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.output
    assert done.stdout == ""
    after = {p: p.read_bytes() for p in here.root.rglob("*") if p.is_file() and p.name != LOCK}
    assert after == before, "nothing is written, nothing is lost"


@pytest.mark.parametrize(
    "arguments",
    ["nope", "classify", "classify ads.parquet", "classify ads.parquet -o x --limit 0", "explain", "anchors nope"],
)
def test_bad_usage(here: Study, arguments: str) -> None:
    done = invoke(*arguments.split())
    assert done.exit_code == 2
    assert "Usage" in done.output


@pytest.mark.parametrize("damage", ["missing", "changed", "manifest"])
@pytest.mark.parametrize("command", ["classify one.jsonl -o out", "explain ad.txt", "build", "export-model out"])
def test_a_damaged_bundle(here: Study, damage: str, command: str) -> None:
    path = next(here.index.glob("models-*"))
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        path.write_bytes(path.read_bytes() + b" ")
    else:
        (here.index / MANIFEST).write_bytes((here.index / MANIFEST).read_bytes()[:100])
    done = invoke(*command.split())
    assert done.exit_code == 2
    assert re.search(r"lacks its file models-|is damaged: (models-|manifest)", done.stderr)
    assert "Restore it" in done.stderr
    assert not Path("out").exists()


def test_bad_standard_input(here: Study) -> None:
    done = invoke("classify", "-", "-o", "out", input="no json\n")
    assert done.exit_code == 2
    assert "standard input holds no JSON object" in done.stderr
    done = invoke("explain", "-", input=b"caf\xe9")
    assert done.exit_code == 2
    assert "Standard input is not utf-8: byte 3 is 0xe9" in done.stderr
    assert invoke("explain", "-", input=b"").exit_code == 2


@pytest.mark.usefixtures("no_network")
def test_an_embedder_that_does_not_exist(here: Study) -> None:
    """An error, and nothing is downloaded; without sentence-transformers the message names the extra."""
    done = invoke("build", "--embedder", "no-such-model", "--gold", "gold.parquet", "-o", "out")
    assert done.exit_code == 2
    assert re.search(r"Found no model 'no-such-model'.*--download|pip install 'embedcode\[transformers\]'", done.stderr)
    assert not Path("out").exists()


# Errors that nobody foresaw


def test_an_unforeseen_error(here: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the flux is broken")

    monkeypatch.setattr("embedcode.curate.overview", fail)
    done = invoke("anchors", "list")
    assert done.exit_code == 1
    assert "Error: RuntimeError: the flux is broken." in done.stderr
    assert "embedcode --debug anchors" in done.stderr
    assert "Traceback" not in done.output
    done = invoke("--debug", "anchors", "list")
    assert done.exit_code == 1
    assert isinstance(done.exception, RuntimeError)


def test_debug_shows_tracebacks_of_errors(here: Study) -> None:
    arguments = ["explain", "nowhere.txt"]
    plain = subprocess.run([BIN, *arguments], capture_output=True, text=True)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr.startswith("Error: Cannot read nowhere.txt")
    assert len(plain.stderr.splitlines()) == 1
    debug = subprocess.run([BIN, "--debug", *arguments], capture_output=True, text=True)
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr
    assert "InputError: Cannot read nowhere.txt" in debug.stderr


def test_a_reader_that_goes_away(here: Study) -> None:
    command = f"{BIN} anchors list TASK3 | head -0; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_ctrl_c(here: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedcode.run.run", stop)
    done = invoke("classify", "ads.parquet", "-o", "out")
    assert done.exit_code == 130
    assert done.stderr == "Stopped. The finished parts in out are whole; give the same command again to go on.\n"
    monkeypatch.setattr("embedcode.curate.overview", stop)
    done = invoke("anchors", "list")
    assert (done.exit_code, done.stderr) == (130, "Stopped.\n")


def test_a_real_process_from_end_to_end(here: Study) -> None:
    """Through the installed command and a pipe, with the numbers of the exit status."""
    done = subprocess.run(
        [BIN, "classify", "-", "-o", "out"], input=Path("ads.jsonl").read_bytes(), capture_output=True
    )
    told = b"Standard input cannot be read again: this run cannot be continued if it is stopped.\n"
    assert (done.returncode, done.stderr) == (0, told)
    assert "6 ads" in done.stdout.decode()
    assert "\x1b" not in done.stdout.decode(), "no colours or progress where nobody looks"
    assert coded("out").num_rows == 6


def test_min_confidence_is_an_option_of_classify(tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text("text\nBuild chatbots with LangChain.\nWe sell shoes.\n", "utf-8")
    done = invoke("classify", str(tmp_path / "ads.csv"), "-o", str(tmp_path / "out"), "--min-confidence", "1")
    assert done.exit_code == 0
    assert "the confidence is below the minimum of 1" in done.stderr


def test_no_command_waits_for_pandas(tmp_path: Path) -> None:
    """Arrow looks for it as soon as it is given a list."""
    (tmp_path / "pandas").mkdir()
    (tmp_path / "pandas" / "__init__.py").write_text("raise SystemExit('pandas is loaded')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    arrow = [sys.executable, "-c", "import pyarrow; pyarrow.array([0])"]
    assert "pandas is loaded" in subprocess.run(arrow, env=environment, capture_output=True, text=True).stderr
    command = [Path(sys.executable).parent / "embedcode", "demo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
