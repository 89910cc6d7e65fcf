"""Other ways to code the same ads, for the table of `accuracy.py`. All are fitted on the ads of the other folds.

`tfidf`: TF-IDF of one and two words with logistic regression, over ads for the profile and over segments for each
code, whose threshold is fitted by inner folds.

`anchors`: MiniLM with nearest anchors. A segment gets the code of any anchor whose cosine reaches a threshold, one
for all codes. The profile is a logistic regression over the shares of an ad's segments that were given each code,
the kinds of work of `TASK` codes (generative, predictive) apart.

`router`: semantic-router with MiniLM and the anchors as utterances, one route for each code and one for negative
anchors; a segment gets the code of every route that reaches the route's own `confidence_threshold`. The router's
`fit` calibrates confidences but chooses no threshold, and a monotone calibration changes none of the codes, so the
thresholds are fitted to its raw scores. A second router has a route for each kind of work. The profile is a logistic
regression over the shares of segments given each code, and of segments led to each kind of work.

`router-ads`: semantic-router with one route for each profile and the ads of the other folds as utterances, its
confidences calibrated by its own `fit`.

`setfit`: SetFit on MiniLM, for the profile: contrastive fine-tuning on a few ads of each profile, then its head on
all ads of the other folds. Ads are cut off after `SETFIT_TOKENS` pieces of words.

`llm`: what LLM runs said, read from a file: one run is one column. Nothing is fitted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from embedcode.codings import CodedRow, CodedSpan, find_phrase
from embedcode.errors import InputError
from embedcode.gold import GoldAd, grouped_folds, labels_of
from embedcode.markup import FILLER, mask
from embedcode.segments import segment
from embedcode.transformer import TransformerEmbedder, find_folder, weights_hash
from embedcode.types import NEGATIVE, WORK, CodingBook

FITTED = ("tfidf", "anchors", "router", "router-ads", "setfit")
RIVALS = (*FITTED, "llm")
NEEDS = {"router": "semantic_router", "router-ads": "semantic_router", "setfit": "setfit"}
"""Packages that a rival needs; they are in the extra `rivals`."""

WITHOUT_SEGMENTS = ("router-ads", "setfit")
"""Rivals that give a profile only."""

SETFIT_TOKENS = 128
SETFIT_PAIRS = 5
"""Pairs of the same and of another profile that SetFit draws for each ad."""

REST = "rest"
"""The kind of work of anchors that tell none."""

INNER_FOLDS = 3

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = dict[str, CodedRow]


@dataclass(frozen=True)
class Task:
    """What a rival codes, and what it may learn from.

    Attributes:
        ads: All coded ads.
        folds: Fold of each ad, shape (n_ads,).
        spans: Start and end of each segment of each ad.
        texts: The segments of all ads.
        ad: Ad of each segment, ascending, shape (n_segments,).
        codes: The TASK and SKILL codes.
        labels, known: Which code each segment carries and whether that is certain, shape (n_segments, n_codes).
        embed: Unit vectors of texts, shape (n_texts, dimension).
        teacher: Name or folder of the sentence-transformers model.
        shots: Ads of each profile that SetFit is fine-tuned on.
    """

    book: CodingBook
    ads: Sequence[GoldAd]
    folds: NDArray[np.int64]
    spans: Sequence[Sequence[tuple[int, int]]]
    texts: Sequence[str]
    ad: NDArray[np.int64]
    codes: tuple[str, ...]
    labels: Bools
    known: Bools
    embed: Callable[[Sequence[str]], NDArray[np.float32]]
    teacher: str
    shots: int = 8
    seed: int = 0

    @property
    def profiles(self) -> list[str]:
        """Names of the profiles."""
        return [p.name for p in self.book.profiles]


def task_of(
    book: CodingBook,
    ads: Sequence[GoldAd],
    folds: NDArray[np.int64],
    teacher: str,
    *,
    cache: Path | None = None,
    shots: int = 8,
    seed: int = 0,
) -> Task:
    """Cut ads into segments and carry their codes over."""
    anchored = {a.code for a in book.anchors}
    codes = tuple(c.code for c in book.codes if c.group != "TECH" and c.code in anchored)
    spans, texts, labels, known = [], [], [], []
    for ad in ads:
        masked = mask(ad.text)
        found = segment(masked)
        given, sure = labels_of(ad, found, codes)
        spans.append(found)
        texts += [masked[a:b].replace(FILLER, "") for a, b in found]
        labels.append(given)
        known.append(sure)
    number = np.repeat(np.arange(len(ads)), [len(s) for s in spans])
    vectors = Vectors(teacher, cache)
    return Task(
        book, ads, folds, spans, texts, number, codes, np.concatenate(labels), np.concatenate(known),
        vectors.embed, teacher, shots, seed,
    )  # fmt: skip


def missing(rival: str) -> str | None:
    """The package that a rival needs and that is not installed."""
    package = NEEDS.get(rival)
    return package if package and importlib.util.find_spec(package) is None else None


def code_by(rival: str, task: Task) -> Rows:
    """Code all ads by one of `FITTED`, each by what was fitted on the other folds."""
    coder = {
        "tfidf": _tfidf,
        "anchors": _anchors,
        "router": _router,
        "router-ads": _router_ads,
        "setfit": _setfit,
    }[rival]
    return coder(task)


class Vectors:
    """Vectors of texts by a sentence-transformers model, each computed once and kept in a file if one is named."""

    def __init__(self, teacher: str, cache: Path | None) -> None:
        self._teacher = teacher
        self._cache = cache
        self._known: dict[bytes, NDArray[np.float32]] = {}
        self._model: TransformerEmbedder | None = None
        self._weights = np.zeros(0, dtype=np.uint8)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of texts, shape (len(texts), dimension)."""
        if self._model is None:
            self._model = TransformerEmbedder.load(self._teacher)
            self._weights = np.frombuffer(bytes.fromhex(weights_hash(self._teacher)), dtype=np.uint8)
            self._known = self._read(self._model.dimension)
        keys = [hashlib.sha256(t.encode("utf-8", "replace")).digest() for t in texts]
        fresh = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        if fresh:
            self._known.update(zip(fresh, self._model.embed(list(fresh.values())), strict=True))
            self._write()
        return np.stack([self._known[k] for k in keys])

    def _read(self, dimension: int) -> dict[bytes, NDArray[np.float32]]:
        """What the file holds, if it is sound and made by the same weights."""
        if self._cache is None or not self._cache.is_file():
            return {}
        try:
            parts = load_file(self._cache)
            keys, vectors, weights = parts["texts"], parts["vectors"], parts["weights"]
        except (OSError, KeyError, SafetensorError) as error:
            print(f"{self._cache} is no cache of vectors ({error}); it is made anew", flush=True)
            return {}
        sound = (
            keys.dtype == np.uint8
            and vectors.dtype == np.float32
            and keys.shape == (len(vectors), 32)
            and vectors.shape == (len(keys), dimension)
            and len(self._weights) > 0
            and np.array_equal(weights, self._weights)
            and bool((np.abs(np.linalg.norm(vectors, axis=1) - 0.5) < 0.501).all())
        )
        if not sound:
            print(f"{self._cache} holds vectors of another model or none; it is made anew", flush=True)
            return {}
        return {k.tobytes(): v for k, v in zip(keys, vectors, strict=True)}

    def _write(self) -> None:
        if self._cache is None:
            return
        keys = np.frombuffer(b"".join(self._known), dtype=np.uint8).reshape(-1, 32)
        parts: dict[str, NDArray[Any]] = {
            "texts": keys,
            "vectors": np.stack(list(self._known.values())),
            "weights": self._weights,
        }
        temporary = self._cache.with_name(f"{self._cache.name}.{os.getpid()}.tmp")
        save_file(parts, temporary)
        os.replace(temporary, self._cache)


