#!/usr/bin/env python3
"""What each anchor and each term of a coding book contributes, measured on the labelled ads of a bundle.

    python benchmarks/contributions.py --gold gold.parquet --corpus corpus.parquet --output contributions.csv

Needs no texts of the labelled ads. Everything is scored without the fold it was fitted on. An anchor is left out by
taking its term from the sum of its pool (the pool keeps its size: a constant is what the intercept takes up); the
calibration of each fold stays as fitted with it, the thresholds are drawn anew from the other folds. A term is left
out by taking its hits away; the head of each fold stays as fitted with them.

A change is the figure without the anchor or term less the figure with it. So a useful one has a negative change of
F1 and kappa and a positive change of log loss. Most changes are chance: the last line tells how well those of one fold
agree with those of the others. So prune not by the sign of a change, but what never wins, or misleads by its meaning.

Columns of the CSV:
    nearest         segments whose nearest anchor of the code it is (titles and disagreements left out)
    purity          share of them that carry the code; for a negative anchor, that carry none
    given           of those, the ones that are given the code; for a negative anchor, where none of a code is as near
    given_purity    share of these that carry the code; for a negative anchor, none
    hits, ads       places and ads that hold the term, then ads by profile
    f1_change       of the code; for a negative anchor the mean over codes
    log_loss_change, standard_error    of the code per segment (mean over codes), of the head per ad
    folds_helped    folds in which the log loss rises without it
    kappa_change    of the head
    corpus_...      the same counts in uncoded ads, by the bundle as it is
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.analysis import feature_space
from embedcode.build import Model, fit_anchors
from embedcode.bundle import Bundle, load_bundle
from embedcode.coder import Coder
from embedcode.codes import SHARPNESS, CodeModel, Floats, Pools, best_threshold, fit_codes
from embedcode.documents import Columns, Source
from embedcode.errors import BundleError, EmbedcodeError, InputError
from embedcode.features import Evidence, FeatureSpace
from embedcode.head import Head, fit_head
from embedcode.kappa import cohen_kappa
from embedcode.labelled import Labelled
from embedcode.loading import load_embedder
from embedcode.paths import find_index
from embedcode.terms import TermHits, facet_counts
from embedcode.types import NEGATIVE, CodingBook, Embedder
from embedcode.values import identifiers
from embedcode.vectors import SCALE, quantise

Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]

LOWEST = 0.05
"""`best_threshold` looks no lower: what lies below it is never given."""


@dataclass(frozen=True)
class Change:
    """Change of a mean log loss, with its standard error over ads, and each fold's part in it."""

    log_loss: float
    error: float
    folds: tuple[float, ...]


@dataclass(frozen=True)
class AnchorFigures:
    """What an anchor contributes; see the columns of the CSV."""

    nearest: int
    carried: int
    given: int
    right: int
    f1: float
    change: Change


@dataclass(frozen=True)
class TermFigures:
    """What a term contributes; see the columns of the CSV."""

    hits: int
    ads: tuple[int, ...]
    change: Change
    kappa: float


@dataclass(frozen=True)
class CorpusCounts:
    """How often anchors win and terms are found in uncoded ads, each of shape (n_anchors,) or (n_terms,)."""

    ads: int
    nearest: Whole
    given: Whole
    hits: Whole
    holders: Whole


# Anchors


def affinities(vectors: NDArray[np.int8], anchors: NDArray[np.int8]) -> NDArray[np.float32]:
    """exp(b (cos - 1)) of texts and anchors, shape (n_texts, n_anchors); `codes.Pools` sums these."""
    with np.errstate(invalid="ignore"):
        products = vectors.astype(np.float32) @ anchors.T.astype(np.float32)
    products *= np.float32(SHARPNESS / SCALE**2)
    products -= np.float32(SHARPNESS)
    return np.exp(products, out=products)


