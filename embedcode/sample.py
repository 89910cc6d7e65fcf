"""A random sample of coded ads that people coded blind: read, and refused where it is anything else.

A figure may be corrected by such a sample only. Ads that somebody chose, or that were coded while the machine's codes
were in sight, say how the machine does on other ads than those of the corpus, or agree with it more than they should.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.errors import InputError, some
from embedcode.gold import GoldAd, read_gold

FEWEST = 30
"""Fewest ads coded by people from which a share is corrected."""

_REASONS = {
    "unsure": "its ads are those that the machine was least sure of, not drawn at random",
    "chosen": "its ads were chosen, not drawn at random",
    "checking": "its ads were coded while seeing the machine's codes",
}
_DESIGN = ("seed", "size", "population")


@dataclass(frozen=True)
class Drawing:
    """How a review drew its ads, so that they can be drawn again.

    Attributes:
        rows: Number of each ad in the corpus.
        size: Ads that were to be drawn.
        population: Ads in the corpus, those that could not be coded among them.
    """

    rows: tuple[int, ...]
    seed: int
    size: int
    population: int


@dataclass(frozen=True)
class Sample:
    """Ads coded by people.

    Attributes:
        drawing: How they were drawn; None where the file does not say and the user vouches for it.
        has_tools: Whether people looked for tools.
    """

    path: Path
    ads: tuple[GoldAd, ...]
    drawing: Drawing | None
    has_tools: bool


def read_sample(path: Path, profiles: Iterable[str], codes: Iterable[str], *, vouched: bool = False) -> Sample:
    """Read a sample: a review, or gold ads as `gold.read_gold` takes them.

    Args:
        path: The Parquet file. The columns `sample` and `mode` say how the ads were chosen and coded, `row`, `seed`,
            `size` and `population` how they were drawn, as in reviews.
        profiles: The profiles that may occur.
        codes: The codes that may occur.
        vouched: The user says that a file without `sample` and `mode` is a random sample that was coded blind.

    Raises:
        InputError: The file cannot be read, or is no random sample that was coded blind.
    """
    ads = tuple(read_gold(path, profiles, codes))
    names = pq.read_schema(path).names
    if {"sample", "mode"}.issubset(names):
        check_choice(path, "correct a share")
    elif not vouched:
        raise InputError(
            f"{path} does not say how its ads were chosen and coded (it has no columns sample and mode). Expected a "
            "review of the workbench. If its ads are a random sample of the coded ads, and were coded without seeing "
            "the machine's codes, say so with --random-sample."
        )
    drawing = _drawing(path) if {"row", *_DESIGN}.issubset(names) else None
    keys = [str(row) for row in drawing.rows] if drawing else [ad.id for ad in ads]
    if twice := [key for key, n in Counter(keys).items() if n > 1]:
        raise InputError(f"Found {some(twice)} more than once in {path}; expected each ad once. Remove the others.")
    return Sample(path, ads, drawing, "tech" in names)


def check_choice(path: Path, purpose: str) -> None:
    """Check that the ads of a review were drawn at random and coded blind.

    Args:
        path: A Parquet file with the columns `sample` and `mode`.
        purpose: What any other choice of ads would distort.

    Raises:
        InputError: They were not.
    """
    table = pq.read_table(path, columns=["sample", "mode"])
    found = {(str(r["sample"]), str(r["mode"])) for r in table.to_pylist()} - {("random", "blind")}
    if found:
        words = sorted({w for pair in found for w in pair} - {"random", "blind"})
        reasons = " and ".join(_REASONS.get(w, f"its ads are of the kind {w!r:.80}") for w in words)
        raise InputError(
            f"{path} cannot {purpose}: {reasons}. Expected a random sample that was coded blind. Begin such a review "
            "in the workbench; this one can be learnt from: embedcode build --gold."
        )


def _drawing(path: Path) -> Drawing:
    table = pq.read_table(path, columns=["row", *_DESIGN])
    designs = {tuple(r[n] for n in _DESIGN) for r in table.to_pylist()}
    if len(designs) != 1 or None in {*table["row"].to_pylist(), *next(iter(designs))}:
        raise InputError(
            f"{path} holds ads of {len(designs)} samples; expected those of one, as the workbench keeps them. Give one "
            "review."
        )
    seed, size, population = designs.pop()
    return Drawing(tuple(table["row"].to_pylist()), seed, size, population)


def draw(able: NDArray[np.bool_], seed: int, size: int) -> NDArray[np.int64]:
    """Draw a random sample, the beginning of a shuffle of all ads: a larger one with the same seed goes on with it.

    Args:
        able: Which ads may be drawn, shape (n_ads,).
        seed: Decides the sample.
        size: How many to draw, all that may be where there are fewer.

    Returns:
        Their numbers in the order drawn, shape (n_drawn,).
    """
    order = np.random.default_rng(seed).permutation(len(able))
    return np.asarray(order[able[order]][:size], dtype=np.int64)


def check_drawing(sample: Sample, able: NDArray[np.bool_]) -> None:
    """Check that the ads of a review are the first of the sample that its seed draws from a corpus.

    The ads of a sample are coded in the order in which they were drawn, so those of a review that is not finished
    are a smaller random sample, unless some were passed over.

    Args:
        sample: The review; a sample without a drawing passes.
        able: Whether each ad of the corpus got a profile, shape (n_ads,).

    Raises:
        InputError: They are ads of another corpus, or some were passed over.
    """
    drawing = sample.drawing
    if drawing is None:
        return
    if drawing.population != len(able):
        raise InputError(
            f"{sample.path} was drawn from a corpus of {drawing.population:,} ads, but this one has {len(able):,}. "
            "Expected a sample of these very ads. Give those that it was drawn from, or begin a review of these."
        )
    drawn = draw(able, drawing.seed, drawing.size)
    is_coded = np.isin(drawn, drawing.rows)
    if is_coded.sum() != len(drawing.rows):
        raise InputError(
            f"{sample.path} holds {len(drawing.rows) - int(is_coded.sum())} ads that its seed does not draw from this "
            "corpus: it was drawn from another one, or other ads could be coded then. Begin a review of these ads."
        )
    if passed := int((~is_coded[: len(drawing.rows)]).sum()):
        raise InputError(
            f"In {sample.path}, {passed} ads were passed over while later ones were coded, so what is coded is no "
            "random sample: the hard ones may be missing. Code them; the workbench shows them next."
        )
