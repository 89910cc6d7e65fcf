"""Writes coded ads as a REFI-QDA 1.0 project (`.qdpx`) and code book (`.qdc`), for programmes such as ATLAS.ti, MAXQDA,
NVivo and QualCoder.

Each ad is a source and a case; each piece of evidence a selection with one coding, whose description holds score and
anchor; each coder a user. The project is written as it is made, ad by ad. The same coded ads give the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embedcode._version import __version__
from embedcode.coded import CodedAd
from embedcode.corpus import Corpus
from embedcode.errors import InputError, some
from embedcode.folder import check_output, output_file
from embedcode.gold import GoldAd, read_gold
from embedcode.qda_codebook import Xml, write_code_book, write_codes
from embedcode.qda_format import (
    GOLD,
    INTERNAL,
    MACHINE,
    PROFILE,
    PROJECT_FILE,
    REVIEWED,
    SOURCES,
    SourceText,
    guid,
    holdable,
)
from embedcode.review import Design, draw
from embedcode.types import CodingBook
from embedcode.values import text_hash

PROJECT_SPACE = "urn:QDA-XML:project:1.0"

VARIABLES = {"id": "Text", PROFILE: "Text", "confidence": "Float", "language": "Text", REVIEWED: "Boolean"}
"""Variables of a case, and their types."""

# Programmes expect a date everywhere; one that changed from run to run would change the bytes.
_STAMP = "1980-01-01T00:00:00Z"
_CHUNK = 500
_NAME = 60
# More ads than this may take more than the 2 GiB that an entry of a plain zip can hold.
_PLAIN_ZIP = 50_000


@dataclass
class ExportedGold:
    """What was written of labelled ads.

    Attributes:
        ads: How many.
        other: How many were left out since their text is another than that of the coded ad.
        lost: Tools left out since their name is not in the text.
    """

    ads: int = 0
    other: int = 0
    lost: int = 0


@dataclass
class Exported:
    """What was written.

    Attributes:
        ads, selections: How many of each.
        open: Ads left out since they have no profile.
        untitled: Pieces of evidence left out since they stand in a title that was not kept.
        gold: What was written of each file of labelled ads.
    """

    ads: int = 0
    selections: int = 0
    open: int = 0
    untitled: int = 0
    gold: dict[str, ExportedGold] = field(default_factory=dict)


@dataclass(frozen=True)
class _Coding:
    """A code that a coder gave to a place in a source."""

    start: int
    end: int
    code: str
    note: str = ""
    about: str = ""


def export_qda(
    coded: Path,
    output: Path,
    book: CodingBook,
    *,
    sample: int | None = None,
    seed: int = 0,
    blind: bool = False,
    gold: Sequence[Path] = (),
    force: bool = False,
) -> Exported:
    """Write coded ads as a project, with the code book beside it; each is whole or not there.

    Args:
        coded: The folder that `classify` wrote.
        output: The project, `.qdpx`; a name that ends with `.qdc` stands for the code book alone.
        book: The coding book.
        sample: How many ads, drawn at random; None: all that have a profile.
        seed: Decides the sample.
        blind: Leave out what the machine found, for coding by hand.
        gold: Files of labelled ads, see `gold.read_gold`; each is one coder.
        force: Replace files that are there already.

    Raises:
        InputError: There are no coded ads or no texts, or a file of labelled ads cannot be read.
        OutputError: A file is there already or cannot be written.
    """
    if blind and gold:
        raise InputError("Found --blind and --gold; expected one: who codes blind sees nobody's codes. Leave one out.")
    for file in {output, output.with_suffix(".qdc")}:
        check_output(file, coded, force, gold)
    alone = output.suffix.lower() == ".qdc"
    project = None if alone else _Project(Corpus(coded), book, sample, seed, blind, gold)
    if project:
        with output_file(output) as out, zipfile.ZipFile(out, "w") as archive:
            project.write(archive)
    with output_file(output.with_suffix(".qdc")) as out:
        write_code_book(out, book)
    return project.done if project else Exported()


class _Project:
    """A project as it is written."""

    def __init__(
        self, corpus: Corpus, book: CodingBook, sample: int | None, seed: int, blind: bool, gold: Sequence[Path]
    ) -> None:
        profiled = corpus.ads["profile"].is_valid().to_pylist()
        self.done = Exported(open=profiled.count(False))
        self._corpus = corpus
        self._book = book
        self._blind = blind
        # In the order of the corpus, whose parts are read one after the other.
        self._rows = (
            [row for row, known in enumerate(profiled) if known]
            if sample is None
            else sorted(draw(corpus, Design(MACHINE, size=sample, seed=seed)))
        )
        drawn = "all" if sample is None else "random"
        self._design = (
            f"mode={'blind' if blind else 'checking'}; sample={drawn}; size={len(self._rows)}; seed={seed}; "
            f"population={len(corpus)}"
        )
        self._codes = {c.code for c in book.codes}
        _check_book(corpus, self._codes, {p.name for p in book.profiles})
        self._gold = _labelled(gold, book)
        self.done.gold = {name: ExportedGold() for name in self._gold}
        self._guids: dict[int, str] = {}
        self._names: dict[int, str] = {}
        width = len(str(len(corpus)))
        for row in self._rows:
            document = corpus.document(row)
            self._guids[row] = guid("source", row, corpus.ads["id"][row].as_py(), text_hash(document.text))
            head = re.sub(r'[/\\:*?"<>|]', " ", holdable(corpus.names([row])[0]))  # it may come to name a file
            # The number keeps names apart, and finds the ad again where a programme gives new GUIDs.
            self._names[row] = f"{row + 1:0{width}} {_shortened(head)}".strip()

    def write(self, archive: zipfile.ZipFile) -> None:
        """Write the project file, then the texts."""
        large = len(self._rows) > _PLAIN_ZIP
        with archive.open(_entry(PROJECT_FILE), "w", force_zip64=large) as out:
            self._write_project(Xml(out))
        for row in self._rows:
            archive.writestr(_entry(f"{SOURCES}{self._guids[row]}.txt"), self._source(row).text.encode("utf-8"))

    def _source(self, row: int) -> SourceText:
        document = self._corpus.document(row)
        return SourceText.of(document.text, document.title)

    def _write_project(self, xml: Xml) -> None:
        users = ([] if self._blind else [MACHINE]) + list(self._gold)
        with xml.element(
            "Project",
            xmlns=PROJECT_SPACE,
            name=holdable(self._corpus.folder.resolve().name),
            origin=f"embedcode {__version__}",
            creationDateTime=_STAMP,
        ):
            if users:
                with xml.element("Users"):
                    for name in users:
                        xml.leaf("User", guid=guid("user", name), name=name)
            with xml.element("CodeBook"):
                write_codes(xml, self._book)
            with xml.element("Variables"):
                for name, type in VARIABLES.items():
                    xml.leaf("Variable", guid=guid("variable", name), name=name, typeOfVariable=type)
            if self._rows:
                with xml.element("Cases"):
                    for row in self._rows:
                        self._write_case(xml, row)
                with xml.element("Sources"):
                    for first in range(0, len(self._rows), _CHUNK):
                        chunk = self._rows[first : first + _CHUNK]
                        for row, ad in zip(chunk, self._corpus.coded(chunk), strict=True):
                            self._write_source(xml, row, ad)
            xml.leaf("Description", f"Coded with embedcode {__version__}; {self._design}")
        xml.close()

    def _write_case(self, xml: Xml, row: int) -> None:
        ad = {n: self._corpus.ads[n][row].as_py() for n in ("id", "profile", "confidence", "language")}
        values = {"id": ad["id"], "language": ad["language"], REVIEWED: "false"}
        if not self._blind:
            values |= {PROFILE: ad["profile"], "confidence": f"{ad['confidence']:.4f}"}
        with xml.element("Case", guid=guid("case", self._guids[row]), name=self._names[row]):
            for name, type in VARIABLES.items():
                if values.get(name) is not None:
                    with xml.element("VariableValue"):
                        xml.leaf("VariableRef", targetGUID=guid("variable", name))
                        xml.leaf(f"{type}Value", values[name])
            xml.leaf("SourceRef", targetGUID=self._guids[row])

    def _write_source(self, xml: Xml, row: int, ad: CodedAd) -> None:
        source = self._source(row)
        document = self._corpus.document(row)
        with xml.element(
            "TextSource",
            guid=self._guids[row],
            name=self._names[row],
            plainTextPath=f"{INTERNAL}{self._guids[row]}.txt",
            creationDateTime=_STAMP,
        ):
            if not self._blind:
                self._write_selections(xml, row, source, MACHINE, self._machine(source, ad))
            for name, ads in self._gold.items():
                same_id = ads.get(ad.id, ())
                same = next((a for a in same_id if a.text == document.text), None)
                self._write_selections(xml, row, source, name, self._people(source, name, same, ad) if same else ())
                self.done.gold[name].other += bool(same_id) and not same
        self.done.ads += 1

    def _machine(self, source: SourceText, ad: CodedAd) -> list[_Coding]:
        """What the machine found."""
        codings = [_Coding(*source.head, str(ad.profile), f"confidence {ad.confidence:.2f}")]
        for e in ad.codes:
            note = f"score {e.score:.2f}"
            if e.tool is not None:
                note += f"; tool: {e.tool}"
            elif e.anchor is not None:
                note += f"; nearest anchor: {e.anchor} (similarity {e.similarity:.2f})"
            place = source.place(e.field, e.start, e.end)
            if place:
                codings.append(_Coding(*place, e.code, note, e.tool or ""))
            else:
                self.done.untitled += 1
        return codings

    def _people(self, source: SourceText, name: str, gold: GoldAd, ad: CodedAd) -> list[_Coding]:
        """What people found, but for what the coding book has no code for."""
        done = self.done.gold[name]
        done.ads += 1
        codings = [_Coding(*source.head, gold.profile)]
        for c in gold.codes:
            note = "" if c.coders == gold.coders else f"given by {c.coders} of {gold.coders} coders"
            place = source.place("text", c.start, c.end)
            if place and c.code in self._codes:
                codings.append(_Coding(*place, c.code, note))
        for tool in (t for t in gold.tools if t.code in self._codes):
            place = _place_of_tool(source, tool.name, ad)
            if place:
                codings.append(_Coding(*place, tool.code, f"tool: {tool.name}", tool.name))
            else:
                done.lost += 1
        return codings

    def _write_selections(self, xml: Xml, row: int, source: SourceText, user: str, codings: Sequence[_Coding]) -> None:
        by = guid("user", user)
        for c in {(c.start, c.end, c.code, c.about): c for c in codings}.values():
            key = (self._guids[row], user, c.code, c.start, c.end, c.about)
            with xml.element(
                "PlainTextSelection",
                guid=guid("selection", *key),
                name=_shortened(source.text[c.start : c.end]),
                startPosition=str(c.start),
                endPosition=str(c.end),
                creatingUser=by,
                creationDateTime=_STAMP,
            ):
                if c.note:
                    xml.leaf("Description", c.note)
                with xml.element("Coding", guid=guid("coding", *key), creatingUser=by):
                    xml.leaf("CodeRef", targetGUID=guid("code", c.code))
            self.done.selections += 1


def _check_book(corpus: Corpus, codes: Collection[str], profiles: Collection[str]) -> None:
    """Check that the ads were coded with this coding book, or one with the same codes."""
    unknown = [c for c in corpus.codes if c not in codes] + [
        p for p in corpus.profiles() if p not in (*profiles, "error")
    ]
    if unknown:
        raise InputError(
            f"{corpus.folder} was coded with {some(unknown)}, which the coding book lacks. Expected the coding book "
            "that the ads were coded with: name its folder with --anchors."
        )


def _labelled(files: Sequence[Path], book: CodingBook) -> dict[str, dict[str, list[GoldAd]]]:
    """For each coder the labelled ads, by id."""
    coders: dict[str, dict[str, list[GoldAd]]] = {}
    for file in files:
        name = f"{file.stem}{GOLD}"
        if name in coders:
            raise InputError(f"Found two files called {file.stem}; expected a name for each coder. Rename one.")
        ads: dict[str, list[GoldAd]] = {}
        for ad in read_gold(file, [p.name for p in book.profiles], [c.code for c in book.codes]):
            ads.setdefault(ad.id, []).append(ad)
        coders[name] = ads
    return coders


def _place_of_tool(source: SourceText, name: str, ad: CodedAd) -> tuple[int, int] | None:
    """Where a tool that people named stands: where the machine found it too, or else where its name first is."""
    place = next((source.place(e.field, e.start, e.end) for e in ad.codes if e.tool == name), None)
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source.text, re.IGNORECASE)
    return place or (found.span() if found else None)


def _shortened(text: str) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _NAME else f"{line[: _NAME - 1]}…"


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry of the archive, the same whenever and wherever it is written."""
    info = zipfile.ZipInfo(name)  # of 1980
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info
