"""A tiny coding book and a tiny embedder, small enough to work out results by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from embedcode.book import read_book
from embedcode.embedder import StaticEmbedder
from embedcode.types import CodingBook

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
