"""A tiny coding book and a tiny embedder, small enough to work out results by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from hypothesis import settings

from embedcode.book import book_hash, read_book
from embedcode.build import Model, build, label, tool_precision
from embedcode.bundle import STATIC, Bundle, EmbedderSpec, load_bundle
from embedcode.coder import Coder
from embedcode.embedder import FoldTables, StaticEmbedder
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.paths import shipped
from embedcode.types import CodingBook
from embedcode.words import find_words

settings.register_profile("embedcode", deadline=None)  # the first example of a test may import scikit-learn
settings.load_profile("embedcode")

COMMENTS = "# What belongs into this file.\n# What does not.\n"

BOOK = {
    "profiles.csv": """\
profile,definition
ML Engineer,Makes models that predict.
GenAI Engineer,Makes software on language models.
Ambiguous / Not Relevant,"Anything else, or unclear."
""",
    "codes.csv": """\
code,name,definition
TASK3,Modeling,Making models.
TASK4,Software,Making software.
TECH1,Languages,Programming languages.
TECH4,Frameworks,Frameworks.
SKILL1,Talking,Working with others.
""",
    "phrases/TASK3.csv": """\
phrase,facet,language,note
build language models,generative,en,
fine-tune a language model,generative,en,
train models that predict demand,predictive,en,
modellen trainen,predictive,nl,
""",
    "phrases/TASK4.csv": """\
phrase,facet,language,note
"write, test and review software",software,en,
software bouwen,software,nl,
""",
    "phrases/SKILL1.csv": """\
phrase,facet,language,note
talk with the team,talking,en,
""",
    "negatives.csv": """\
phrase,kind,language,note
we offer a pension and a bicycle,benefits,en,
onze vrijdagborrel is beroemd,benefits,nl,
""",
    "facets.csv": """\
facet,both,family,definition
generative,,generative,Language models.
predictive,,predictive,Models that predict.
software,,ordinary,Software.
title_ml,,title,Titles of model makers.
building,,helper,Verbs of building.
built_generative,building+generative,,Language models that are built.
""",
    "terms.csv": """\
term,facet,language,note
language model*,generative,en,
taalmodel*,generative,nl,
machine learning,predictive,en,
forecast*,predictive,en,
c++,software,en,
back end,software,en,
machine learning engineer*,title_ml,en,
build*,building,en,
bouw*,building,nl,
back end,building,en,
""",
    "tools.csv": """\
tool,code,aliases,match,for,against,note
Python,TECH1,Python3,any,,,
Go,TECH1,golang,context,go routines,go to market,
LangChain,TECH4,Lang Chain,any,,,
Word,OTHER,MS Word,case,,,
""",
    "not_tools.csv": """\
notion,note
REST,
NoSQL,
""",
    "glossary_nl_en.csv": """\
