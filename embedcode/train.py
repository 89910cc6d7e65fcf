"""Trains the static word embedder: start vectors from a sentence-transformers teacher, then towards the anchors.

1. The vocabulary holds the words seen in at least `MIN_ADS` ads, the words of the anchors, and the teacher's own
   pieces of words, for the words that are in neither.
2. A word starts at the teacher's vector for it (model2vec, https://github.com/MinishLab/model2vec, takes the same
   step), reduced to `DIMENSION` principal components; a Dutch word of the glossary at the mean of the vectors of
   its English gloss.
3. Fine-tuning moves word vectors so that segments land near the anchors of their codes: the log-odds of a code are
   a scaled soft maximum of the cosines to its anchors (which move along, being made of the same words), less a
   multiple of the same for the negative anchors. Codes that only some of the coders gave are left out of the loss.

Needs the extra `embedcode[train]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedcode.codes import SHARPNESS
from embedcode.embedder import FoldTables, StaticEmbedder
from embedcode.errors import ModelError
from embedcode.gold import GoldAd, coded_segments
from embedcode.markup import mask
from embedcode.types import NEGATIVE, Anchor, CodingBook
from embedcode.words import FILLER, WORD, Splitter, find_words

if TYPE_CHECKING:
    import torch

MIN_ADS = 5
"""Words of fewer ads do not enter the vocabulary: they may name a person or a company."""

DIMENSION = 128

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """How the fine-tuning runs."""

    epochs: int = 10
    batch: int = 512
    learning_rate: float = 3e-3
    word_dropout: float = 0.3
    seeds: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Coded:
    """Coded segments to train on.

    Attributes:
        texts: The segments.
        codes: The codes, in order.
        labels: Codes given, shape (n_segments, n_codes).
        known: False where the coders disagree, same shape.
    """

    texts: Sequence[str]
    codes: tuple[str, ...]
    labels: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> Coded:
        """The chosen segments."""
        texts = [t for t, c in zip(self.texts, chosen, strict=True) if c]
        return Coded(texts, self.codes, self.labels[chosen], self.known[chosen])


def vocabulary(ads: Iterable[str], always: Iterable[str], teacher: Iterable[str]) -> list[str]:
    """The words that get a vector, most frequent first.

    Args:
        ads: Texts of ads.
        always: Texts whose words are in, however rare (anchors, glosses, names of tools).
        teacher: Pieces of words that the teacher knows.
    """
    count: Counter[str] = Counter()
    for text in ads:
        count.update(set(find_words(text)))
    wanted = {w for w, n in count.items() if n >= MIN_ADS}
    wanted.update(w for text in always for w in find_words(text))
    pieces = sorted({p for t in teacher for p in WORD.findall(t)} | set(".'+#"))
    return [*sorted(wanted, key=lambda w: (-count[w], w)), *(p for p in pieces if p not in wanted)]


def start_vectors(words: Sequence[str], encode: Callable[[Sequence[str]], Floats], glossary: dict[str, str]) -> Floats:
    """Vectors before fine-tuning, shape (len(words), DIMENSION).

    Args:
        words: The vocabulary.
        encode: The teacher: texts to vectors.
        glossary: Dutch words and their English glosses.
    """
    vectors = encode(words).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    row = {w: i for i, w in enumerate(words)}
    for dutch, gloss in glossary.items():
        known = [row[w] for w in find_words(gloss) if w in row]
        if known and dutch in row:
            vectors[row[dutch]] = vectors[known].mean(axis=0)
    vectors -= vectors.mean(axis=0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    axes = axes[:, ::-1][:, :DIMENSION]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    reduced: NDArray[np.float64] = vectors @ axes
    reduced /= np.sqrt((reduced**2).sum(axis=1).mean())
    return reduced.astype(np.float32)


def fine_tune(
    words: Sequence[str], start: Floats, coded: Coded, anchors: Sequence[Anchor], settings: Settings = Settings()
) -> Floats:
    """Move word vectors so that segments land near the anchors of their codes.

    Args:
        words: The vocabulary.
        start: Their vectors, shape (len(words), dimension).
        coded: The segments.
        anchors: The anchors, negative ones among them.
        settings: How long and how fast.

    Returns:
        The mean of the tables of all seeds, shape (len(words), dimension). Words found neither in the segments
        nor in the anchors stay where they were.
    """
    rows = _Rows(words)
    segment_rows, anchor_rows = rows(coded.texts), rows([a.phrase for a in anchors])
    used = np.unique([r for rs in (*segment_rows, *anchor_rows) for r in rs])
    local = {int(r): i for i, r in enumerate(used)}
    segments = [np.array([local[r] for r in rs], dtype=np.int64) for rs in segment_rows]
    phrases = [np.array([local[r] for r in rs], dtype=np.int64) for rs in anchor_rows]
    pool = np.array([len(coded.codes) if a.code == NEGATIVE else coded.codes.index(a.code) for a in anchors])
    tables = [_fit(start[used], segments, phrases, pool, coded, settings, seed) for seed in settings.seeds]
    table = start.copy()
    table[used] = np.mean(tables, axis=0)
    return table


class _Rows:
    """Texts to rows of the vocabulary."""

    def __init__(self, words: Sequence[str]) -> None:
        self._embedder = StaticEmbedder(words, np.zeros((len(words), 1), dtype=np.int8))
        self._memo: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        splitter = Splitter()
        split = splitter.split(texts)
        known = [self._embedder.rows_of(w) for w in splitter.words]
        bounds = zip(split.starts[:-1], split.starts[1:], strict=True)
        return [[r for t in split.tokens[a:b] for r in known[t]] for a, b in bounds]


def _fit(
    start: Floats,
    segments: list[NDArray[np.int64]],
    phrases: list[NDArray[np.int64]],
    pool: NDArray[np.int64],
    coded: Coded,
    settings: Settings,
    seed: int,
) -> Floats:
    """One run of Adam; returns the table averaged over the second half of the steps."""
    torch = _torch()
    from torch.nn.functional import binary_cross_entropy_with_logits

    random = np.random.default_rng(seed)
    n_codes = len(coded.codes)
    table = torch.nn.Parameter(torch.tensor(start))
    scale = torch.nn.Parameter(torch.full((n_codes,), 10.0))
    bias = torch.nn.Parameter(torch.full((n_codes,), -8.0))
    against = torch.nn.Parameter(torch.full((n_codes,), 0.3))
    groups = [
        {"params": [table], "lr": settings.learning_rate, "first": settings.learning_rate},
        {"params": [scale, bias, against], "lr": 0.03, "first": 0.03},
    ]
    optimiser = torch.optim.Adam(groups)
    labels = torch.tensor(coded.labels, dtype=torch.float32)
    known = torch.tensor(coded.known, dtype=torch.float32)
    of_pool = torch.tensor(pool)
    sizes = torch.bincount(of_pool, minlength=n_codes + 1).clamp(min=1)
    steps = settings.epochs * -(-len(segments) // settings.batch)
    average, averaged, step = np.zeros_like(start), 0, 0
    for _ in range(settings.epochs):
        order = random.permutation(len(segments))
        for first in range(0, len(order), settings.batch):
            chosen = order[first : first + settings.batch]
            vectors = _bag(table, [segments[i] for i in chosen], random, settings.word_dropout)
            cosines = vectors @ _bag(table, phrases, random, 0.0).T
            pooled = torch.zeros(len(chosen), n_codes + 1)
            pooled = pooled.index_add(1, of_pool, torch.exp(SHARPNESS * (cosines - 1))) / sizes
            strength = torch.log(pooled + 1e-9) / SHARPNESS + 1
            odds = scale * (strength[:, :-1] - against * strength[:, -1:]) + bias
            loss = binary_cross_entropy_with_logits(odds, labels[chosen], reduction="none")
            loss = (loss * known[chosen]).sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            for group in optimiser.param_groups:
                group["lr"] = group["first"] * (1 - 0.9 * step / steps)
            if 2 * step >= steps:
                averaged += 1
                average += (table.detach().numpy() - average) / averaged
    return average


def _bag(
    table: torch.Tensor, texts: Sequence[NDArray[np.int64]], random: np.random.Generator, dropout: float
) -> torch.Tensor:
    """Normalised sums of word vectors, each word left out with the given probability."""
    torch = _torch()
    from torch.nn.functional import embedding_bag, normalize

    lengths = np.array([len(t) for t in texts])
    flat = np.concatenate([*texts, np.zeros(0, dtype=np.int64)])
    keep = torch.tensor(random.random(len(flat)) >= dropout, dtype=torch.float32)
    starts = torch.tensor(np.cumsum(lengths) - lengths)
    sums = embedding_bag(torch.tensor(flat), table, starts, mode="sum", per_sample_weights=keep)
    return normalize(sums, dim=1, eps=1e-6)


def to_int8(table: Floats, like: Floats | None = None) -> NDArray[np.int8]:
    """Word vectors as int8, all on one scale; the largest ten-thousandth of components is clipped.

    Args:
        table: The vectors.
        like: Take the scale of this table instead.
    """
    reference = np.abs(table if like is None else like)
    scale = 127 / float(np.quantile(reference, 0.9999))
    scaled: Floats = np.clip(np.rint(table * scale), -127, 127)
    return scaled.astype(np.int8)


class Teacher:
    """A sentence-transformers model that remembers the vectors of the words it was asked for."""

    def __init__(self, name: str) -> None:
        """Load the model.

        Args:
            name: Folder of the model, or the name of one that a package carries.

        Raises:
            ModelError: The extra is not installed, or the model is not on this machine.
        """
        _torch()
        from embedcode.transformer import TransformerEmbedder

        self._model = TransformerEmbedder.load(name)
        self._vectors: dict[str, Floats] = {}

    @property
    def pieces(self) -> list[str]:
        """The pieces of words in Latin letters that the model's tokeniser knows."""
        pieces = (p.removeprefix("##") for p in self._model.vocabulary() if not p.startswith("["))
        return [p for p in pieces if p and WORD.fullmatch(p) and all(c < "\u0250" for c in p)]

    def encode(self, words: Sequence[str]) -> Floats:
        """Vectors of words, shape (len(words), dimension)."""
        fresh = [w for w in words if w not in self._vectors]
        self._vectors.update(zip(fresh, self._model.embed(fresh), strict=True))
        return np.stack([self._vectors[w] for w in words])