# Shared by the rivals


def _fold_ads(task: Task) -> list[tuple[Bools, Bools]]:
    """For each fold: the ads to learn from, the ads to code; both of shape (n_ads,)."""
    return [(task.folds != fold, task.folds == fold) for fold in range(int(task.folds.max()) + 1)]


def _logistic(train: Any, labels: Sequence[str], weight: Floats, groups: NDArray[np.int64]) -> Any:
    """Multinomial logistic regression, its regularisation chosen by inner folds."""
    from sklearn.linear_model import LogisticRegression

    def score(strength: float) -> float:
        right = 0.0
        for fold in np.unique(groups):
            seen, held = groups != fold, groups == fold
            fit = LogisticRegression(C=strength, max_iter=2000).fit(train[seen], target[seen], weight[seen])
            right += float(weight[held] @ (fit.predict(train[held]) == target[held]))
        return right

    target = np.array(labels)
    best = max((0.1, 1.0, 10.0, 100.0), key=score)
    return LogisticRegression(C=best, max_iter=2000).fit(train, target, weight)


def _inner(task: Task, train: Bools) -> NDArray[np.int64]:
    """Inner folds of the ads to learn from."""
    return grouped_folds([a for a, t in zip(task.ads, train, strict=True) if t], INNER_FOLDS)


