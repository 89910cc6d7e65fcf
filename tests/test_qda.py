"""REFI-QDA projects: valid, the same each time, and read back as what people made of them."""

from __future__ import annotations

import io
import os
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study, small_gold_rows
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from embedcode import qda_reading
from embedcode.book import read_book
from embedcode.cli import app
from embedcode.coded import CodedAd
from embedcode.corpus import Corpus
from embedcode.documents import Columns, Source
from embedcode.errors import InputError, OutputError
from embedcode.evaluate import evaluate
from embedcode.gold import read_gold
from embedcode.qda import Exported, export_qda
from embedcode.qda_corrections import Corrections, import_corrections
from embedcode.qda_format import SourceText, holdable
from embedcode.qda_reading import read_project
from embedcode.run import Bundled, run
from embedcode.types import CodingBook

SCHEMAS = Path(os.environ.get("REFI_QDA", Path(__file__).parents[2] / "shared" / "refi-qda"))
PROFILES = ("ML Engineer", "GenAI Engineer", "Ambiguous / Not Relevant")
CODES = ("TASK3", "TASK4", "TECH1", "TECH4", "SKILL1")
SPACE = "{urn:QDA-XML:project:1.0}"

TEXTS = [str(r["text"]) for r in gold_rows()]
CRLF, EMOJI, TITLED, TWICE, EMPTY = 0, 1, 2, 4, 5
"""Rows of ads that are out of the ordinary."""


