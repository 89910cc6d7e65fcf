"""Codes ads: texts or Arrow batches in, profiles with their evidence out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embedcode.analysis import FIELDS, Layout, Reader, Scorer, embed, evidence, feature_space, untitled
from embedcode.bundle import Bundle
from embedcode.coded import EVIDENCE, CodedAd, coded_ads, coded_schema
from embedcode.codes import Floats
from embedcode.embedder import StaticEmbedder
from embedcode.errors import InputError, OverlongAdError
from embedcode.language import FunctionWords, detect
from embedcode.memo import Memo
from embedcode.neighbours import AnchorIndex
from embedcode.stopwatch import Stopwatch
from embedcode.terms import facet_counts
from embedcode.types import KEPT, NO_TEXT, Embedder

CHUNK_ADS = 256
CHUNK_CHARACTERS = 1_000_000
"""Ads are coded in chunks of at most so many ads and about so many characters, which bounds memory."""

REMEMBERED = 1 << 16
"""Segments whose words, terms and similarities are remembered for when they come again, at about 600 bytes each."""

DIGITS = 4
"""Decimals of scores, similarities and probabilities in the output."""

LONE_SURROGATE = "the text holds a lone surrogate, half of a character; save it as UTF-8 again"

Flat = NDArray[np.int64]


@dataclass(frozen=True)
class Analysis:
    """Everything known of a chunk of ads.

    Attributes:
        layout: Segments and tools.
        vectors: Of the segments, shape (n_segments, dimension).
        probabilities: Of each code for each segment, shape (n_segments, n_codes).
        features: Shape (n_ads, n_features).
        profiles: Probability of each profile, shape (n_ads, n_profiles).
        languages: ISO 639-1 code of each ad.
    """

    layout: Layout
    vectors: NDArray[np.int8]
    probabilities: Floats
    features: Floats
    profiles: Floats
    languages: list[str]


class Coder:
    """Codes ads by a bundle.

    Attributes:
        clock: What the stages have taken so far.
        memo: What is remembered of segments.
    """

    def __init__(
        self,
        bundle: Bundle,
        embedder: Embedder | None = None,
        *,
        min_confidence: float = 0.0,
        remember: int = REMEMBERED,
    ) -> None:
        """Make a coder.

        Args:
            bundle: The bundle.
            embedder: The embedder that the bundle was built with; None takes the one in the bundle.
            min_confidence: Ads coded with less confidence get no profile, and an error that says so; their evidence
                and probabilities stay.
            remember: Segments to remember, for speed; the results are the same.
        """
        self.min_confidence = min_confidence
        self.bundle = bundle
        embedder = embedder or bundle.static
        if embedder is None:
            raise ValueError("the bundle holds no embedder; give the one that it was built with")
        self.embedder: Embedder = embedder
        self.scorer = Scorer(bundle.book.anchors, bundle.anchor_vectors)
        self.space = feature_space(bundle.book, self.scorer)
        self.index = AnchorIndex(bundle.anchor_vectors)
        self.reader = Reader(bundle.book)
        self.memo = Memo(self._read, remember)
        self.clock = Stopwatch()
        self._function_words = FunctionWords()
        self._phrases = pa.array([a.phrase for a in bundle.book.anchors], pa.string())
        self._ids = pa.array([a.id for a in bundle.book.anchors], pa.string())
        self._codes = [c.code for c in bundle.book.codes]
        tools = bundle.book.tools
        self._tools = pa.array([t.name for t in tools], pa.string())
        self._precision = np.array([bundle.tool_precision.get(t.match, 1.0) for t in tools], dtype=np.float64)
        self._strengths = [self.space.names.index(self._strength_name(c)) for c in self._codes]
        rows = {
            c: np.array([i for i, a in enumerate(bundle.book.anchors) if a.code == c]) for c in self.scorer.pools.codes
        }
        self._by_code = [(r, AnchorIndex(bundle.anchor_vectors[r])) for r in rows.values()]

    def _strength_name(self, code: str) -> str:
        return f"{code}.tools" if code.startswith("TECH") else f"{code}.best"

    def classify(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> list[CodedAd]:
        """Code texts.

        Args:
            texts: The ads.
            titles: Their titles, where they stand apart from the texts.

        Returns:
            One result per text, in order; its `id` is the text's number.
        """
        if isinstance(texts, str):
            raise TypeError("found one string, expected a sequence of texts: classify([text])")
        lone = [t is not None and not _is_unicode(t) for t in texts]
        columns: dict[str, Any] = {
            "id": [str(i) for i in range(len(texts))],
            "text": [None if bad else t for t, bad in zip(texts, lone, strict=True)],
            "error": [LONE_SURROGATE if bad else None for bad in lone],
        }
        if titles is not None:
            columns["title"] = [t if t is None or _is_unicode(t) else None for t in titles]
        batch = pa.record_batch([pa.array(v, pa.string()) for v in columns.values()], names=list(columns))
        return coded_ads(self.classify_batch(batch))

    def classify_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Code a record batch.

        Args:
            batch: Needs the column `text`; `id`, `title` and `error` (why a row cannot be coded) are used where
                present, and columns whose names begin with `keep:` are passed on without that prefix.

        Returns:
            One row per row, in order, with the columns of `coded.coded_schema`.

        Raises:
            InputError: There is no column `text`.
        """
        names = batch.schema.names
        if "text" not in names:
            raise InputError(f"Found the columns {', '.join(names)}; expected one named 'text'. Rename yours.")
        kept = [f.with_name(f.name.removeprefix(KEPT)) for f in batch.schema if f.name.startswith(KEPT)]
        schema = coded_schema([p.name for p in self.bundle.book.profiles], self._codes, kept)
        self.clock.start()
        parts = [self._code(batch.slice(first, last - first), schema) for first, last in chunks(batch)]
        table = pa.Table.from_batches(parts, schema).combine_chunks()
        return table.to_batches()[0] if len(batch) else pa.RecordBatch.from_pylist([], schema)

    def analyse(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Analysis:
        """Find everything there is to know about a chunk of ads.

        Raises:
            OverlongAdError: As `Reader.lay_out`.
        """
        bundle, clock = self.bundle, self.clock
        layout = self.reader.lay_out(texts, titles, clock)
        if not isinstance(self.embedder, StaticEmbedder):
            # The last bits of a transformer's vectors depend on what they are computed with.
            self.memo.forget()
        vectors, sums, counts, function_words = self.memo(layout.texts)
        sums = sums.astype(np.float64)
        clock.lap("looking up segments")
        scores = bundle.codes.scores(self.scorer.pools.strengths(sums))
        probabilities = untitled(bundle.codes.probabilities(scores, layout.ad), layout.title)
        clock.lap("codes")
        named = {(ad, tool) for ad, _, _, _, tool in layout.mentions}
        found = evidence(bundle.book, layout, named, self.scorer.with_facets(probabilities, sums), counts)
        features = self.space.compute(found)
        clock.lap("features")
        profiles = bundle.head.probabilities(features)
        clock.lap("head")
        starts = np.searchsorted(layout.ad, np.arange(len(texts) + 1))
        so_far = np.cumsum(np.concatenate([np.zeros((1, function_words.shape[1])), function_words]), axis=0)
        languages = detect(texts, so_far[starts[1:]] - so_far[starts[:-1]])
        clock.lap("language")
        return Analysis(layout, vectors, probabilities, features, profiles, languages)

    def _read(self, segments: Sequence[str]) -> tuple[NDArray[Any], ...]:
        """What segments tell by themselves: vectors, sums of the pools, counts of facets, function words."""
        book, clock = self.bundle.book, self.clock
        clock.lap("looking up segments")
        reading = self.reader.read(segments, clock)
        counts = facet_counts(reading.hits, len(segments), book.terms, book.facets)
        clock.lap("terms")
        function_words = self._function_words.count(reading.splitter, reading.words)
        clock.lap("language")
        vectors = embed(self.embedder, reading)
        clock.lap("embedding")
        sums = self.scorer.pools.sums(vectors)
        clock.lap("similarities")
        return vectors, sums, counts, function_words

    def _code(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        names = batch.schema.names
        texts = batch.column("text").cast(pa.string()).to_pylist()
        titles = batch.column("title").cast(pa.string()).to_pylist() if "title" in names else None
        errors = batch.column("error").to_pylist() if "error" in names else [None] * len(batch)
        self.clock.lap("input")
        errors = [e or (None if t and not t.isspace() else NO_TEXT) for e, t in zip(errors, texts, strict=True)]
        ids = batch.column("id").cast(pa.string()) if "id" in names else pa.nulls(len(batch), pa.string())
        analysis = None
        while analysis is None:
            good = [i for i, e in enumerate(errors) if e is None]
            chosen = [texts[i] for i in good]
            chosen_titles = [titles[i] for i in good] if titles else None
            try:
                analysis = self.analyse(chosen, chosen_titles)
            except OverlongAdError as error:  # rare; the others of the chunk are done again
                errors[good[error.ad]] = str(error)
        bad = np.array([e is not None for e in errors], dtype=np.bool_)
        spread = pa.array(np.cumsum(~bad) - 1, pa.int64(), mask=bad)
        columns = {n: c.take(spread) for n, c in self._columns(analysis, chosen, chosen_titles).items()}
        columns["codes"] = pc.fill_null(columns["codes"], pa.scalar([], pa.list_(EVIDENCE)))
        columns["n_segments"] = pc.fill_null(columns["n_segments"], 0)
        columns["id"] = ids
        columns["duplicate_of"] = pa.nulls(len(batch), pa.string())
        columns["error"] = pa.array(errors, pa.string())
        if self.min_confidence > 0:
            unsure = pc.fill_null(pc.less(columns["confidence"], pa.scalar(self.min_confidence, pa.float32())), False)
            reason = f"the confidence is below the minimum of {self.min_confidence:g}"
            columns["profile"] = pc.if_else(unsure, pa.scalar(None, pa.string()), columns["profile"])
            columns["error"] = pc.if_else(unsure, reason, columns["error"])
        for name in names:
            if name.startswith(KEPT):
                columns[name.removeprefix(KEPT)] = batch.column(name)
        coded = pa.record_batch([columns[f.name].cast(f.type) for f in schema], schema=schema)
        self.clock.lap("evidence")
        return coded

    def _columns(
        self, found: Analysis, texts: Sequence[str], titles: Sequence[str | None] | None
    ) -> dict[str, pa.Array]:
        """The output columns of coded ads."""
        profiles = self.bundle.head.profiles
        best = found.profiles.argmax(axis=1) if len(texts) else np.zeros(0, dtype=np.int64)
        strengths = found.features[:, self._strengths]
        return {
            "profile": pa.array(profiles, pa.string()).take(pa.array(best)),
            "confidence": _rounded(found.profiles[np.arange(len(best)), best]),
            "probabilities": _struct(profiles, [_rounded(c) for c in found.profiles.T], len(texts)),
            "language": pa.array(found.languages, pa.string()),
            "n_segments": pa.array(np.bincount(found.layout.ad, minlength=len(texts)), pa.int32()),
            "codes": self._evidence(found, texts, titles),
            "strengths": _struct(self._codes, [_rounded(c) for c in strengths.T], len(texts)),
        }

    def _evidence(self, found: Analysis, texts: Sequence[str], titles: Sequence[str | None] | None) -> pa.ListArray:
        """The evidence of each ad, in text order."""
        layout, columns = found.layout, self.scorer.pools.codes
        segment, column = np.nonzero(self.bundle.codes.given(found.probabilities))
        self.clock.lap("evidence")
        anchor, similarity = self.nearest(found.vectors, segment, column)
        self.clock.lap("neighbours")
        order = np.array([self._codes.index(c) for c in columns], dtype=np.int64)
        tools = first_mentions(layout, self.bundle)
        t = np.array(tools, dtype=np.int64).reshape(-1, 6)
        none = np.full(len(t), -1, dtype=np.int64)
        ad = np.concatenate([layout.ad[segment], t[:, 0]])
        field = np.concatenate([layout.field[segment], t[:, 1]])
        start = np.concatenate([layout.start[segment], t[:, 2]])
        end = np.concatenate([layout.end[segment], t[:, 3]])
        code = np.concatenate([order[column], t[:, 5]])
        anchor = np.concatenate([anchor, none])
        tool = np.concatenate([np.full(len(segment), -1), t[:, 4]])
        similarity = np.concatenate([similarity, np.full(len(t), np.nan)])
        score = np.concatenate([found.probabilities[segment, column], self._precision[t[:, 4]]])
        sort = np.lexsort((tool, code, end, start, field, ad))
        ad, field, start, end, code, anchor, tool = (x[sort] for x in (ad, field, start, end, code, anchor, tool))
        given = titles or [None] * len(texts)
        sources = [(given[a] or "") if f == 0 else texts[a] for a, f in zip(ad.tolist(), field.tolist(), strict=True)]
        slices = [s[b:e] for s, b, e in zip(sources, start.tolist(), end.tolist(), strict=True)]
        no_anchor, no_tool = anchor < 0, tool < 0
        rows = pa.StructArray.from_arrays(
            [
                pa.array(self._codes, pa.string()).take(pa.array(code)),
                pa.array(start, pa.int32()),
                pa.array(end, pa.int32()),
                pa.array(FIELDS, pa.string()).take(pa.array(field)),
                pa.array(slices, pa.string()),
                _rounded(score[sort]),
                self._phrases.take(pa.array(anchor, mask=no_anchor)),
                self._ids.take(pa.array(anchor, mask=no_anchor)),
                _rounded(similarity[sort], no_anchor),
                self._tools.take(pa.array(tool, mask=no_tool)),
            ],
            fields=list(EVIDENCE),
        )
        offsets = np.searchsorted(ad, np.arange(len(texts) + 1))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), rows)

    def nearest(self, vectors: NDArray[np.int8], segment: Flat, column: Flat) -> tuple[Flat, Floats]:
        """The nearest anchor of a code to a segment.

        Args:
            vectors: Of the segments.
            segment, column: Segments and codes, shape (n,).

        Returns:
            Anchors (-1 for a segment without a known word) and cosines, shape (n,).
        """
        anchor, cosine = np.full(len(segment), -1), np.full(len(segment), np.nan)
        for number, (rows, index) in enumerate(self._by_code):
            mine = np.flatnonzero(column == number)
            if len(mine):
                found = index.search(vectors[segment[mine]], 1)
                hit = found.anchor[:, 0] >= 0
                anchor[mine[hit]] = rows[found.anchor[hit, 0]]
                cosine[mine[hit]] = found.similarity[hit, 0]
        return anchor, cosine