class AnchorStudy:
    """The labelled segments with their affinities to all anchors, and what each fold's ads are scored with."""

    def __init__(self, book: CodingBook, model: Model, labelled: Labelled, vectors: NDArray[np.int8]) -> None:
        """Compare and fit.

        Args:
            book: The coding book.
            model: The embedder, with what it is without each fold.
            labelled: The labelled ads.
            vectors: Quantised vectors of the anchors by the whole embedder, shape (n_anchors, dimension).
        """
        phrases = [a.phrase for a in book.anchors]
        self.fold, self.ad_fold = labelled.segment_fold, labelled.fold
        self.ad = labelled.ad
        self.affinity = np.zeros((len(labelled.ad), len(phrases)), dtype=np.float32)
        folds = int(labelled.fold.max()) + 1
        for number, part in enumerate(model.parts(folds)):
            local = vectors if part is model.embedder else quantise(part.embed(phrases))
            mine = self.fold == number
            self.affinity[mine] = affinities(labelled.vectors[mine], local)
        self.pools = Pools(book.anchors, vectors)
        names = [(a.code, a.facet) for a in book.anchors]
        self.pool = [self.pools.names.index(n if n in self.pools.names else (n[0], "")) for n in names]
        self.slot = [self.pools.codes.index(a.code) if a.code != NEGATIVE else -1 for a in book.anchors]
        self.sums = np.zeros((len(self.ad), len(self.pools.names)))
        for anchor, pool in enumerate(self.pool):
            self.sums[:, pool] += self.affinity[:, anchor]
        order = [labelled.codes.index(c) for c in self.pools.codes]
        self.labels = labelled.labels[:, order]
        self.use = labelled.known[:, order] & ~labelled.title[:, None]
        self.worded = labelled.vectors.any(axis=1) & ~labelled.title
        strengths = self.pools.strengths(self.sums)
        self.fits = []
        for number in range(folds):
            train = self.fold != number
            known = labelled.known[:, order][train]
            self.fits.append(fit_codes(self.pools.codes, strengths[train], self.ad[train], self.labels[train], known))

    def without(self, anchor: int) -> Floats:
        """Pool sums without an anchor, shape (n_segments, n_pools)."""
        sums = self.sums.copy()
        sums[:, self.pool[anchor]] = np.maximum(sums[:, self.pool[anchor]] - self.affinity[:, anchor], 0.0)
        return sums

    def probabilities(self, sums: Floats, codes: Sequence[int]) -> Floats:
        """Probability of some codes, each segment's by the model of its fold, shape (n_segments, len(codes))."""
        strengths = self.pools.strengths(sums)[:, [*codes, -1]]
        out = np.zeros((len(sums), len(codes)))
        for number, fit in enumerate(self.fits):
            mine = self.fold == number
            part = only(fit, codes)
            out[mine] = part.probabilities(part.scores(strengths[mine]), self.ad[mine])
        return out

    def given(self, probability: Floats, code: int) -> Flags:
        """Where a code is given, at thresholds drawn from the other folds, shape (n_segments,)."""
        return given_across(probability, self.labels[:, code], self.use[:, code], self.fold)

    def f1(self, given: Flags, code: int) -> float:
        """F1 of a code over all folds together."""
        return f1(given, self.labels[:, code], self.use[:, code])

    def losses(self, probability: Floats, code: int) -> Floats:
        """Log loss of each segment, 0 where it is left out, shape (n_segments,)."""
        right = np.where(self.labels[:, code], probability, 1 - probability)
        return np.where(self.use[:, code], -np.log(np.maximum(right, 1e-12)), 0.0)

    def figures(self) -> tuple[list[AnchorFigures], Floats]:
        """What each anchor contributes, and F1 of each code with all of them, shape (n_codes,)."""
        every = range(len(self.pools.codes))
        base = self.probabilities(self.sums, every)
        given = np.stack([self.given(base[:, c], c) for c in every], axis=1)
        losses = np.stack([self.losses(base[:, c], c) for c in every], axis=1)
        scores = np.array([self.f1(given[:, c], c) for c in every])
        counts = self._counts(given)
        out = []
        for anchor, slot in enumerate(self.slot):
            codes = every if slot < 0 else [slot]
            p = self.probabilities(self.without(anchor), codes)
            change, delta = [], np.zeros(len(self.ad))
            for column, code in enumerate(codes):
                change.append(self.f1(self.given(p[:, column], code), code) - scores[code])
                number = max(1, self.use[:, code].sum()) * len(codes)
                delta += (self.losses(p[:, column], code) - losses[:, code]) / number
            by_ad = np.bincount(self.ad, weights=delta, minlength=len(self.ad_fold)).astype(np.float64)
            out.append(AnchorFigures(*counts[anchor], float(np.mean(change)), change_of(by_ad, self.ad_fold)))
        return out, scores

    def _counts(self, given: Flags) -> list[tuple[int, int, int, int]]:
        """Of each anchor: segments it is nearest to, those that carry its code, those given it, those of both."""
        slots = np.array(self.slot)
        table = np.zeros((4, len(slots)), dtype=np.int64)
        own = self.affinity[:, slots >= 0].max(axis=1)
        for slot in (*range(len(self.pools.codes)), -1):
            rows = np.flatnonzero(slots == slot)
            if not len(rows):
                continue
            near = rows[self.affinity[:, rows].argmax(axis=1)]
            if slot < 0:
                use, right = self.use.all(axis=1), ~self.labels.any(axis=1)
                won = self.affinity[:, rows].max(axis=1) > own
            else:
                use, right, won = self.use[:, slot], self.labels[:, slot], given[:, slot]
            use = use & self.worded
            for line, chosen in zip(table, (use, use & right, use & won, use & won & right), strict=True):
                line += np.bincount(near[chosen], minlength=len(slots))
        return [(n, c, g, r) for n, c, g, r in table.T.tolist()]