@pytest.fixture(scope="module")
def coded(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coded ads with line ends, characters and titles of all kinds."""
    folder = tmp_path_factory.mktemp("qda")
    ads = [{"id": f"ad {i}", "title": None, "text": t} for i, t in enumerate(TEXTS[:12])]
    ads[CRLF]["text"] = TEXTS[CRLF].replace("\n", "\r\n")
    ads[EMOJI]["text"] = (
        f"\ufeff🧪 Prüf\u0308stand 🧪 Lang Chain\x0b\r{TEXTS[EMOJI]}\n"
        "👩‍🔬 write, test and review software in Python3\x00."
    )
    ads[TITLED]["title"] = "LangChain/Python: build language models\r\nnow"
    ads[TWICE]["text"] = ads[3]["text"]
    ads[EMPTY]["text"] = " "
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    source = Source.open([str(folder / "ads.parquet")], Columns(keep=("text", "title")))
    run(source, folder / "coded", Bundled(str(built_study.index)), rows_per_part=5)
    return folder / "coded"


@pytest.fixture(scope="module")
def small_book(built_study: Study) -> CodingBook:
    return read_book(built_study.anchors)


@pytest.fixture(scope="module")
def study(coded: Path, small_book: CodingBook, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of all ads."""
    path = tmp_path_factory.mktemp("study") / "study.qdpx"
    assert export_qda(coded, path, small_book).ads == 11
    return path


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {n: archive.read(n) for n in archive.namelist()}


def tree(path: Path) -> ET.Element:
    return ET.fromstring(entries(path)["project.qde"])


def pack(path: Path, held: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    return path


def edited(study: Path, path: Path, edit: Callable[[ET.Element], object]) -> Path:
    """A copy of a project with another XML."""
    ET.register_namespace("", SPACE.strip("{}"))
    root = tree(study)
    edit(root)
    return pack(path, {**entries(study), "project.qde": ET.tostring(root, encoding="utf-8")})


def every(root: ET.Element, tag: str) -> list[ET.Element]:
    return list(root.iter(SPACE + tag))


def guid_of(root: ET.Element, tag: str, name: str) -> str:
    return next(e.attrib["guid"] for e in every(root, tag) if e.attrib["name"].split(" ")[0] == name)


def source_of(root: ET.Element, row: int) -> ET.Element:
    return next(s for s in every(root, "TextSource") if s.attrib["name"].startswith(f"{row + 1:02} "))


def code(root: ET.Element, row: int, start: int, end: int, code: str, user: str | None = None, **more: str) -> None:
    """Add a coding, as a programme does."""
    selection = ET.SubElement(
        source_of(root, row),
        f"{SPACE}PlainTextSelection",
        {
            "guid": "0" * 8 + "-0000-0000-0000-000000000001",
            "startPosition": str(start),
            "endPosition": str(end),
            **more,
        },
    )
    by = {"creatingUser": guid_of(root, "User", user)} if user else {}
    coding = ET.SubElement(selection, f"{SPACE}Coding", {"guid": "{" + "0" * 8 + "-0000-0000-0000-00000000000A}", **by})
    ET.SubElement(coding, f"{SPACE}CodeRef", {"targetGUID": guid_of(root, "Code", code)})


def add_user(root: ET.Element, name: str) -> None:
    users = root.find(f"{SPACE}Users")
    if users is None:
        users = ET.Element(f"{SPACE}Users")
        root.insert(0, users)
    number = len(users) + 1
    ET.SubElement(users, f"{SPACE}User", {"guid": f"{number:08}-0000-0000-0000-000000000000", "name": name})


def set_variable(root: ET.Element, row: int, name: str, value: str, tag: str = "TextValue") -> None:
    case = next(c for c in every(root, "Case") if c.attrib["name"] == source_of(root, row).attrib["name"])
    variable = guid_of(root, "Variable", name)
    for held in case.findall(f"{SPACE}VariableValue"):
        if held[0].attrib["targetGUID"] == variable:
            case.remove(held)
    value_of = ET.Element(f"{SPACE}VariableValue")
    ET.SubElement(value_of, f"{SPACE}VariableRef", {"targetGUID": variable})
    ET.SubElement(value_of, SPACE + tag).text = value
    case.insert(0, value_of)


def read(study: Path, coded: Path, book: CodingBook, **options: Any) -> tuple[Corrections, dict[str, dict[str, Any]]]:
    """What was found, and the labelled ads as `build` reads them, by id."""
    output = study.with_suffix(".parquet")
    found = import_corrections(study, coded, output, book, force=True, **options)
    ads = read_gold(output, PROFILES, CODES)
    assert [a.id for a in ads] == [a["id"] for a in found.ads]
    return found, {r["id"]: r for r in pq.read_table(output).to_pylist()}


def spans(row: dict[str, Any]) -> set[tuple[int, int, str]]:
    return {(c["start"], c["end"], c["code"]) for c in row["codes"]}


def tools(row: dict[str, Any]) -> set[tuple[str, str]]:
    return {(t["name"], t["code"]) for t in row["tech"]}


def machine(coded: Path) -> dict[str, CodedAd]:
    corpus = Corpus(coded)
    return {a.id: a for a in corpus.coded(range(len(corpus)))}


def tasks(ad: CodedAd) -> set[tuple[int, int, str]]:
    """Tasks and skills that the machine found in the text."""
    return {(e.start, e.end, e.code) for e in ad.codes if e.field == "text" and not e.tool}


# Writing


def validate(schema: str, xml: bytes) -> None:
    if not (SCHEMAS / schema).is_file():
        pytest.skip(f"found no {schema} in {SCHEMAS}: set REFI_QDA to the folder of the REFI-QDA schemas")
    xmlschema = pytest.importorskip("xmlschema")
    xmlschema.XMLSchema(str(SCHEMAS / schema)).validate(io.BytesIO(xml))


@pytest.mark.parametrize("options", [{}, {"blind": True, "sample": 3}, {"gold": True}], ids=["all", "blind", "gold"])
def test_projects_are_valid(
    coded: Path, small_book: CodingBook, built_study: Study, tmp_path: Path, options: dict[str, Any]
) -> None:
    if options.get("gold"):
        options = {"gold": [built_study.gold]}
    export_qda(coded, tmp_path / "s.qdpx", small_book, **options)
    validate("Project-mrt2019.xsd", entries(tmp_path / "s.qdpx")["project.qde"])
    validate("Codebook-mrt2019.xsd", (tmp_path / "s.qdc").read_bytes())


def test_a_code_book_alone(coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    assert export_qda(coded, tmp_path / "book.qdc", small_book) == Exported()
    assert [p.name for p in tmp_path.iterdir()] == ["book.qdc"]
    groups = ET.fromstring((tmp_path / "book.qdc").read_bytes())[0]
    assert [g.attrib["name"] for g in groups] == ["PROFILE", "TASK", "TECH", "SKILL"]
    assert {g.attrib["isCodable"] for g in groups} == {"false"}
    codes = [c for g in groups for c in g]
    assert [c.attrib["name"] for c in codes][3:] == [
        *("TASK3 Modeling", "TASK4 Software", "TECH1 Languages", "TECH4 Frameworks", "SKILL1 Talking"),
    ]
    assert len({c.attrib["color"] for c in codes}) == len(codes)
    assert all(re.fullmatch("#[0-9A-F]{6}", c.attrib["color"]) for c in codes)


def test_the_same_bytes_each_time(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    export_qda(coded, tmp_path / "again.qdpx", small_book)
    assert (tmp_path / "again.qdpx").read_bytes() == study.read_bytes()
    with zipfile.ZipFile(study) as archive:
        assert {(i.date_time, i.create_system) for i in archive.infolist()} == {((1980, 1, 1, 0, 0, 0), 3)}
        assert archive.namelist()[0] == "project.qde"


def test_guids_and_names_are_unique(study: Path) -> None:
    root = tree(study)
    guids = [e.attrib["guid"] for e in root.iter() if "guid" in e.attrib]
    assert len(guids) == len(set(guids)) > 100
    for tag in ("Code", "TextSource", "Case", "User", "Variable"):
        names = [e.attrib["name"] for e in every(root, tag)]
        assert len(names) == len(set(names)), tag
        assert not [n for n in names if tag == "TextSource" and re.search(r'[/\\:*?"<>|\n]', n)]
    known = set(guids)
    assert {e.attrib["targetGUID"] for e in root.iter() if "targetGUID" in e.attrib} <= known


def test_selections_stand_on_their_words(study: Path, coded: Path) -> None:
    """Each in the text file, by code points, whatever line ends and characters the ad had."""
    held, root, ads = entries(study), tree(study), machine(coded)
    for row in range(len(ads)):
        if row == EMPTY:
            assert not [s for s in every(root, "TextSource") if s.attrib["name"].startswith(f"{row + 1:02} ")]
            continue
        source = source_of(root, row)
        data = held[source.attrib["plainTextPath"].replace("internal://", "sources/")]
        assert b"\r" not in data and not data.startswith(b"\xef\xbb\xbf")
        text = data.decode("utf-8")
        selections = source.findall(f"{SPACE}PlainTextSelection")
        shown = [text[int(s.attrib["startPosition"]) : int(s.attrib["endPosition"])] for s in selections]
        ad = ads[f"ad {row}"]
        assert shown[0] == text.strip().split("\n")[0].strip()
        assert shown[1:] == [holdable(e.text.replace("\r\n", "\n").replace("\r", "\n")) for e in ad.codes]
        for selection, evidence in zip(selections[1:], ad.codes, strict=True):
            description = selection.findtext(f"{SPACE}Description")
            assert f"score {evidence.score:.2f}" in description
            assert (evidence.tool or evidence.anchor) in description
            assert selection[1][0].tag == f"{SPACE}CodeRef"
    assert any(e.field == "title" for e in ads[f"ad {TITLED}"].codes)


def test_profile_and_confidence_are_variables_of_cases(study: Path, coded: Path) -> None:
    root, ads = tree(study), machine(coded)
    names = {v.attrib["guid"]: v.attrib["name"] for v in every(root, "Variable")}
    for case, source in zip(every(root, "Case"), every(root, "TextSource"), strict=True):
        assert case.find(f"{SPACE}SourceRef").attrib["targetGUID"] == source.attrib["guid"]
        values = {names[v[0].attrib["targetGUID"]]: v[1].text for v in case.findall(f"{SPACE}VariableValue")}
        ad = ads[values["id"]]
        assert values["profile"] == ad.profile
        assert float(values["confidence"]) == pytest.approx(ad.confidence, abs=1e-4)
        assert values["reviewed"] == "false"


def test_people_beside_the_machine(coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    """A gold file is one more user; ads with another text are counted and left out."""
    rows = small_gold_rows()[:12]
    for i, row in enumerate(rows):
        row["id"] = f"ad {i}"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "ann.parquet")
    done = export_qda(coded, tmp_path / "s.qdpx", small_book, gold=[tmp_path / "ann.parquet"])
    # Changed above: the texts of four ads, one of which has no profile.
    ann = done.gold["ann (gold)"]
    assert (ann.ads, ann.other) == (8, 3)
    root = tree(tmp_path / "s.qdpx")
    assert [u.attrib["name"] for u in every(root, "User")] == ["embedcode", "ann (gold)"]
    by_ann = guid_of(root, "User", "ann")
    codes = {c.attrib["guid"]: c.attrib["name"].split(" ")[0] for c in every(root, "Code")}
    row = 6
    found = {
        (int(s.attrib["startPosition"]), int(s.attrib["endPosition"]), codes[s[-1][0].attrib["targetGUID"]])
        for s in source_of(root, row).findall(f"{SPACE}PlainTextSelection")
        if s.attrib["creatingUser"] == by_ann
    }
    assert {(c["start"], c["end"], c["code"]) for c in rows[row]["codes"]} <= found
    # What people found elsewhere is not taken for corrections.
    with pytest.raises(InputError, match="no reviewed ad"):
        read(tmp_path / "s.qdpx", coded, small_book)


# There and back


def test_what_was_written_is_read(study: Path, coded: Path, small_book: CodingBook) -> None:
    found, labelled = read(study, coded, small_book, everything=True)
    ads = machine(coded)
    assert len(labelled) == 11 and found.reviewer == "reviewer" and (found.mode, found.sample) == ("checking", "chosen")
    assert not (found.unknown or found.undecided or found.foreign or found.outside or found.untouched)
    for id, row in labelled.items():
        assert spans(row) == tasks(ads[id])
        assert tools(row) == {(e.tool, e.code) for e in ads[id].codes if e.tool}
        assert row["profile"] == ads[id].profile
        assert spans(row) <= {(s["start"], s["end"], c) for s in row["segments"] for c in CODES}
    assert "\r\n" in labelled[f"ad {CRLF}"]["text"] and "\x00" in labelled[f"ad {EMOJI}"]["text"]


ODD = ["\r\n", "\r", "\n", "🧪", "👩‍🔬", "e\u0301", "\x00", "\x0b", "\ufeff", "\uffff", "\u2028"]
TEXT = st.lists(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"]), max_size=30).map("".join)


@given(TEXT, st.none() | TEXT, st.data())
def test_offsets_lead_there_and_back(text: str, title: str | None, data: st.DataObject) -> None:
    source = SourceText.of(text, title)
    assert "\r" not in source.text and holdable(source.text) == source.text
    source.text.encode("utf-8")
    for name, given_text in (("title", title), ("text", text)):
        if not given_text or not given_text.strip():
            continue
        start = data.draw(st.integers(0, len(given_text) - 1))
        end = data.draw(st.integers(start + 1, len(given_text)))
        place = source.place(name, start, end)
        assert place is not None
        shown = holdable(re.sub("\r\n?", "\n", given_text[start:end]))
        inside = [o for o in (start, end) if given_text[max(o - 1, 0) : o + 1] == "\r\n"]
        if not inside:  # no evidence begins or ends between CR and LF
            assert source.text[slice(*place)] == shown
            assert source.origin(*place) == (name, start, end)


def test_a_selection_across_title_and_text_counts_where_most_of_it_is() -> None:
    source = SourceText.of("0123456789", "Title")
    assert source.text == "Title\n\n0123456789"
    assert source.origin(3, 17) == ("text", 0, 10)
    assert source.origin(0, 8) == ("title", 0, 5)
    assert source.origin(5, 7) is None


# What reviewers do


def test_codings_removed_added_and_moved(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    ads = machine(coded)
    row = next(r for r in range(6, 12) if len(tasks(ads[f"ad {r}"])) > 1)
    removed, moved, *_ = sorted(tasks(ads[f"ad {row}"]))
    text = Corpus(coded).document(row).text
    added = (text.index("\n\n") + 2, text.index("\n\n") + 11, "SKILL1")

    def edit(root: ET.Element) -> None:
        add_user(root, "Ann")
        source = source_of(root, row)
        code_of = {c.attrib["guid"]: c.attrib["name"].split(" ")[0] for c in every(root, "Code")}
        for s in source.findall(f"{SPACE}PlainTextSelection"):
            span = (
                int(s.attrib["startPosition"]),
                int(s.attrib["endPosition"]),
                code_of[s[-1][0].attrib["targetGUID"]],
            )
            if span == removed:
                source.remove(s)
            elif span == moved:
                s.attrib["startPosition"] = str(moved[0] + 2)
        code(root, row, *added, "Ann")

    found, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book)
    assert (found.reviewer, found.untouched, list(labelled)) == ("Ann", 10, [f"ad {row}"])
    ad = labelled[f"ad {row}"]
    assert spans(ad) == tasks(ads[f"ad {row}"]) - {removed, moved} | {added, (moved[0] + 2, *moved[1:])}
    assert (ad["mode"], ad["reviewer"], ad["profile"]) == ("checking", "Ann", ads[f"ad {row}"].profile)


@pytest.mark.parametrize("by", ["variable", "code"])
def test_a_profile_changed(by: str, study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    ad = machine(coded)["ad 6"]
    profile = next(p for p in PROFILES if p != ad.profile)

    def edit(root: ET.Element) -> None:
        if by == "variable":
            set_variable(root, 6, "profile", profile)
        else:
            code(root, 6, 0, 5, profile.split(" ")[0])

    _, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book)
    assert list(labelled) == ["ad 6"]
    assert labelled["ad 6"]["profile"] == profile
    assert spans(labelled["ad 6"]) == tasks(ad)


def test_marked_as_reviewed(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    def edit(root: ET.Element) -> None:
        set_variable(root, 6, "reviewed", "True", "BooleanValue")
        set_variable(root, 7, "reviewed", "False", "BooleanValue")

    found, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book, reviewer="Bo")
    assert (list(labelled), found.untouched, found.reviewer) == (["ad 6"], 10, "Bo")


def test_a_tool_is_named_as_the_lexicon_has_it(
    study: Path, coded: Path, small_book: CodingBook, tmp_path: Path
) -> None:
    text = Corpus(coded).document(EMOJI).text

    def edit(root: ET.Element) -> None:
        source = entries(study)[source_of(root, EMOJI).attrib["plainTextPath"].replace("internal://", "sources/")]
        for word, tool in (("write", "TECH4"), ("Python3", "TECH1")):
            at = source.decode().rindex(word)
            code(root, EMOJI, at, at + len(word), tool)

    _, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book)
    found = tools(labelled[f"ad {EMOJI}"])
    assert {("write", "TECH4"), ("Python", "TECH1")} <= found
    assert ("Python3", "TECH1") not in found
    assert labelled[f"ad {EMOJI}"]["text"] == text


def test_a_list_coded_at_once_is_coded_item_by_item(
    study: Path, coded: Path, small_book: CodingBook, tmp_path: Path
) -> None:
    def edit(root: ET.Element) -> None:
        code(root, 6, 0, len(TEXTS[6]), "TASK4")
        code(root, 7, 3, 9, "TASK4")

    _, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book)
    cut = {(s["start"], s["end"]) for s in labelled["ad 6"]["segments"]}
    assert {(a, b) for a, b, c in spans(labelled["ad 6"]) if c == "TASK4"} == cut and len(cut) > 3
    assert (3, 9, "TASK4") in spans(labelled["ad 7"])


def test_several_reviewers(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    def edit(root: ET.Element) -> None:
        add_user(root, "Ann")
        add_user(root, "Bo")
        code(root, 6, 0, 5, "TASK4", "Ann")
        code(root, 7, 0, 5, "TASK4", "Bo")

    path = edited(study, tmp_path / "s.qdpx", edit)
    with pytest.raises(InputError, match="codings by 'Ann', 'Bo'; expected one reviewer"):
        read(path, coded, small_book)
    with pytest.raises(InputError, match="no coding by 'Cas', but by 'Ann', 'Bo'"):
        read(path, coded, small_book, reviewer="Cas")
    assert list(read(path, coded, small_book, reviewer="Bo")[1]) == ["ad 7"]


def test_codes_and_profiles_that_the_book_lacks(
    study: Path, coded: Path, small_book: CodingBook, tmp_path: Path
) -> None:
    def edit(root: ET.Element) -> None:
        codes = root.find(f"{SPACE}CodeBook/{SPACE}Codes")
        assert codes is not None
        new = {"guid": "9" * 8 + "-0000-0000-0000-000000000000", "name": "Salary", "isCodable": "true"}
        ET.SubElement(codes, f"{SPACE}Code", new)
        code(root, 6, 0, 5, "Salary")
        code(root, 6, 0, 5, "TASK4")
        set_variable(root, 7, "profile", "Data Engineer")
        code(root, 8, 0, 5, "ML")
        code(root, 8, 0, 5, "GenAI")
        code(root, 8, 0, 5, "Ambiguous")
        code(root, 9, 90_000, 90_001, "TASK4")
        code(root, 9, 0, 5, "TASK4")

    found, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book)
    assert found.foreign == {"Salary": 1}
    assert list(labelled) == ["ad 6", "ad 9"] and found.outside == 1
    assert [u[:2] for u in found.undecided] == ["08", "09"]
    assert "(Data Engineer)" in found.undecided[0]


def test_blind_coding_of_a_random_sample_measures_agreement(
    coded: Path, small_book: CodingBook, tmp_path: Path
) -> None:
    path = tmp_path / "blind.qdpx"
    done = export_qda(coded, path, small_book, sample=4, seed=3, blind=True)
    assert (done.ads, done.selections) == (4, 0)
    root = tree(path)
    assert not every(root, "User") and not every(root, "Coding")
    assert not {"ML Engineer", "GenAI Engineer"} & {v.text for v in every(root, "TextValue")}
    rows = [int(s.attrib["name"][:2]) - 1 for s in every(root, "TextSource")]
    assert rows == sorted(rows)

    def edit(root: ET.Element) -> None:
        add_user(root, "Ann")
        for row in rows:
            code(root, row, 0, 4, "ML", "Ann")
            code(root, row, 0, 9, "TASK3", "Ann")

    found, labelled = read(edited(path, tmp_path / "done.qdpx", edit), coded, small_book)
    assert (found.mode, found.sample, found.reviewer, len(labelled)) == ("blind", "random", "Ann", 4)
    assert {(r["size"], r["seed"], r["population"]) for r in labelled.values()} == {(4, 3, 12)}
    assert {r["profile"] for r in labelled.values()} == {"ML Engineer"}
    evaluate(coded, tmp_path / "done.parquet", PROFILES, CODES)

    def less(root: ET.Element) -> None:
        edit(root)
        source = source_of(root, rows[0])
        for selection in list(source):
            source.remove(selection)

    found, labelled = read(edited(path, tmp_path / "part.qdpx", less), coded, small_book)
    assert (found.mode, found.sample, len(labelled), found.untouched) == ("blind", "chosen", 3, 1)


def test_codes_that_were_seen_are_never_blind(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    def edit(root: ET.Element) -> None:
        every(root, "Description")[-1].text = "mode=blind; sample=all; size=11; seed=0"
        code(root, 6, 0, 5, "TASK4")

    assert read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book)[0].mode == "checking"


# What programmes do to a project


def rewritten(study: Path, path: Path, encode: Callable[[str], bytes], edit: Callable[[ET.Element], object]) -> Path:
    """A project whose texts and XML a programme has written anew."""
    done = edited(study, path, edit)
    held = {n: encode(d.decode("utf-8")) if n.endswith(".txt") else d for n, d in entries(done).items()}
    return pack(path, held)


ENCODERS: dict[str, Callable[[str], bytes]] = {
    "a byte order mark": lambda t: t.encode("utf-8-sig"),
    "UTF-16": lambda t: t.encode("utf-16"),
    "a line end more": lambda t: f"{t}\n".encode(),
    "CRLF counted as one": lambda t: t.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("how", ENCODERS)
def test_texts_written_anew(how: str, study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    found, labelled = read(
        rewritten(study, tmp_path / "s.qdpx", ENCODERS[how], lambda r: None), coded, small_book, everything=True
    )
    assert not found.unknown and labelled == read(study, coded, small_book, everything=True)[1]


@pytest.mark.parametrize("crlf", [False, True])
def test_positions_in_other_units(crlf: bool, study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    """UTF-16 units, and CRLF counted as two: told by the names of the selections."""

    def store(text: str) -> str:
        return text.replace("\n", "\r\n") if crlf else text

    def edit(root: ET.Element) -> None:
        held = entries(study)
        for source in every(root, "TextSource"):
            text = held[source.attrib["plainTextPath"].replace("internal://", "sources/")].decode()
            for s in source.findall(f"{SPACE}PlainTextSelection"):
                for name in ("startPosition", "endPosition"):
                    before = store(text[: int(s.attrib[name])])
                    s.attrib[name] = str(len(before.encode("utf-16-le")) // 2)

    path = rewritten(study, tmp_path / "s.qdpx", lambda t: store(t).encode(), edit)
    assert read(path, coded, small_book, everything=True)[1] == read(study, coded, small_book, everything=True)[1]


def test_new_guids_and_names(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    """QualCoder gives new GUIDs, forgets what source a case belongs to, and puts a number before names."""
    changed = edited(
        study, tmp_path / "changed.qdpx", lambda r: set_variable(r, 6, "profile", "Ambiguous / Not Relevant")
    )
    held = entries(changed)
    xml = held["project.qde"].decode()
    for old in set(re.findall(r'"([0-9a-f-]{36})"', xml)):
        xml = xml.replace(f'"{old}"', f'"{{{old[:8].upper()[::-1]}{old[8:].upper()}}}"')
    xml = re.sub(r'<SourceRef targetGUID="[^"]*" ?/>', "", xml)
    xml = re.sub(r'(<(?:TextSource|Case) [^>]*name=")', r"\g<1>1_", xml)
    xml = re.sub(r'"internal://[^"]*"', lambda m: m[0][:12] + m[0][12:].upper(), xml)
    assert "SourceRef" not in xml and xml.count('name="1_') == 22
    renamed = {n.replace("sources/", "Sources/"): d for n, d in held.items()}
    path = pack(tmp_path / "s.qdpx", {**renamed, "project.qde": xml.encode()})
    found, labelled = read(path, coded, small_book, everything=True)
    assert not found.unknown
    assert labelled["ad 6"]["profile"] == "Ambiguous / Not Relevant"
    assert labelled == read(changed, coded, small_book, everything=True)[1]


@pytest.mark.parametrize("name", ["07 a copy", "an ad"])
def test_names_that_say_nothing_and_sources_that_come_twice(
    name: str, study: Path, coded: Path, small_book: CodingBook, tmp_path: Path
) -> None:
    """Ads are found by their text, those with the same text in their order."""

    def edit(root: ET.Element) -> None:
        sources = root.find(f"{SPACE}Sources")
        assert sources is not None
        sources.append(source_of(root, 6))
        for source in sources:
            source.attrib["name"] = name

    found, labelled = read(edited(study, tmp_path / "s.qdpx", edit), coded, small_book, everything=True)
    assert found.unknown == [name]
    assert labelled == read(study, coded, small_book, everything=True)[1]


def test_a_tool_keeps_the_name_that_the_machine_gave_it(study: Path, coded: Path, small_book: CodingBook) -> None:
    assert "Lang Chain" in {e.text for e in machine(coded)[f"ad {EMOJI}"].codes if e.tool == "LangChain"}
    other = replace(small_book, tools=())
    assert read(study, coded, other, everything=True)[1] == read(study, coded, small_book, everything=True)[1]


def test_other_texts_are_left_out_and_named(study: Path, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    held = entries(study)
    names = {n: s.attrib["name"] for n in held for s in every(tree(study), "TextSource") if s.attrib["guid"] in n}
    first, second, third = list(names)[:3]
    held[first] = b"Another text."
    held[second] = b"\xff\xfe\xfd"
    del held[third]
    found, labelled = read(pack(tmp_path / "s.qdpx", held), coded, small_book, everything=True)
    assert sorted(found.unknown) == sorted(names[n] for n in (first, second, third))
    assert len(labelled) == 8


# Bad input

XML = '<Project xmlns="urn:QDA-XML:project:1.0" name="x">{}</Project>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + XML.format("<Description>&b;</Description>")
SECRET = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + XML.format("<Description>&a;</Description>")

BAD: dict[str, tuple[dict[str, str], str]] = {
    "no project file": ({"a.txt": "x"}, "holds no project.qde"),
    "no XML": ({"project.qde": "not XML"}, "no sound XML"),
    "broken off": ({"project.qde": XML.format("")[:-4]}, "no sound XML"),
    "another format": ({"project.qde": "<html/>"}, "holds the XML of 'html'; expected a REFI-QDA project"),
    "entities": ({"project.qde": BOMB}, "document type"),
    "an external entity": ({"project.qde": SECRET}, "document type"),
    "nothing in it": ({"project.qde": XML.format("")}, "Found no reviewed ad"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_projects(case: str, coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    held, message = BAD[case]
    path = pack(tmp_path / "s.qdpx", {n: t.encode() for n, t in held.items()})
    with pytest.raises(InputError, match=message):
        import_corrections(path, coded, tmp_path / "out.parquet", small_book, everything=True)
    assert not (tmp_path / "out.parquet").exists()


def test_no_project(coded: Path, small_book: CodingBook, tmp_path: Path) -> None:
    (tmp_path / "s.qdpx").write_bytes(b"PK and no more")
    for name in ("s.qdpx", "none.qdpx", "."):
        with pytest.raises(InputError, match="Cannot read"):
            import_corrections(tmp_path / name, coded, tmp_path / "out.parquet", small_book)


def test_an_archive_that_grows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qda_reading, "MOST_SMALL", 1000)
    pack(tmp_path / "s.qdpx", {"project.qde": XML.format(" " * 10_000_000).encode()})
    with pytest.raises(InputError, match="would unpack to 10,000,"):
        read_project(tmp_path / "s.qdpx")


def test_no_path_leads_out_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    paths = (
        "internal://../secret.txt",
        f"absolute://{tmp_path}/secret.txt",
        "relative://secret.txt",
        "internal://x.txt",
    )
    sources = "".join(f'<TextSource guid="{i}" name="{i}" plainTextPath="{p}"/>' for i, p in enumerate(paths))
    held = {"project.qde": XML.format(f"<Sources>{sources}</Sources>"), "../secret.txt": "secret", "sources/x.txt": "x"}
    project = read_project(pack(tmp_path / "s.qdpx", {n: t.encode() for n, t in held.items()}))
    assert [s.text for s in project.sources] == [None, None, None, "x"]


def test_text_within_the_xml_and_coded_as_a_whole(tmp_path: Path) -> None:
    xml = XML.format(
        '<Users><User guid="u" name="Ann"/></Users>'
        '<CodeBook><Codes><Code guid="c" name="ML Engineer" isCodable="true"/></Codes></CodeBook>'
        '<Sources><TextSource guid="s" name="1"><PlainTextContent>Some text</PlainTextContent>'
        '<PlainTextSelection startPosition="x" endPosition="3"/>'
        '<Coding creatingUser="{U}"><CodeRef targetGUID="C"/></Coding></TextSource><PDFSource guid="p"/></Sources>'
    )
    project = read_project(pack(tmp_path / "s.qdpx", {"project.qde": xml.encode()}))
    source = project.sources[0]
    assert (source.text, source.outside, project.others) == ("Some text", 1, 1)
    assert [(s.start, s.end, s.codings) for s in source.selections] == [(0, 9, (("ML Engineer", "Ann"),))]


def test_nothing_is_overwritten(coded: Path, small_book: CodingBook, study: Path, tmp_path: Path) -> None:
    (tmp_path / "s.qdc").write_text("mine")
    with pytest.raises(OutputError, match=r"s.qdc exists already"):
        export_qda(coded, tmp_path / "s.qdpx", small_book)
    assert [p.name for p in tmp_path.iterdir()] == ["s.qdc"]
    with pytest.raises(OutputError, match="exists already"):
        import_corrections(study, coded, tmp_path / "s.qdc", small_book, everything=True)
    with pytest.raises(OutputError, match="lies among the coded ads"):
        export_qda(coded, coded / "s.qdpx", small_book)


def test_gold_with_blind_or_twice(coded: Path, small_book: CodingBook, built_study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--blind and --gold"):
        export_qda(coded, tmp_path / "s.qdpx", small_book, blind=True, gold=[built_study.gold])
    with pytest.raises(InputError, match="two files called gold"):
        export_qda(coded, tmp_path / "s.qdpx", small_book, gold=[built_study.gold, built_study.gold])
    assert not list(tmp_path.iterdir())


def test_another_coding_book(coded: Path, study: Path, built_study: Study, tmp_path: Path) -> None:
    book = read_book(built_study.anchors)
    less = replace(book, codes=tuple(c for c in book.codes if c.code != "TASK4"))
    with pytest.raises(InputError, match="was coded with 'TASK4', which the coding book lacks.*--anchors"):
        export_qda(coded, tmp_path / "s.qdpx", less)


def test_titles_that_were_not_kept_are_counted(built_study: Study, small_book: CodingBook, tmp_path: Path) -> None:
    ads = [{"id": "a", "title": "LangChain and Python", "text": TEXTS[0]}]
    pq.write_table(pa.Table.from_pylist(ads), tmp_path / "ads.parquet")
    source = Source.open([str(tmp_path / "ads.parquet")], Columns(keep=("text",)))
    run(source, tmp_path / "coded", Bundled(str(built_study.index)))
    (tmp_path / "ads.parquet").unlink()
    done = export_qda(tmp_path / "coded", tmp_path / "s.qdpx", small_book)
    assert done.untitled == sum(e.field == "title" for e in machine(tmp_path / "coded")["a"].codes) > 0
    with pytest.raises(InputError, match="no reviewed ad"):
        read(tmp_path / "s.qdpx", tmp_path / "coded", small_book)


# The commands


def test_the_commands(coded: Path, built_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def invoke(*args: str | Path) -> Any:
        return CliRunner().invoke(app, [str(a) for a in args])

    book = ("--anchors", built_study.anchors)
    done = invoke("export", coded, "-o", "s.qdpx", *book)
    assert done.exit_code == 0, done.output
    assert "11 ads" in done.stdout and "code book → s.qdc" in done.stdout
    assert "Left out: 1 ad without a profile" in done.stderr
    done = invoke("export", coded, "--format", "refi-qda", "-o", "book.qdc", *book)
    assert done.stdout == "code book → book.qdc\n"
    done = invoke("import", "s.qdpx", coded, "-o", "labelled.parquet", *book)
    assert done.exit_code == 2 and "11 unchanged" in done.stderr
    done = invoke("import", "s.qdpx", coded, "-o", "labelled.parquet", "--all", "--reviewer", "ann", *book)
    assert done.stdout == "11 ads by ann (chosen, checking) → labelled.parquet\n", done.output
    for options, message in (
        (("-o", "x.csv", "--sample", "3"), "Found '--sample' for a table"),
        (("-o", "x.qdpx", "--evidence"), "Found --evidence"),
    ):
        done = invoke("export", coded, *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