def _profile_by_shares(task: Task, shares: Floats, train: Bools, test: Bools) -> tuple[list[str], Floats]:
    """Profiles of the test ads and their probabilities, from named shares per ad."""
    mean, spread = shares[train].mean(axis=0), shares[train].std(axis=0)
    x = (shares - mean) / np.where(spread > 0, spread, 1.0)
    return _profile_by(task, x, train, test)


def _profile_by(task: Task, x: Any, train: Bools, test: Bools) -> tuple[list[str], Floats]:
    learnt = [a for a, t in zip(task.ads, train, strict=True) if t]
    weight = np.array([a.confidence for a in learnt])
    fit = _logistic(x[np.flatnonzero(train)], [a.profile for a in learnt], weight, _inner(task, train))
    probabilities = fit.predict_proba(x[np.flatnonzero(test)])
    return [str(fit.classes_[i]) for i in probabilities.argmax(axis=1)], probabilities.max(axis=1)


def _shares(given: Bools, ad: NDArray[np.int64], n_ads: int) -> Floats:
    """Share of each ad's segments with each column, shape (n_ads, n_columns)."""
    sums = np.zeros((n_ads, given.shape[1]))
    np.add.at(sums, ad, given)
    return sums / np.maximum(np.bincount(ad, minlength=n_ads), 1)[:, None]


def best_threshold(scores: Floats, labels: Bools) -> float:
    """The score from which on a code is given so that F1 is highest."""
    order = np.argsort(-scores, kind="stable")
    s, y = scores[order], labels[order]
    f1 = 2 * np.cumsum(y) / (np.arange(1, len(y) + 1) + max(1, int(y.sum())))
    last = np.flatnonzero(np.append(s[1:] < s[:-1], True))  # equal scores stand or fall together
    best = last[f1[last].argmax()]
    return float((s[best] + s[best + 1]) / 2) if best + 1 < len(s) else float(s[best])


def _rows(
    task: Task,
    test: Bools,
    profiles: Sequence[str],
    confidence: Sequence[float] | Floats,
    given: Bools | None = None,
) -> Rows:
    """Rows of the test ads; `given` is of shape (n_segments, n_codes)."""
    rows = {}
    starts = np.searchsorted(task.ad, np.arange(len(task.ads) + 1))
    for place, i in enumerate(np.flatnonzero(test).tolist()):
        ad = task.ads[i]
        spans = []
        if given is not None:
            for (start, end), codes in zip(task.spans[i], given[starts[i] : starts[i + 1]], strict=True):
                spans += [
                    CodedSpan(task.codes[c], start, end, "text", ad.text[start:end], None)
                    for c in np.flatnonzero(codes)
                ]
        rows[ad.id] = CodedRow(profiles[place], float(np.clip(confidence[place], 0.0, 1.0)), tuple(spans), None)
    return rows


# TF-IDF


def _tfidf(task: Task) -> Rows:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    def table(texts: Sequence[str], train: Bools) -> Any:
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"(?u)\b\w[\w+#]*")
        words.fit([t for t, use in zip(texts, train, strict=True) if use])
        return words.transform(texts)

    def given_by(x: Any, labels: Bools, known: Bools, train: Bools, inner: NDArray[np.int64], code: int) -> Bools:
        use = train & known[:, code]
        y = labels[:, code]
        if not y[use].any():
            return np.zeros(len(y), dtype=np.bool_)
        scores = np.zeros(len(y))
        for fold in range(int(inner.max()) + 1):
            seen, held = use & (inner != fold), use & (inner == fold)
            if y[seen].any():
                fit = LogisticRegression(C=10.0, solver="liblinear").fit(x[seen], y[seen])
                scores[held] = fit.decision_function(x[held])
        threshold = best_threshold(scores[use], y[use])
        fit = LogisticRegression(C=10.0, solver="liblinear").fit(x[use], y[use])
        return np.asarray(fit.decision_function(x) >= threshold)

    rows: Rows = {}
    for train, test in _fold_ads(task):
        whole = table([a.text for a in task.ads], train)
        profiles, confidence = _profile_by(task, whole, train, test)
        inner = np.full(len(task.ads), -1)
        inner[train] = _inner(task, train)
        seen = train[task.ad]
        x = table(task.texts, seen)
        columns = [
            given_by(x, task.labels, task.known, seen, inner[task.ad], c) for c in range(len(task.codes))
        ]  # fmt: skip
        rows |= _rows(task, test, profiles, confidence, np.stack(columns, axis=1))
    return rows


# Nearest anchors