def only(fit: CodeModel, codes: Sequence[int]) -> CodeModel:
    """The part of a fit that concerns some of its codes."""
    rows = list(codes)
    return CodeModel(tuple(fit.codes[i] for i in rows), fit.strength[rows], fit.context[rows], fit.thresholds[rows])


def given_across(probability: Floats, labels: Flags, use: Flags, fold: Whole) -> Flags:
    """Where a code is given, in each fold at the best threshold of the others, shape (n_segments,).

    Args:
        probability: Cross-fitted, shape (n_segments,).
        labels: Whether a segment carries the code.
        use: Whether it counts.
        fold: Its fold.
    """
    given = np.zeros(len(probability), dtype=np.bool_)
    # What is neither given at any threshold nor carries the code plays no part in F1.
    played = use & ((probability >= LOWEST) | labels)
    for number in np.unique(fold):
        others = played & (fold != number)
        given |= (fold == number) & (probability >= best_threshold(probability[others], labels[others]))
    return given


def f1(given: Flags, labels: Flags, use: Flags) -> float:
    """F1 of the segments that count."""
    hits = (given & labels & use).sum()
    return float(2 * hits / max(1, (given & use).sum() + (labels & use).sum()))


def change_of(parts: Floats, fold: Whole) -> Change:
    """A change from what each ad adds to it.

    Args:
        parts: Shape (n_ads,).
        fold: Fold of each ad.
    """
    n = len(parts)
    error = np.sqrt(n / (n - 1) * ((parts - parts.mean()) ** 2).sum()) if n > 1 else 0.0
    return Change(float(parts.sum()), float(error), tuple(np.bincount(fold, weights=parts).tolist()))