nl,en
taalmodel,language model
bouwen,build
""",
}


@pytest.fixture
def book_folder(tmp_path: Path) -> Path:
    """A coding book in a folder of its own."""
    folder = tmp_path / "anchors"
    (folder / "phrases").mkdir(parents=True)
    for name, text in BOOK.items():
        (folder / name).write_bytes((COMMENTS + text).encode())
    return folder


@pytest.fixture
def book(book_folder: Path) -> CodingBook:
    """The same book, read."""
    return read_book(book_folder)


VECTORS = {
    "data": (1, 2, 0, 0),
    "pijp": (0, 1, 1, 0),
    "pijplijn": (3, 0, 0, 1),
    "en": (0, 0, 0, -2),
    "lijnen": (0, -1, 5, 0),
    "model": (4, 0, -3, 0),
    "models": (4, 1, -3, 0),
    "train": (0, 0, 7, 7),
    "c++": (1, 1, 1, 1),
    "build": (-127, 127, 0, 5),
}


@pytest.fixture
def embedder() -> StaticEmbedder:
    """An embedder of four dimensions."""
    return StaticEmbedder(list(VECTORS), np.array(list(VECTORS.values()), dtype=np.int8))


SMALL_CODES = ("TASK3", "TASK4", "TECH1", "TECH4", "SKILL1")


def small_gold_rows() -> list[dict[str, Any]]:
    """The authored ads with the codes of the tiny coding book only."""
    rows = gold_rows()
    for row in rows:
        row["codes"] = [c for c in row["codes"] if c["code"] in SMALL_CODES]
        row["tech"] = [{**t, "code": t["code"] if t["code"] in SMALL_CODES else "OTHER"} for t in row["tech"]]
    return rows


@dataclass(frozen=True)
class Study:
    """A study's folder: a coding book, coded ads, and a bundle built from them."""

    root: Path

    @property
    def anchors(self) -> Path:
        return self.root / "anchors"

    @property
    def index(self) -> Path:
        return self.root / "indexes" / "default"

    @property
    def gold(self) -> Path:
        return self.root / "gold.parquet"

    def bundle(self) -> Bundle:
        """The bundle with all that building needs."""
        return load_bundle(self.index, labelled=True)

    def add(self, file: str, row: str) -> None:
        """Append a row to a file of the coding book."""
        path = self.anchors / file
        path.write_bytes(path.read_bytes() + row.encode() + b"\n")

    def edit(self, file: str, before: str, after: str) -> None:
        """Replace text that stands once in a file of the coding book."""
        path = self.anchors / file
        text = path.read_text("utf-8")
        assert text.count(before) == 1
        path.write_text(text.replace(before, after), "utf-8")


def word_vectors(texts: list[str], dimension: int = 16) -> StaticEmbedder:
    """An embedder with a made-up vector for every word of some texts, and for single letters."""
    words = list(dict.fromkeys([w for t in texts for w in find_words(t)] + list("abcdefghijklmnopqrstuvwxyz")))
    table = np.random.default_rng(0).integers(-127, 128, (len(words), dimension))
    return StaticEmbedder(words, table.astype(np.int8))


def small_model(ads: list[GoldAd], book: CodingBook) -> Model:
    """A made-up embedder for ads and a coding book, a little different without each of three folds."""
    embedder = word_vectors([a.phrase for a in book.anchors] + [a.text for a in ads])
    rows = np.arange(0, len(embedder.words), 5, dtype=np.int32)
    tables = np.stack([np.roll(embedder.table[rows], fold + 1, axis=1) for fold in range(3)])
    return Model(embedder, EmbedderSpec(STATIC), FoldTables(rows, tables))


def make_study(root: Path) -> Study:
    """A study in a folder, built from the tiny coding book and the authored ads."""
    made = Study(root)
    (made.anchors / "phrases").mkdir(parents=True)
    for name, text in BOOK.items():
        (made.anchors / name).write_bytes((COMMENTS + text).encode())
    pq.write_table(pa.Table.from_pylist(small_gold_rows()), made.gold)
    book = read_book(made.anchors)
    ads = read_gold(made.gold, [p.name for p in book.profiles], [c.code for c in book.codes])
    model = small_model(ads, book)
    labelled = label(book, ads, grouped_folds(ads, 3), model)
    bundle, _ = build(book, book_hash(made.anchors), model, labelled, tool_precision=tool_precision(book, ads))
    bundle.save(made.index)
    return made


@pytest.fixture(scope="session")
def built_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study that tests read but do not change; see `study`."""
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def study(built_study: Study, tmp_path: Path) -> Study:
    """A study of its own, to change."""
    return Study(Path(shutil.copytree(built_study.root, tmp_path / "study")))


@pytest.fixture(scope="session")
def small_coder(built_study: Study) -> Coder:
    """A coder by the tiny coding book."""
    return Coder(load_bundle(built_study.index))


@pytest.fixture(scope="session")
def coder() -> Coder:
    """A coder by the shipped coding book."""
    return Coder(load_bundle(shipped() / "indexes" / "default"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Refuses connections and fails the test in which one was tried."""
    import socket

    tried: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield tried
    assert not tried


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield found
        found.close()
