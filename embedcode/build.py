"""Builds a bundle: anchors, an embedder and labelled ads in; vectors, calibration, thresholds and head out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embedcode.analysis import Reader, Reading, Scorer, embed, evidence, feature_space, untitled
from embedcode.bundle import Bundle, EmbedderSpec
from embedcode.codes import CodeModel, Floats, Pools, fit_codes
from embedcode.difference import Difference, Move, Scores, compare, moves
from embedcode.embedder import FoldTables, StaticEmbedder
from embedcode.errors import BookError
from embedcode.features import Evidence, FeatureSpace
from embedcode.gold import GoldAd
from embedcode.head import Head, fit_head
from embedcode.kappa import cohen_kappa
from embedcode.labelled import Labelled, read_labelled
from embedcode.margin import Margin, Side, margin
from embedcode.matching import Mention, shares_words
from embedcode.recode import Recoded
from embedcode.terms import facet_counts
from embedcode.types import Anchor, CodingBook, Embedder
from embedcode.vectors import quantise


@dataclass(frozen=True)
class Model:
    """An embedder and, where it was trained on the labelled ads, what it would be without each fold of them."""

    embedder: Embedder
    spec: EmbedderSpec
    folds: FoldTables | None = None

    def parts(self, count: int) -> list[Embedder]:
        """The embedder for each fold of the labelled ads."""
        if self.folds is None or not isinstance(self.embedder, StaticEmbedder):
            return [self.embedder] * count
        return [self.folds.embedder(self.embedder, fold) for fold in range(count)]


@dataclass(frozen=True)
class Flip:
    """A labelled ad whose cross-validated profile a rebuild changed.

    Attributes:
        gold: The coders' profile.
        sure_before, sure: Probability of the profile before and after; None where that before is not known.
        codes: The codes whose probabilities moved in this ad, the farthest first.
        margin: Of the profile after over the one before; None where that before cannot be computed any more.
    """

    id: str
    gold: str
    before: str
    after: str
    sure_before: float | None = None
    sure: float | None = None
    codes: tuple[Move, ...] = ()
    margin: Margin | None = None


@dataclass(frozen=True)
class Report:
    """What a build measured.

    Attributes:
        kappa: Cross-validated, for the head.
        kappa_before: Of the bundle that was replaced; None without one.
        flips: Labelled ads that changed profile.
        unmeasured: Terms that the labelled ads were not searched for: they count with their facet's weight.
        embedded: Anchors whose vectors had to be computed.
        difference: What the rebuild changes; None without a bundle to compare with.
        recoded: What it changes in a corpus; None where none was given.
    """

    kappa: float
    kappa_before: float | None
    flips: tuple[Flip, ...]
    unmeasured: tuple[str, ...]
    embedded: int
    difference: Difference | None = None
    recoded: Recoded | None = None


def label(book: CodingBook, ads: Sequence[GoldAd], folds: NDArray[np.int64], model: Model) -> Labelled:
    """Read coded ads and embed them, each by the embedder that has not seen its fold."""
    labelled, _, reading = read_labelled(book, ads, folds)
    return labelled.with_vectors(fold_vectors(model, labelled, reading))


def fold_vectors(model: Model, labelled: Labelled, reading: Reading) -> NDArray[np.int8]:
    """Vectors of the labelled ads' segments, each by the embedder that has not seen the ad's fold."""
    parts = model.parts(int(labelled.fold.max()) + 1)
    if all(p is parts[0] for p in parts):
        return embed(parts[0], reading)
    out = np.zeros((len(labelled.ad), model.embedder.dimension), dtype=np.int8)
    for fold, part in enumerate(parts):
        mine = labelled.segment_fold == fold
        out[mine] = embed(part, reading)[mine]
    return out


@dataclass(frozen=True)
class _Fit:
    scorer: Scorer
    anchor_vectors: NDArray[np.int8]
    codes: CodeModel
    probabilities: Floats
    evidence: Evidence
    embedded: int


@dataclass(frozen=True)
class _Whole:
    """All that is fitted on labelled ads, and what it makes of them: profiles are cross-validated."""

    labelled: Labelled
    anchors: _Fit
    space: FeatureSpace
    features: Floats
    head: Head
    crossed: Floats
    parts: dict[int, Head]

    @cached_property
    def scores(self) -> Scores:
        codes = self.anchors.codes
        given = codes.given(self.anchors.probabilities)
        return Scores(self.labelled, codes.codes, self.anchors.probabilities, given, self.head.profiles, self.crossed)

    @cached_property
    def predicted(self) -> list[str]:
        return [self.head.profiles[i] for i in self.crossed.argmax(axis=1)]

    def side(self, ad: int) -> Side:
        head = self.parts[int(self.labelled.fold[ad])]
        return Side(self.space.names, self.space.meanings, self.features[ad], head)


def build(
    book: CodingBook,
    book_hash: str,
    model: Model,
    labelled: Labelled,
    *,
    tool_precision: Mapping[str, float],
    previous: Bundle | None = None,
    reuse_vectors: bool = True,
) -> tuple[Bundle, Report]:
    """Build a bundle.

    Args:
        book: The coding book.
        book_hash: `book.book_hash` of its files.
        model: The embedder.
        labelled: The labelled ads, embedded by it.
        tool_precision: Share of tool mentions that are right, by `Tool.match`.
        previous: The bundle to compare with.
        reuse_vectors: Whether to take the vectors of unchanged anchors from it (it must have the same embedder).

    Raises:
        BookError: A profile or code has no labelled ads.
    """
    check_labels(book, labelled)
    whole = _fit_all(book, model, labelled, previous if reuse_vectors else None)
    fit = whole.anchors
    kappa = cohen_kappa(labelled.profiles, whole.predicted)
    difference, old = None, None
    if previous and previous.labelled is not None and reuse_vectors and _fits(previous.book, previous.labelled):
        same = previous.book == book and previous.labelled is labelled
        old = whole if same else _fit_all(previous.book, model, previous.labelled, previous)
        difference = compare(previous.book, book, old.scores, whole.scores)
    before = previous.figures.get("cross_validated") if previous else None
    flips = _flips(before, old, whole) if isinstance(before, dict) else ()
    figures = {
        "labelled_ads": len(labelled.ids),
        "kappa": round(kappa, 4),
        "thresholds": dict(zip(fit.codes.codes, fit.codes.thresholds.tolist(), strict=True)),
        "cross_validated": dict(zip(labelled.ids, whole.predicted, strict=True)),
    }
    static = model.embedder if isinstance(model.embedder, StaticEmbedder) else None
    bundle = Bundle(
        book, book_hash, fit.anchor_vectors, fit.codes, whole.head, tool_precision, model.spec, static, model.folds,
        labelled, figures,
    )  # fmt: skip
    searched = set(labelled.terms)
    unmeasured = tuple(dict.fromkeys(t.term for t in book.terms if t.term not in searched))
    kappa_before = previous.figures.get("kappa") if previous else None
    return bundle, Report(kappa, kappa_before, flips, unmeasured, fit.embedded, difference)


def _flips(before: Mapping[str, str], old: _Whole | None, new: _Whole) -> tuple[Flip, ...]:
    """The labelled ads that change profile.

    Args:
        before: The profiles before, by ad.
        old: The build before, if it can be compared with.
        new: The build after.
    """
    labelled, sure = new.labelled, new.crossed.max(axis=1).tolist()
    place = {id: i for i, id in enumerate(old.labelled.ids)} if old else {}
    out = []
    for ad, id in enumerate(labelled.ids):
        was, now = before.get(id), new.predicted[ad]
        if was is None or was == now:
            continue
        flip = Flip(id, labelled.profiles[ad], was, now, sure=sure[ad])
        if old and id in place and was in old.head.profiles:
            sure_before = float(old.crossed[place[id], old.head.profiles.index(was)])
            moved = moves(old.scores, new.scores, np.array([[place[id], ad]]))
            flip = replace(
                flip, sure_before=sure_before, codes=moved, margin=margin(old.side(place[id]), new.side(ad), now, was)
            )
        out.append(flip)
    return tuple(out)


def _fit_all(book: CodingBook, model: Model, labelled: Labelled, previous: Bundle | None) -> _Whole:
    profiles = tuple(p.name for p in book.profiles)
    fit = fit_anchors(book, model, labelled, previous)
    space = feature_space(book, fit.scorer)
    features = space.compute(fit.evidence)
    target = np.array([profiles.index(p) for p in labelled.profiles])
    fitted = fit_head(features, target, labelled.weight, labelled.fold, profiles)
    return _Whole(labelled, fit, space, features, *fitted)


def _fits(book: CodingBook, labelled: Labelled) -> bool:
    """Whether a bundle's book and labelled ads fit each other, as they do where `build` made it."""
    try:
        check_labels(book, labelled)
    except BookError:
        return False
    return True