def agreement(changes: Sequence[Change]) -> float:
    """Mean rank correlation of the changes in one fold with those in the others together; nan where there is none."""
    folds = np.array([c.folds for c in changes if any(c.folds)])
    if len(folds) < 3:
        return float("nan")

    def ranks(x: Floats) -> Floats:
        ordered = np.sort(x)
        return np.asarray(np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right"), dtype=np.float64)

    pairs = [(ranks(f), ranks(folds.sum(axis=1) - f)) for f in folds.T]
    found = [np.corrcoef(a, b)[0, 1] for a, b in pairs if np.ptp(a) and np.ptp(b)]
    return float(np.mean(found)) if found else float("nan")


# Terms


class TermStudy:
    """The evidence of the labelled ads and the heads of the folds, each chosen and fitted on the other folds."""

    def __init__(self, book: CodingBook, space: FeatureSpace, found: Evidence, labelled: Labelled) -> None:
        """Fit the heads.

        Args:
            book: The coding book.
            space: Its features.
            found: The evidence of the labelled ads.
            labelled: The labelled ads.
        """
        self.book, self.space, self.found, self.labelled = book, space, found, labelled
        self.hits = labelled.current_hits(book)
        self.profiles = [p.name for p in book.profiles]
        self.target = np.array([self.profiles.index(p) for p in labelled.profiles])
        self.features = space.compute(found)
        fold, weight = labelled.fold, labelled.weight
        self.heads: dict[int, Head] = {}
        for number in np.unique(fold).tolist():
            train = fold != number
            self.heads[number], _, _ = fit_head(
                self.features[train], self.target[train], weight[train], fold[train], self.profiles
            )
        self.base = self.probabilities(self.features, np.arange(len(fold)))
        self.loss = self.losses(self.base, np.arange(len(fold)))
        self.predicted = self.base.argmax(axis=1)
        self.kappa = self._kappa(self.predicted)

    def probabilities(self, features: Floats, ads: Whole) -> Floats:
        """Probabilities of the profiles of some ads, by the heads of their folds, shape (len(ads), n_profiles)."""
        out = np.zeros((len(ads), len(self.profiles)))
        for number, head in self.heads.items():
            mine = self.labelled.fold[ads] == number
            out[mine] = head.probabilities(features[mine])
        return out

    def losses(self, probabilities: Floats, ads: Whole) -> Floats:
        """What some ads add to the mean log loss, weighted as in fitting, shape (len(ads),)."""
        right = probabilities[np.arange(len(ads)), self.target[ads]]
        weight = self.labelled.weight
        return np.asarray(-weight[ads] * np.log(np.maximum(right, 1e-12)) / weight.sum())

    def without(self, term: int, ads: Whole) -> Floats:
        """Features of some ads without the hits of a term, shape (len(ads), n_features).

        Args:
            term: Index into the book's terms.
            ads: Ascending.
        """
        found = self.found
        chosen = np.zeros(len(found.length), dtype=np.bool_)
        chosen[ads] = True
        segments = chosen[found.ad]
        kept = segments[self.hits.text] & (self.hits.term != term)
        hits = TermHits((np.cumsum(segments) - 1)[self.hits.text[kept]], self.hits.term[kept])
        part = Evidence(
            ad=(np.cumsum(chosen) - 1)[found.ad[segments]],
            title=found.title[segments],
            length=found.length[ads],
            probabilities=found.probabilities[segments],
            facets=facet_counts(hits, int(segments.sum()), self.book.terms, self.book.facets),
            tools=found.tools[ads],
        )
        return self.space.compute(part)

    def figures(self) -> list[TermFigures]:
        """What each term contributes."""
        order = np.argsort(self.hits.term, kind="stable")
        bounds = np.searchsorted(self.hits.term[order], np.arange(len(self.book.terms) + 1))
        out = []
        for term, (first, last) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            ads = np.unique(self.found.ad[self.hits.text[order[first:last]]])
            counts = tuple(np.bincount(self.target[ads], minlength=len(self.profiles)).tolist())
            if not len(ads):
                out.append(TermFigures(0, counts, change_of(np.zeros(len(self.target)), self.labelled.fold), 0.0))
                continue
            p = self.probabilities(self.without(term, ads), ads)
            delta = np.zeros(len(self.target))
            delta[ads] = self.losses(p, ads) - self.loss[ads]
            predicted = self.predicted.copy()
            predicted[ads] = p.argmax(axis=1)
            kappa = self._kappa(predicted) - self.kappa if (predicted != self.predicted).any() else 0.0
            out.append(TermFigures(int(last - first), counts, change_of(delta, self.labelled.fold), kappa))
        return out

    def _kappa(self, predicted: Whole) -> float:
        return cohen_kappa(self.labelled.profiles, [self.profiles[i] for i in predicted])


# The labelled ads and the corpus


def part(labelled: Labelled, keep: Flags) -> Labelled:
    """Some of the labelled ads; folds keep their numbers.

    Args:
        labelled: The labelled ads.
        keep: Which, shape (n_ads,).
    """
    segments = keep[labelled.ad]
    number, segment = np.cumsum(keep) - 1, np.cumsum(segments) - 1
    hits, named = segments[labelled.hits.text], keep[labelled.named[:, 0]]
    left = labelled.named[named]
    return replace(
        labelled,
        ids=tuple(i for i, k in zip(labelled.ids, keep, strict=True) if k),
        profiles=tuple(p for p, k in zip(labelled.profiles, keep, strict=True) if k),
        weight=labelled.weight[keep],
        fold=labelled.fold[keep],
        length=labelled.length[keep],
        ad=number[labelled.ad[segments]],
        title=labelled.title[segments],
        labels=labelled.labels[segments],
        known=labelled.known[segments],
        hits=TermHits(segment[labelled.hits.text[hits]], labelled.hits.term[hits]),
        named=np.stack([number[left[:, 0]], left[:, 1]], axis=1),
        vectors=labelled.vectors[segments],
    )


def locked(path: Path) -> set[str]:
    """Identifiers of the coded ads that are marked `locked`; nothing else of them is read."""
    try:
        table = pq.read_table(path, columns=["id", "locked"])
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read id and locked from {path}: {error}. Give coded ads that have both.") from error
    ids = identifiers(table.column("id").combine_chunks()).to_pylist()
    return {i for i, lock in zip(ids, table.column("locked").to_pylist(), strict=True) if lock}


def count_corpus(bundle: Bundle, embedder: Embedder, batches: Iterator[list[tuple[str, str | None]]]) -> CorpusCounts:
    """Code uncoded ads and count what wins and what is found.

    Args:
        bundle: The bundle.
        embedder: Its embedder.
        batches: Texts and titles of ads.
    """
    coder = Coder(bundle, embedder)
    anchors, terms = bundle.book.anchors, len(bundle.book.terms)
    codes = coder.scorer.pools.codes
    groups = {c: np.array([i for i, a in enumerate(anchors) if a.code == c]) for c in (*codes, NEGATIVE)}
    nearest, given = np.zeros(len(anchors), dtype=np.int64), np.zeros(len(anchors), dtype=np.int64)
    hits, holders, ads = np.zeros(terms, dtype=np.int64), np.zeros(terms, dtype=np.int64), 0
    for batch in batches:
        found = coder.analyse([text for text, _ in batch], [title for _, title in batch])
        layout, vectors = found.layout, found.vectors
        found_terms = coder.reader.read(layout.texts).hits
        ads += len(batch)
        hits += np.bincount(found_terms.term, minlength=terms)
        pairs = np.unique(layout.ad[found_terms.text] * terms + found_terms.term)
        holders += np.bincount(pairs % max(1, terms), minlength=terms)
        use = vectors.any(axis=1) & ~layout.title
        products = vectors[use].astype(np.float32) @ bundle.anchor_vectors.T.astype(np.float32)
        reached = bundle.codes.given(found.probabilities)[use]
        own = np.max([products[:, groups[c]].max(axis=1) for c in codes], axis=0)
        for code, rows in groups.items():
            if not len(rows):
                continue
            near = rows[products[:, rows].argmax(axis=1)]
            won = products[:, rows].max(axis=1) > own if code == NEGATIVE else reached[:, codes.index(code)]
            nearest += np.bincount(near, minlength=len(anchors))
            given += np.bincount(near[won], minlength=len(anchors))
    return CorpusCounts(ads, nearest, given, hits, holders)


def read_corpus(path: Path, limit: int, size: int = 100) -> Iterator[list[tuple[str, str | None]]]:
    """Texts and titles of the first ads of a file, in batches; ads without text are left out."""
    left = limit
    for batch in Source.open([str(path)], Columns()).batches(size):
        rows = batch.slice(0, left)
        left -= len(rows)
        texts = rows.column("text").to_pylist()
        titles = rows.column("title").to_pylist() if "title" in rows.schema.names else [None] * len(texts)
        if kept := [(text, title) for text, title in zip(texts, titles, strict=True) if text and not text.isspace()]:
            yield kept
        if left <= 0:
            return


# Output


def table(
    book: CodingBook, anchors: Sequence[AnchorFigures], terms: Sequence[TermFigures], corpus: CorpusCounts | None
) -> list[dict[str, object]]:
    """Rows of the CSV, in the order of the book."""
    profiles = [p.name for p in book.profiles]
    rows: list[dict[str, object]] = []
    for i, (a, f) in enumerate(zip(book.anchors, anchors, strict=True)):
        row: dict[str, object] = {"kind": "negative" if a.code == NEGATIVE else "phrase", "code": a.code}
        row |= {"facet": a.facet, "language": a.language, "text": a.phrase, "nearest": f.nearest}
        row |= {"purity": share(f.carried, f.nearest), "given": f.given, "given_purity": share(f.right, f.given)}
        row |= {"f1_change": f.f1, **cells(f.change)}
        if corpus:
            row |= {"corpus_nearest": int(corpus.nearest[i]), "corpus_given": int(corpus.given[i])}
        rows.append(row)
    for i, (t, g) in enumerate(zip(book.terms, terms, strict=True)):
        row = {"kind": "term", "facet": t.facet, "language": t.language, "text": t.term, "hits": g.hits}
        row |= {"ads": sum(g.ads), **dict(zip(profiles, g.ads, strict=True)), "kappa_change": g.kappa}
        row |= cells(g.change)
        if corpus:
            row |= {"corpus_hits": int(corpus.hits[i]), "corpus_ads": int(corpus.holders[i])}
        rows.append(row)
    return rows


def cells(change: Change) -> dict[str, object]:
    """A change in the CSV."""
    helped = sum(part > 0 for part in change.folds)
    return {"log_loss_change": change.log_loss, "standard_error": change.error, "folds_helped": helped}


def share(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None


def columns(profiles: Sequence[str]) -> list[str]:
    """Columns of the CSV."""
    found = ["kind", "code", "facet", "language", "text", "nearest", "purity", "given", "given_purity", "hits", "ads"]
    changes = ["f1_change", "log_loss_change", "standard_error", "folds_helped", "kappa_change"]
    return [*found, *profiles, *changes, "corpus_nearest", "corpus_given", "corpus_hits", "corpus_ads"]


def write(path: Path, rows: Sequence[dict[str, object]], names: Sequence[str]) -> None:
    """Write the CSV; numbers are rounded to what they can tell."""
    digits = {"purity": 3, "given_purity": 3, "f1_change": 5, "kappa_change": 5}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: round(v, digits.get(k, 7)) if isinstance(v, float) else v for k, v in row.items()})