def _anchors(task: Task) -> Rows:
    vectors = task.embed(task.texts)
    anchors = [a for a in task.book.anchors if a.code in task.codes]
    pools = list(dict.fromkeys((a.code, a.facet if a.facet in WORK else REST) for a in anchors))
    of = np.array([pools.index((a.code, a.facet if a.facet in WORK else REST)) for a in anchors])
    cosines = vectors @ task.embed([a.phrase for a in anchors]).T
    nearest = np.stack([cosines[:, of == p].max(axis=1) for p in range(len(pools))], axis=1)
    best = np.stack([nearest[:, [c == code for c, _ in pools]].max(axis=1) for code in task.codes], axis=1)
    rows: Rows = {}
    for train, test in _fold_ads(task):
        threshold = _common_threshold(best, task.labels, task.known & train[task.ad][:, None])
        shares = _shares(nearest >= threshold, task.ad, len(task.ads))
        profiles, confidence = _profile_by_shares(task, shares, train, test)
        rows |= _rows(task, test, profiles, confidence, best >= threshold)
    return rows


def _common_threshold(scores: NDArray[Any], labels: Bools, use: Bools) -> float:
    """The one threshold for all codes with the highest macro-F1."""

    def macro_f1(threshold: float) -> float:
        given = (scores >= threshold) & use
        right, all_given, all_right = ((m & use).sum(axis=0) for m in (given & labels, given, labels))
        return float((2 * right / np.maximum(all_given + all_right, 1)).mean())

    return max([i / 100 for i in range(20, 90)], key=macro_f1)


# semantic-router


def _routing(task: Task, utterances: Mapping[str, Sequence[str]], **options: Any) -> Any:
    """A router with a route for each key, on a local encoder."""
    from semantic_router import IndexedRouter, Route
    from semantic_router.encoders import DenseEncoder

    class Encoder(DenseEncoder):  # type: ignore[misc]
        def __call__(self, docs: list[Any]) -> list[list[float]]:
            return list(task.embed([str(d) for d in docs]))

    thresholds = options.pop("thresholds", {})
    routes = [
        Route(name=n, utterances=list(dict.fromkeys(u)), confidence_threshold=thresholds.get(n))
        for n, u in utterances.items()
    ]
    return IndexedRouter(Encoder(name="local"), routes, **options)


def _confidences(router: Any, texts: Sequence[str], names: Sequence[str]) -> Floats:
    """The confidence that a router has in each route, shape (len(texts), len(names)); 0 for routes below the bar."""
    column = {n: i for i, n in enumerate(names)}
    out = np.zeros((len(texts), len(names)))
    for i, text in enumerate(texts):
        for choice in router(text, limit=None):
            out[i, column[choice.name]] = choice.confidence
    return out


def _router(task: Task) -> Rows:
    task.embed(task.texts)  # all at once, the router asks one by one
    phrases = {c: [a.phrase for a in task.book.anchors if a.code == c] for c in (*task.codes, NEGATIVE)}
    kinds = {k: [a.phrase for a in task.book.anchors if a.facet == k and a.code != NEGATIVE] for k in WORK}
    kinds = {k: v for k, v in kinds.items() if v}
    kinds[REST] = [a.phrase for a in task.book.anchors if a.code == NEGATIVE or a.facet not in kinds]
    names = list(phrases)
    raw = _confidences(_routing(task, phrases), task.texts, names)
    work = _confidences(_routing(task, kinds), task.texts, list(kinds))
    led = work.argmax(axis=1)[:, None] == np.arange(len(kinds))
    rows: Rows = {}
    for train, test in _fold_ads(task):
        thresholds = {}
        for i, code in enumerate(task.codes):
            use = train[task.ad] & task.known[:, i]
            thresholds[code] = best_threshold(raw[use, i], task.labels[use, i])
        given = raw[:, :-1] >= np.array(list(thresholds.values()))
        mine = np.flatnonzero(test[task.ad]).tolist()
        barred = _routing(task, phrases, thresholds=thresholds)
        given[mine] = _confidences(barred, [task.texts[i] for i in mine], names)[:, :-1] > 0
        shares = _shares(np.concatenate([given, led], axis=1), task.ad, len(task.ads))
        profiles, confidence = _profile_by_shares(task, shares, train, test)
        rows |= _rows(task, test, profiles, confidence, given)
    return rows


