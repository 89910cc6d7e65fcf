"""Reviews: a sample of a corpus that a person codes or checks, one ad at a time, kept as labelled ads.

How the sample was drawn, and whether the machine's codes were seen, is kept beside each ad: agreement may be
measured on random samples that were coded blind, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embedcode import sample
from embedcode.corpus import Corpus, Filter
from embedcode.errors import InputError, OutputError
from embedcode.folder import locked, write_whole

SAMPLES = ("random", "unsure")
"""Drawn at random, or those that the machine is least sure of."""

MODES = ("blind", "checking")
"""Coded before the machine's codes are seen, or beginning with them."""

MAX_SIZE = 10_000

_SPAN = [("start", pa.int32()), ("end", pa.int32())]
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("row", pa.int64()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("profile", pa.string()),
        ("confidence", pa.float32()),
        ("segments", pa.list_(pa.struct(_SPAN))),
        ("codes", pa.list_(pa.struct([*_SPAN, ("code", pa.string())]))),
        ("tech", pa.list_(pa.struct([("name", pa.string()), ("code", pa.string())]))),
        ("lang", pa.string()),
        ("coders", pa.int32()),
        ("reviewer", pa.string()),
        ("sample", pa.string()),
        ("mode", pa.string()),
        ("seed", pa.int64()),
        ("size", pa.int64()),
        ("population", pa.int64()),
    ]
)
"""Labelled ads as `gold.read_gold` takes them, and how they came to be chosen and coded."""

_NAME = re.compile(r"[\w-]{1,40}")


@dataclass(frozen=True)
class Design:
    """How a sample is drawn and coded.

    Attributes:
        reviewer: Who codes: letters, digits, `_` and `-`, since it names a file.
        sample: One of `SAMPLES`.
        mode: One of `MODES`.
        size: Ads in the sample, all where the corpus has fewer.
        seed: Decides a random sample.
    """

    reviewer: str
    sample: str = SAMPLES[0]
    mode: str = MODES[0]
    size: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for what, found, expected in (("sample", self.sample, SAMPLES), ("mode", self.mode, MODES)):
            if found not in expected:
                raise InputError(f"Found the {what} {found!r:.80}; expected {' or '.join(expected)}.")
        if not _NAME.fullmatch(self.reviewer):
            raise InputError(
                f"Found the reviewer {self.reviewer!r:.80}; expected a name of letters, digits, _ and -. Choose one."
            )
        if not 1 <= self.size <= MAX_SIZE or not 0 <= self.seed < 2**31:
            raise InputError(
                f"Found a sample of {self.size} with seed {self.seed}; expected 1 to {MAX_SIZE:,} ads and a seed from "
                "0 to 2,147,483,647."
            )

    @property
    def key(self) -> str:
        """Names the review, as a file and in addresses."""
        return f"{self.reviewer}.{self.sample}.{self.mode}.{self.size}.{self.seed}"

    @classmethod
    def from_key(cls, key: str) -> Design:
        """The design that a key names.

        Raises:
            InputError: It names none.
        """
        parts = key.split(".")
        if len(parts) != 5 or not all(p.isascii() and p.isdigit() and len(p) < 12 for p in parts[3:]):
            raise InputError(f"There is no review {key!r:.80}. Begin one.")
        return cls(parts[0], parts[1], parts[2], int(parts[3]), int(parts[4]))


@dataclass(frozen=True)
class ReviewedAd:
    """What a person found in an ad.

    Attributes:
        row: Its number in the corpus.
        confidence: From 1 (coin-flip) to 3 (clear).
        segments: The segments that were shown, as code points in the text, end exclusive.
        codes: Codes given to segments: start, end, code.
        tools: Tools found, with their codes.
    """

    row: int
    profile: str
    confidence: float
    segments: tuple[tuple[int, int], ...]
    codes: tuple[tuple[int, int, str], ...]
    tools: tuple[tuple[str, str], ...]