def show(rows: Sequence[dict[str, object]], top: int) -> None:
    """Print the least and the most useful of each kind, by the change of log loss."""
    counts = {"phrase": "given", "negative": "given", "term": "ads"}
    for kind, shown in counts.items():
        count = "ads" if kind == "term" else "nearest"
        mine = [r for r in rows if r["kind"] == kind]
        used = sorted((r for r in mine if r[count]), key=lambda r: number(r["log_loss_change"]))
        unused = len(mine) - len(used)
        print(f"\n{len(mine)} {kind}s, {unused} of them never {'found' if kind == 'term' else 'nearest'}")
        half = len(used) // 2
        lists = {"least useful": used[: min(top, half)], "most useful": used[::-1][: min(top, len(used) - half)]}
        for title, chosen in lists.items():
            score = "kappa" if kind == "term" else "F1"
            print(f"  {title:<58}{shown:>8}{'purity':>8}{'log loss':>11}{'+-':>9}{score:>9}")
            for r in chosen:
                purity = r.get("given_purity")
                where = f"{r.get('code', '')} {r['facet']}".strip()
                print(
                    f"  {str(r['text'])[:38]:<39}{where[:18]:<19}{r[shown]!s:>8}"
                    f"{'' if purity is None else f'{number(purity):.2f}':>8}"
                    f"{1000 * number(r['log_loss_change']):>+11.3f}{1000 * number(r['standard_error']):>9.3f}"
                    f"{number(r['kappa_change' if kind == 'term' else 'f1_change']):>+9.4f}"
                )
    print("\nLog losses in thousandths. What is useful has a positive one, and a negative change of F1 or kappa.")