def train(
    book: CodingBook,
    glossary: dict[str, str],
    ads: Sequence[GoldAd],
    folds: NDArray[np.int64],
    texts: Sequence[str],
    teacher: Teacher,
    settings: Settings = Settings(),
    say: Callable[[str], None] = lambda _: None,
) -> tuple[StaticEmbedder, FoldTables]:
    """Train the static embedder, whole and without each fold of the labelled ads.

    Args:
        book: The coding book.
        glossary: Dutch words and their English glosses.
        ads: The labelled ads.
        folds: Fold of each, shape (len(ads),).
        texts: Uncoded ads; with the labelled ones they give the vocabulary.
        teacher: Where word vectors start.
        settings: How the fine-tuning runs.
        say: Called with what is being done.
    """
    names = [n for t in book.tools for n, _ in t.spellings]
    always = [*(a.phrase for a in book.anchors), *(t.term.rstrip("*") for t in book.terms), *names]
    always += [*glossary, *glossary.values()]
    words = vocabulary([*texts, *(a.text for a in ads)], always, teacher.pieces)
    say(f"start vectors of {len(words):,} words")
    start = start_vectors(words, teacher.encode, glossary)
    codes = tuple(dict.fromkeys(a.code for a in book.anchors if a.code != NEGATIVE))
    parts = [coded_segments(ad, codes) for ad in ads]
    fold = np.repeat(folds, [len(p[0]) for p in parts])
    segments = [mask(t).replace(FILLER, "") for p in parts for t in p[0]]
    coded = Coded(segments, codes, np.concatenate([p[1] for p in parts]), np.concatenate([p[2] for p in parts]))
    say(f"fine-tuning on {len(segments):,} segments")
    whole = fine_tune(words, start, coded, book.anchors, settings)
    table = to_int8(whole)
    tables = []
    for number in range(int(folds.max()) + 1):
        say(f"fine-tuning without fold {number + 1} of {int(folds.max()) + 1}")
        part = fine_tune(words, start, coded.part(fold != number), book.anchors, settings)
        tables.append(to_int8(part, like=whole))
    stacked = np.stack(tables)
    rows = np.flatnonzero((stacked != table).any(axis=(0, 2))).astype(np.int32)
    return StaticEmbedder(words, table), FoldTables(rows, np.ascontiguousarray(stacked[:, rows]))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ModelError(
            "Training the embedder needs PyTorch, which is not installed. Install the extra: "
            "pip install 'embedcode[train]'."
        ) from error
    return torch
