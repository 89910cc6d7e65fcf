"""Codes a corpus anew with another bundle, in memory, and tells which ads that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from embedcode.bundle import Bundle
from embedcode.coder import Coder
from embedcode.corpus import Corpus
from embedcode.errors import InputError
from embedcode.flips import Comparison, Flipped, Why
from embedcode.types import Embedder
from embedcode.values import tally

BATCH_ROWS = 1000

MOST_EXPLAINED = 100
"""Ads that change profile and are told why: they are coded once more by either bundle."""


@dataclass(frozen=True)
class CorpusFlip:
    """An ad of a corpus whose profile another bundle changes; None where it gets no profile.

    Attributes:
        sure_before, sure: Probability of the profile before and after.
        why: None where the bundle compared with does not give it the profile that it had, and for ads beyond
            `MOST_EXPLAINED`.
    """

    id: str
    before: str | None
    after: str | None
    sure_before: float | None
    sure: float | None
    why: Why | None = None


@dataclass(frozen=True)
class Recoded:
    """What another bundle changes in a corpus.

    Attributes:
        ads: How many ads it holds; 0 where they cannot be compared.
        flips: Those that change profile, in input order.
        codes: In how many ads each code is found, before and after.
        note: Why the ads cannot be compared, or what else the changes may come from; empty where there is nothing to
            say.
    """

    ads: int
    flips: tuple[CorpusFlip, ...]
    codes: dict[str, tuple[int, int]]
    note: str


def recode(
    corpus: Corpus,
    base: Bundle,
    bundle: Bundle,
    embedder: Embedder,
    progress: Callable[[int], None] = lambda _: None,
) -> Recoded:
    """Code a corpus anew.

    Args:
        corpus: The corpus as coded before.
        base: The bundle that the other one is compared with.
        bundle: The other bundle.
        embedder: Its embedder.
        progress: Called with the number of ads of each batch that is coded.

    Returns:
        What changes; where the texts cannot be had, only the reason.
    """
    try:
        texts = corpus.texts
    except InputError as error:
        return Recoded(0, (), {}, f"the corpus is not compared: {error}")
    options = corpus.manifest.get("options") or {}
    coder = Coder(bundle, embedder, min_confidence=float(options.get("min_confidence") or 0.0))
    flips: list[tuple[int, CorpusFlip]] = []
    carried: Counter[str] = Counter()
    first = 0
    for batch in texts.to_batches(BATCH_ROWS):
        coded = coder.classify_batch(batch)
        carried += _carried(coded.column("codes"))
        before = corpus.ads.slice(first, len(batch))
        was, now = (t.column("profile").to_pylist() for t in (before, coded))
        sure = [t.column("confidence").to_pylist() for t in (before, coded)]
        rows = zip(before.column("id").to_pylist(), was, now, *sure, strict=True)
        flips += [(first + i, CorpusFlip(*row)) for i, row in enumerate(rows) if row[1] != row[2]]
        first += len(batch)
        progress(len(batch))
    was_carried = corpus.codes
    codes = {c: (was_carried.get(c, 0), carried[c]) for c in dict.fromkeys((*was_carried, *sorted(carried)))}
    comparison = _comparison(base, coder) if flips else None
    told = _explained(flips, corpus, comparison) if comparison else tuple(flip for _, flip in flips)
    coded_by = corpus.manifest.get("bundle") or {}
    note = ""
    if any(coded_by.get(k) != base.hashes.get(k) for k in ("anchors", "models")):
        note = "the corpus was coded by another bundle than the one compared with; changes may come from it"
    elif comparison and any(flip.why is None for flip in told[:MOST_EXPLAINED]):
        note = (
            "some ads change profile with no edit at work: what is kept of the texts may not be all that was coded; "
            "if they have titles, keep these too (--keep title)"
        )
    return Recoded(len(corpus), told, codes, note)


def _comparison(base: Bundle, after: Coder) -> Comparison | None:
    """A comparison of two bundles; None where the embedder of the one before is not at hand."""
    if base.embedder == after.bundle.embedder:
        return Comparison(Coder(base, after.embedder), after)
    return Comparison(Coder(base), after) if base.static else None


def _explained(
    flips: Sequence[tuple[int, CorpusFlip]], corpus: Corpus, comparison: Comparison
) -> tuple[CorpusFlip, ...]:
    """Ads that change profile, given with their numbers; the first of them with the reason."""
    # An ad without confidence could not be coded.
    coded = [(row, f) for row, f in flips if f.sure_before is not None and f.sure is not None][:MOST_EXPLAINED]
    documents = [corpus.document(row) for row, _ in coded]
    ads = [Flipped(d.text, d.title, f.before, f.after) for d, (_, f) in zip(documents, coded, strict=True)]
    reasons = dict(zip((row for row, _ in coded), comparison.explain(ads), strict=True))
    return tuple(replace(flip, why=reasons.get(row)) for row, flip in flips)


def _carried(evidence: pa.ListArray) -> Counter[str]:
    """In how many ads each code is found."""
    code = pc.struct_field(pc.list_flatten(evidence), "code")
    pairs = pa.table({"ad": pc.list_parent_indices(evidence), "code": code}).group_by(["ad", "code"]).aggregate([])
    return tally(pairs["code"])