def number(value: object) -> float:
    """A cell as a number."""
    assert isinstance(value, int | float)
    return float(value)


def run(args: argparse.Namespace) -> None:
    """Measure, print and write."""
    folder = find_index(args.index)
    bundle = load_bundle(folder, labelled=True)
    if bundle.labelled is None:
        raise BundleError(f"The bundle in {folder} holds no labelled ads. Build it with --gold.")
    labelled, held = bundle.labelled, locked(args.gold) if args.gold else set()
    if held:
        labelled = part(labelled, np.array([i not in held for i in labelled.ids]))
    book, embedder = bundle.book, load_embedder(bundle)
    model = Model(embedder, bundle.embedder, bundle.folds)
    anchors = AnchorStudy(book, model, labelled, bundle.anchor_vectors)
    figures, scores = anchors.figures()
    fit = fit_anchors(book, model, labelled, bundle)
    study = TermStudy(book, feature_space(book, fit.scorer), fit.evidence, labelled)
    terms = study.figures()
    corpus = count_corpus(bundle, embedder, read_corpus(args.corpus, args.limit)) if args.corpus else None
    print(f"{len(labelled.ids)} labelled ads, {len(labelled.ad):,} segments; left out as locked: {len(held)}")
    print("F1 " + ", ".join(f"{c} {s:.3f}" for c, s in zip(anchors.pools.codes, scores, strict=True)))
    print(f"Mean F1 {scores.mean():.4f}; head: log loss {study.loss.sum():.4f}, kappa {study.kappa:.4f}")
    if corpus:
        print(f"{corpus.ads:,} uncoded ads")
    rows = table(book, figures, terms, corpus)
    show(rows, args.top)
    negative = [a.code == NEGATIVE for a in book.anchors]
    kinds = {
        "phrases": [f.change for f, n in zip(figures, negative, strict=True) if not n],
        "negatives": [f.change for f, n in zip(figures, negative, strict=True) if n],
        "terms": [t.change for t in terms],
    }
    print(
        "Rank correlation of the changes of log loss in one fold with those in the others (0 or less: chance): ", end=""
    )
    print(", ".join(f"{kind} {agreement(changes):.2f}" for kind, changes in kinds.items()))
    if args.output:
        write(args.output, rows, columns([p.name for p in book.profiles]))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="default", help="name or folder of the bundle")
    parser.add_argument("--gold", type=Path, help="the coded ads; those it marks `locked` are left out")
    parser.add_argument("--corpus", type=Path, help="uncoded ads to count in as well")
    parser.add_argument("--limit", type=int, default=1000, help="how many of them")
    parser.add_argument("--top", type=int, default=15, help="how many to print")
    parser.add_argument("--output", type=Path, help="CSV file for all of them")
    args = parser.parse_args()
    try:
        run(args)
    except EmbedcodeError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from error


if __name__ == "__main__":
    main()