class Review:
    """A sample and what has been found in it so far; each ad is on disk as soon as it is saved.

    Attributes:
        rows: The sampled ads, in the order in which they are shown.
        done: What was found, by row.
        file: Where it is kept.
    """

    def __init__(self, folder: Path, corpus: Corpus, design: Design) -> None:
        """Begin a review, or go on with it.

        Args:
            folder: Where reviews are kept.
            corpus: What is sampled.
            design: How.

        Raises:
            InputError: The file of the review is damaged, or of another corpus.
        """
        self.design = design
        self.file = folder / f"{design.key}.parquet"
        self._corpus = corpus
        self.rows = draw(corpus, design)
        self.done: dict[int, ReviewedAd] = self._read() if self.file.exists() else {}

    @property
    def next(self) -> int | None:
        """The first ad of the sample that is not coded yet."""
        return next((r for r in self.rows if r not in self.done), None)

    def save(self, ad: ReviewedAd) -> None:
        """Keep what was found in an ad, in place of what was found before.

        Raises:
            InputError: The ad is none of the sample.
            OutputError: The file cannot be written; nothing is lost of what it held.
        """
        if ad.row not in self.rows:
            raise InputError(f"Ad {ad.row} is not in the sample. Expected one of its {len(self.rows)} ads.")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.file.parent):
                before = self._read() if self.file.exists() else {}  # somebody may have saved since
                done = {**before, ad.row: ad}
                table = pa.Table.from_pylist([self._record(done[r]) for r in self.rows if r in done], SCHEMA)
                sink = pa.BufferOutputStream()
                pq.write_table(table, sink, compression="zstd")
                write_whole(self.file, sink.getvalue())
        except OSError as error:
            why = error.strerror or error
            raise OutputError(f"Cannot write {self.file}: {why}. Make room, then save again.") from error
        self.done = done

    def _record(self, ad: ReviewedAd) -> dict[str, object]:
        document = self._corpus.document(ad.row)
        design = self.design
        return {
            "id": self._corpus.ads["id"][ad.row].as_py(),
            "row": ad.row,
            "title": document.title,
            "text": document.text,
            "profile": ad.profile,
            "confidence": ad.confidence,
            "segments": [{"start": a, "end": b} for a, b in ad.segments],
            "codes": [{"start": a, "end": b, "code": c} for a, b, c in ad.codes],
            "tech": [{"name": n, "code": c} for n, c in ad.tools],
            "lang": self._corpus.ads["language"][ad.row].as_py(),
            "coders": 1,
            "reviewer": design.reviewer,
            "sample": design.sample,
            "mode": design.mode,
            "seed": design.seed,
            "size": design.size,
            "population": len(self._corpus),
        }

    def _read(self) -> dict[int, ReviewedAd]:
        try:
            records = pq.read_table(self.file).cast(SCHEMA).to_pylist()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise InputError(f"{self.file} cannot be read ({error}); expected a review. Move it away.") from error
        done = {}
        for r in records:
            row = r["row"]
            if row not in self.rows or self._corpus.ads["id"][row].as_py() != r["id"]:
                raise InputError(
                    f"{self.file} is the review of another corpus (ad {r['id']!r:.80}). Expected one of "
                    f"{self._corpus.folder}; take another name for the reviewer, or move the file away."
                )
            done[row] = ReviewedAd(
                row=row,
                profile=r["profile"],
                confidence=r["confidence"],
                segments=tuple((s["start"], s["end"]) for s in r["segments"]),
                codes=tuple((c["start"], c["end"], c["code"]) for c in r["codes"]),
                tools=tuple((t["name"], t["code"]) for t in r["tech"]),
            )
        return done


def draw(corpus: Corpus, design: Design) -> list[int]:
    """The rows of a sample, in the order in which they are reviewed; ads that could not be coded are left out."""
    able = np.array(corpus.ads["profile"].is_valid().to_pylist(), dtype=np.bool_)
    if design.sample == "unsure":
        unsure = corpus.find(Filter(order="unsure"))
        rows = unsure[able[unsure]][: design.size]
    else:
        rows = sample.draw(able, design.seed, design.size)
    return [int(row) for row in rows]


def reviews(folder: Path) -> Sequence[str]:
    """The keys of the reviews in a folder, by name."""
    found = sorted(path.name.removesuffix(".parquet") for path in folder.glob("*.parquet")) if folder.is_dir() else []
    return [key for key in found if _is_key(key)]


def _is_key(key: str) -> bool:
    try:
        Design.from_key(key)
    except InputError:
        return False
    return True