def check_labels(book: CodingBook, labelled: Labelled) -> None:
    """Check that every profile and code can be learnt.

    Raises:
        BookError: A profile or code has no labelled ads, or the labelled ads have one that the book lacks; or a code
            has no anchors.
    """
    profiles = {p.name for p in book.profiles}
    wanted = {a.code for a in book.anchors} & {c.code for c in book.codes}
    carried = {c for c, column in zip(labelled.codes, labelled.labels.T, strict=True) if column.any()}
    lacking = sorted(profiles - set(labelled.profiles)) + sorted(wanted - carried)
    if lacking:
        raise BookError(
            f"No labelled ads for {', '.join(lacking)}. A new profile or code needs ads that carry it: "
            "run `embedcode build --gold ADS.parquet`."
        )
    unknown = sorted(set(labelled.profiles) - profiles) + sorted(set(labelled.codes) - wanted)
    if unknown:
        raise BookError(
            f"The labelled ads carry {', '.join(unknown)}, which the coding book lacks or has no anchors for. "
            "Put it back, or give ads coded by this book: `embedcode build --gold ADS.parquet`."
        )
    if bare := [c.code for c in book.codes if c.group != "TECH" and c.code not in wanted]:
        raise BookError(
            f"Found no anchors for {', '.join(bare)}; expected some for each code. Write them into "
            f"phrases/{bare[0]}.csv, or take the code out of codes.csv."
        )


