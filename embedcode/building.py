"""Building from files: rebuilds a bundle after its coding book was edited, or trains one from the ground up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedcode.book import book_hash, read_book, read_glossary
from embedcode.build import Model, Report, build, label, tool_precision
from embedcode.bundle import MANIFEST, STATIC, TRANSFORMER, Bundle, EmbedderSpec, load_bundle
from embedcode.corpus import Corpus
from embedcode.documents import Columns, Source
from embedcode.errors import BundleError, InputError
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.labelled import FOLDS, Labelled
from embedcode.loading import load_embedder
from embedcode.paths import find_index
from embedcode.recode import recode
from embedcode.types import CodingBook


def base_of(folder: Path) -> Path:
    """The bundle that a build starts from and is compared with: the one in the folder, else the default one."""
    return folder if (folder / MANIFEST).is_file() else find_index("default")


def rebuild(
    anchors: Path,
    folder: Path,
    *,
    gold: Path | None = None,
    embedder: str | None = None,
    download: bool = False,
    corpus: Path | None = None,
    write: bool = True,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Build a bundle from a coding book, starting from the bundle that stands in the folder or the default one.

    Args:
        anchors: Folder of the coding book.
        folder: Folder of the bundle.
        gold: Coded ads with their texts; None: the labelled ads of the bundle, as numbers.
        embedder: Folder or name of a sentence-transformers model; None: the embedder of the bundle.
        download: Whether a model may be fetched from the hub.
        corpus: Ads that `classify` coded, to be coded anew in memory, so that the report says which change profile.
        write: Whether to write the bundle; False: only tell what it would change.
        progress: Called with the number of ads of the corpus that were coded.

    Raises:
        BookError, InputError, BundleError, ModelError: With what to do next.
    """
    book = read_book(anchors)
    coded = Corpus(corpus) if corpus else None
    base = load_bundle(base_of(folder), labelled=True)
    model = _model(base, embedder, download)
    same = model.spec == base.embedder
    if gold is not None:
        ads = _read(gold, book)
        labelled = label(book, ads, _folds(ads, base if same else None), model)
        precision = tool_precision(book, ads)
    elif base.labelled is None or not same:
        raise InputError(
            "Another embedder needs the texts of the coded ads. Give them: embedcode build "
            f"{f'--embedder {embedder} ' if embedder else ''}--gold ADS.parquet"
        )
    else:
        labelled, precision = base.labelled, dict(base.tool_precision)
    previous = base if same else None
    bundle, report = build(book, book_hash(anchors), model, labelled, tool_precision=precision, previous=previous)
    if write:
        bundle.save(folder)
    return replace(report, recoded=recode(coded, base, bundle, model.embedder, progress)) if coded else report


def _model(base: Bundle, embedder: str | None, download: bool) -> Model:
    if embedder is None:
        return Model(load_embedder(base, download=download), base.embedder, base.folds)
    from embedcode.transformer import TransformerEmbedder, weights_hash

    loaded = TransformerEmbedder.load(embedder, download=download)
    return Model(loaded, EmbedderSpec(TRANSFORMER, loaded.name, weights_hash(embedder)))


def _read(gold: Path, book: CodingBook) -> list[GoldAd]:
    return read_gold(gold, [p.name for p in book.profiles], [c.code for c in book.codes])


def _folds(ads: Sequence[GoldAd], base: Bundle | None) -> NDArray[np.int64]:
    """Folds of coded ads: those the embedder was trained with, and new ones for new ads."""
    folds = grouped_folds(ads, FOLDS)
    if base is None or base.labelled is None or base.embedder.kind != STATIC:
        return folds
    known: Labelled = base.labelled
    trained = dict(zip(known.ids, known.fold.tolist(), strict=True))
    return np.array([trained.get(a.id, f) for a, f in zip(ads, folds.tolist(), strict=True)], dtype=np.int64)


def train_bundle(
    anchors: Path,
    folder: Path,
    gold: Path,
    texts: Sequence[str],
    teacher: str,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Train the static embedder and build a bundle with it.

    Args:
        anchors: Folder of the coding book.
        folder: Folder of the bundle.
        gold: Coded ads with their texts.
        texts: Files of uncoded ads, for the vocabulary.
        teacher: Folder or name of the sentence-transformers teacher.
        seed: Of the fine-tuning.
        say: Called with what is being done.

    Raises:
        BookError, InputError, BundleError, ModelError: With what to do next.
    """
    from embedcode.train import Settings, Teacher, train

    book = read_book(anchors)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} holds something that is not a bundle. Name another folder with --output.")
    ads = _read(gold, book)
    folds = grouped_folds(ads, FOLDS)
    uncoded = [
        text
        for batch in Source.open(texts, Columns()).batches(1000)
        for text in batch.column("text").to_pylist()
        if text
    ]
    settings = Settings(seeds=(2 * seed, 2 * seed + 1))
    static, tables = train(book, read_glossary(anchors), ads, folds, uncoded, Teacher(teacher), settings, say)
    model = Model(static, EmbedderSpec(STATIC), tables)
    say("building")
    labelled = label(book, ads, folds, model)
    previous = load_bundle(folder, labelled=True) if (folder / MANIFEST).is_file() else None
    bundle, report = build(
        book,
        book_hash(anchors),
        model,
        labelled,
        tool_precision=tool_precision(book, ads),
        previous=previous if previous and previous.embedder.kind == STATIC else None,
        reuse_vectors=False,
    )
    bundle.save(folder)
    return report
