"""Codes a corpus anew with another bundle, in memory, and tells which ads that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from embedcode.bundle import Bundle
from embedcode.coder import Coder
from embedcode.corpus import Corpus
from embedcode.errors import InputError
from embedcode.types import Embedder
from embedcode.values import tally

BATCH_ROWS = 1000


@dataclass(frozen=True)
class CorpusFlip:
    """An ad of a corpus whose profile another bundle changes; None where it gets no profile.

    Attributes:
        sure_before, sure: Probability of the profile before and after.
    """

    id: str
    before: str | None
    after: str | None
    sure_before: float | None
    sure: float | None


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
    flips: list[CorpusFlip] = []
    carried: Counter[str] = Counter()
    first = 0
    for batch in texts.to_batches(BATCH_ROWS):
        coded = coder.classify_batch(batch)
        carried += _carried(coded.column("codes"))
        before = corpus.ads.slice(first, len(batch))
        was, now = (t.column("profile").to_pylist() for t in (before, coded))
        sure = [t.column("confidence").to_pylist() for t in (before, coded)]
        rows = zip(before.column("id").to_pylist(), was, now, *sure, strict=True)
        flips += [CorpusFlip(*row) for row in rows if row[1] != row[2]]
        first += len(batch)
        progress(len(batch))
    was_carried = corpus.codes
    codes = {c: (was_carried.get(c, 0), carried[c]) for c in dict.fromkeys((*was_carried, *sorted(carried)))}
    coded_by = corpus.manifest.get("bundle") or {}
    same = all(coded_by.get(k) == base.hashes.get(k) for k in ("anchors", "models"))
    note = "" if same else "the corpus was coded by another bundle than the one compared with; changes may come from it"
    return Recoded(len(corpus), tuple(flips), codes, note)


def _carried(evidence: pa.ListArray) -> Counter[str]:
    """In how many ads each code is found."""
    code = pc.struct_field(pc.list_flatten(evidence), "code")
    pairs = pa.table({"ad": pc.list_parent_indices(evidence), "code": code}).group_by(["ad", "code"]).aggregate([])
    return tally(pairs["code"])