def fit_anchors(book: CodingBook, model: Model, labelled: Labelled, previous: Bundle | None = None) -> _Fit:
    """Compare the labelled ads with the anchors and fit calibration and thresholds of the codes."""
    vectors, embedded = anchor_vectors(book.anchors, model.embedder, previous)
    scorer = Scorer(book.anchors, vectors)
    pools = scorer.pools
    sums = np.zeros((len(labelled.ad), len(pools.names)))
    for fold, part in enumerate(model.parts(int(labelled.fold.max()) + 1)):
        local = pools
        if part is not model.embedder:
            local = Pools(book.anchors, quantise(part.embed([a.phrase for a in book.anchors])))
        mine = labelled.segment_fold == fold
        sums[mine] = local.sums(labelled.vectors[mine])
    strengths = pools.strengths(sums)
    order = [labelled.codes.index(c) for c in pools.codes]
    codes = fit_codes(pools.codes, strengths, labelled.ad, labelled.labels[:, order], labelled.known[:, order])
    probabilities = untitled(codes.probabilities(codes.scores(strengths), labelled.ad), labelled.title)
    tools = {t.name: i for i, t in enumerate(book.tools)}
    names = ((ad, tools.get(labelled.tools[tool])) for ad, tool in labelled.named.tolist())
    named = [(ad, tool) for ad, tool in names if tool is not None]
    counts = facet_counts(labelled.current_hits(book), len(labelled.ad), book.terms, book.facets)
    aggregated = evidence(book, labelled, named, scorer.with_facets(probabilities, sums), counts)
    return _Fit(scorer, vectors, codes, probabilities, aggregated, embedded)


def anchor_vectors(
    anchors: Sequence[Anchor], embedder: Embedder, previous: Bundle | None
) -> tuple[NDArray[np.int8], int]:
    """Quantised vectors of anchors; those of unchanged phrases are taken from the previous bundle.

    Returns:
        The vectors, shape (n_anchors, dimension), and how many had to be computed.
    """
    known: dict[str, NDArray[np.int8]] = {}
    if previous and previous.anchor_vectors.shape[1] == embedder.dimension:
        rows = zip(previous.book.anchors, previous.anchor_vectors, strict=True)
        known = {a.phrase: v for a, v in rows}
    fresh = [a.phrase for a in anchors if a.phrase not in known]
    if fresh:
        known.update(zip(fresh, quantise(embedder.embed(fresh)), strict=True))
    return np.stack([known[a.phrase] for a in anchors]), len(fresh)


def tool_precision(book: CodingBook, ads: Sequence[GoldAd]) -> dict[str, float]:
    """Share of tool mentions that the coders made too, by how the tool is matched (`Tool.match`).

    Tools that only some of the coders found do not count; one pseudo-count each way.
    """
    right: Counter[str] = Counter(("any", "case", "context"))
    total: Counter[str] = Counter(dict.fromkeys(right, 2))
    layout = Reader(book).lay_out([a.text for a in ads])
    seen: set[tuple[int, int]] = set()
    for number, _, start, end, tool in layout.mentions:
        entry = book.tools[tool]
        if (number, tool) in seen or entry.code == "OTHER":
            continue
        seen.add((number, tool))
        ad = ads[number]
        mention = Mention(entry.name, ad.text[start:end], entry.code)
        same = [t for t in ad.tools if shares_words(t.name, mention)]
        if same and all(t.coders < ad.coders for t in same):
            continue
        total[entry.match] += 1
        right[entry.match] += any(t.coders == ad.coders for t in same)
    return {k: round(right[k] / total[k], 4) for k in sorted(total)}