def _router_ads(task: Task) -> Rows:
    texts = [a.text for a in task.ads]
    task.embed(texts)
    rows: Rows = {}
    for train, test in _fold_ads(task):
        learnt = [a for a, t in zip(task.ads, train, strict=True) if t]
        router = _routing(task, {p: [a.text for a in learnt if a.profile == p] for p in task.profiles})
        # Calibration needs ads that the router has not stored: one inner fold, routed by the others.
        inner = _inner(task, train)
        stored = [a for a, f in zip(learnt, inner, strict=True) if f]
        held = [a for a, f in zip(learnt, inner, strict=True) if not f]
        trial = _routing(task, {p: [a.text for a in stored if a.profile == p] for p in task.profiles})
        with suppress(ValueError):  # all right or all wrong: the confidences stay cosines
            trial.fit([a.text for a in held], [a.profile for a in held])
        router.calibrator = trial.calibrator
        found = [router(texts[i]) for i in np.flatnonzero(test).tolist()]
        rows |= _rows(task, test, [f.name for f in found], [f.confidence for f in found])
    return rows


# SetFit


def _setfit(task: Task) -> Rows:
    from datasets import disable_progress_bars
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression
    from transformers import PrinterCallback, ProgressCallback

    disable_progress_bars()
    logging.getLogger("setfit").setLevel(logging.ERROR)
    texts = [a.text for a in task.ads]
    rows: Rows = {}
    for number, (train, test) in enumerate(_fold_ads(task)):
        rng = np.random.default_rng([task.seed, number])
        learnt = np.flatnonzero(train).tolist()
        few = [
            i
            for p in task.profiles
            for i in rng.permutation([i for i in learnt if task.ads[i].profile == p])[: task.shots].tolist()
        ]
        folder = find_folder(task.teacher)
        body = SentenceTransformer(str(folder or task.teacher), device="cpu", local_files_only=True)
        body.max_seq_length = SETFIT_TOKENS
        model = SetFitModel(body, LogisticRegression(max_iter=2000), labels=task.profiles)
        with TemporaryDirectory() as scratch:
            options = TrainingArguments(
                output_dir=scratch,
                num_epochs=1,
                num_iterations=SETFIT_PAIRS,
                save_strategy="no",
                report_to="none",
                show_progress_bar=False,
                logging_strategy="no",
                seed=task.seed,
            )
            trainer = Trainer(model=model, args=options)
            for noise in (ProgressCallback, PrinterCallback):
                trainer.remove_callback(noise)
            trainer.train_embeddings([texts[i] for i in few], [task.profiles.index(task.ads[i].profile) for i in few])
            trainer.train_classifier([texts[i] for i in learnt], [task.ads[i].profile for i in learnt])
        probabilities = model.predict_proba([texts[i] for i in np.flatnonzero(test).tolist()], as_numpy=True)
        names = [str(model.model_head.classes_[i]) for i in probabilities.argmax(axis=1)]
        rows |= _rows(task, test, names, probabilities.max(axis=1))
    return rows


# LLM runs

_LLM_COLUMNS = ("id", "run", "profile", "phrases")


def read_llm_runs(path: Path, ads: Sequence[GoldAd], profiles: Sequence[str]) -> dict[str, Rows]:
    """What LLM runs said of ads: rows by run.

    A phrase is looked for in the ad as it stands, then by its words alone, in any case. One that the ad does not
    hold codes no segment; a tool that it does not hold is still a tool that was named.

    Args:
        path: Parquet with `id`, `run`, `profile` and `phrases` (list of code, phrase).
        ads: The coded ads; others are left out.
        profiles: The profiles of the coding book; another one counts as none.

    Raises:
        InputError: The file cannot be read, lacks a column or holds something else there.
    """
    try:
        table = pq.read_table(path, columns=list(_LLM_COLUMNS)).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"Cannot read LLM runs from {path} ({error}). Expected Parquet with {', '.join(_LLM_COLUMNS)}."
        ) from error
    known = {ad.id: ad for ad in ads}
    runs: dict[str, Rows] = {}
    try:
        for row in table:
            ad = known.get(str(row["id"]))
            if ad is None:
                continue
            spans = [_placed(ad.text, str(p["phrase"]), str(p["code"])) for p in row["phrases"] or ()]
            profile = row["profile"] if row["profile"] in profiles else None
            lacking = None if profile else f"profile {row['profile']!r}"
            coded = CodedRow(profile, None, tuple(s for s in spans if s), lacking)
            runs.setdefault(str(row["run"]), {})[ad.id] = coded
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} has a column of another kind than expected ({type(error).__name__}: {error}). Expected phrases "
            "as list of (code, phrase)."
        ) from error
    return runs


def _placed(text: str, phrase: str, code: str) -> CodedSpan | None:
    found = find_phrase(text, phrase)
    tool = phrase if code.startswith("TECH") and phrase.strip() else None
    if found:
        return CodedSpan(code, *found, "text", text[slice(*found)], tool)
    return CodedSpan(code, 0, len(text), "text", phrase, tool) if tool and text else None