def first_mentions(layout: Layout, bundle: Bundle) -> list[tuple[int, int, int, int, int, int]]:
    """The first mention of each tool in each ad that the coding book has a class for.

    Returns:
        Ad, field, start, end, tool and the index of the tool's code in the coding book.
    """
    number = {c.code: i for i, c in enumerate(bundle.book.codes)}
    seen: set[tuple[int, int]] = set()
    out = []
    for ad, field, start, end, tool in layout.mentions:
        code = number.get(bundle.book.tools[tool].code)
        if code is not None and (ad, tool) not in seen:
            seen.add((ad, tool))
            out.append((ad, field, start, end, tool, code))
    return out


def chunks(batch: pa.RecordBatch) -> Iterator[tuple[int, int]]:
    """First and last rows of the chunks that a batch is coded in."""
    size = pc.fill_null(pc.binary_length(batch.column("text").cast(pa.string())), 0).to_pylist()
    first, characters = 0, 0
    for row, length in enumerate(size):
        if row > first and (row - first >= CHUNK_ADS or characters + length > CHUNK_CHARACTERS):
            yield first, row
            first, characters = row, 0
        characters += length
    if first < len(size):
        yield first, len(size)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rounded(values: Floats, null: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(np.round(values, DIGITS).astype(np.float32), pa.float32(), mask=null)


def _struct(names: Sequence[str], columns: Sequence[pa.Array], length: int) -> pa.StructArray:
    if not columns:
        return pa.nulls(length, pa.struct([(n, pa.float32()) for n in names]))
    return pa.StructArray.from_arrays(list(columns), names=list(names))
