"""Aggregates the evidence of an ad into named features, the only thing the profile head sees.

Every feature leads back to anchors, terms and tools: `generative.count` to terms of the facet `generative`,
`TASK3.best` to segments near anchors of TASK3. No feature looks at raw words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedcode.types import WORK, Facet
from embedcode.vectors import grouped_max, grouped_sums

Floats = NDArray[np.float64]

SCOPES = {"ad": "in the ad", "title": "in the title", "task": "in segments that are tasks of this person"}

FACET_FEATURES = {
    "count": "terms in the ad (log)",
    "title": "whether the title holds a term",
    "task": "terms per segment that is a task of this person (log)",
}
BREVITY = {"bare": 80, "short": 500}
"""How short an ad is: exp(-characters / scale), for ads that are bare and ads that are short."""


@dataclass(frozen=True)
class Evidence:
    """What was found in a batch of ads.

    Attributes:
        ad: Ad of each segment, ascending, shape (n_segments,).
        title: Whether a segment is the title, shape (n_segments,).
        length: Characters of each ad, shape (n_ads,).
        probabilities: Of each code and each facet of a code, shape (n_segments, n_coded).
        facets: How often the terms of each facet are found, shape (n_segments, n_facets).
        tools: How many tools of each TECH code are named, shape (n_ads, n_tech).
    """

    ad: NDArray[np.int64]
    title: NDArray[np.bool_]
    length: NDArray[np.int64]
    probabilities: Floats
    facets: NDArray[np.float32]
    tools: NDArray[np.int64]


class FeatureSpace:
    """Names and computes features.

    Attributes:
        names: Names of the features, such as `TASK3.best`.
        meanings: What each feature measures, in the same order.
    """

    def __init__(self, coded: Sequence[str], facets: Sequence[Facet], tech: Sequence[str]) -> None:
        """Lay out the features.

        Args:
            coded: Names of the columns of `Evidence.probabilities`: codes, and `TASK3/generative` and the like.
            facets: The facets of terms.
            tech: TECH codes.
        """
        self._tasks = [i for i, c in enumerate(coded) if c.startswith("TASK") and "/" not in c]
        self._shown = [i for i, f in enumerate(facets) if f.family != "helper"]
        self._titles = [i for i, f in enumerate(facets) if f.family == "title"]
        self._work = [[i for i, f in enumerate(facets) if f.family == w] for w in WORK]
        shown, titles = [facets[i].name for i in self._shown], [facets[i].name for i in self._titles]
        versus = [(a, b) for i, a in enumerate(WORK) for b in WORK[i + 1 :]]
        named = [
            *((f"{f}.{kind}", f"{f}: {what}") for kind, what in FACET_FEATURES.items() for f in shown),
            *((f"{c}.best", f"{c}: probability in its best segment") for c in coded),
            *(
                named
                for scope, where in SCOPES.items()
                for named in (
                    *((f"{w}.{scope}", f"{w} terms {where} (log)") for w in WORK),
                    *((f"{a}-{b}.{scope}", f"{a} against {b} terms {where} (log ratio)") for a, b in versus),
                    *((f"{w}-share.{scope}", f"share of {w} terms {where}") for w in WORK),
                )
            ),
            *((f"{t}.tools", f"{t}: tools named (log)") for t in tech),
            *((f"length.{kind}", f"how {kind} the ad is") for kind in BREVITY),
            *((f"{w}.{kind}", f"{w} terms (log), in {kind} ads") for kind in BREVITY for w in WORK),
            *((f"{t}.short", f"{t} in the title, in short ads") for t in titles),
            ("length.log", "characters of the ad (log)"),
        ]
        self.names = tuple(name for name, _ in named)
        self.meanings = tuple(meaning for _, meaning in named)

    def compute(self, evidence: Evidence) -> Floats:
        """Features of a batch of ads, shape (n_ads, n_features).

        Sums run segment by segment within an ad, so that they do not depend on the batch.
        """
        n_ads = len(evidence.length)
        starts = np.searchsorted(evidence.ad, np.arange(n_ads + 1))

        def total(per_segment: Floats) -> Floats:
            return grouped_sums(per_segment, np.arange(len(per_segment)), starts)

        gate = evidence.probabilities[:, self._tasks].max(axis=1, initial=0.0)
        facets = evidence.facets.astype(np.float64)
        counts = total(facets)
        in_title = total(facets * evidence.title[:, None])
        per_task = 5 * total(facets * gate[:, None]) / (total(gate[:, None]) + 1)
        work = [[np.ascontiguousarray(c[:, w]).sum(axis=1) for w in self._work] for c in (counts, in_title, per_task)]
        brevity = [np.exp(-evidence.length / scale) for scale in BREVITY.values()]
        parts = [
            np.log1p(counts[:, self._shown]),
            (in_title[:, self._shown] > 0).astype(np.float64),
            np.log1p(per_task[:, self._shown]),
            grouped_max(evidence.probabilities, starts),
            *(_balance(w) for w in work),
            np.log1p(evidence.tools).astype(np.float64),
            np.stack(brevity, axis=1),
            np.stack([np.log1p(w) * b for b in brevity for w in work[0]], axis=1),
            (in_title[:, self._titles] > 0) * brevity[-1][:, None],
            np.log1p(evidence.length)[:, None],
        ]
        return np.concatenate(parts, axis=1)


def _balance(work: Sequence[Floats]) -> Floats:
    """Counts of three families against each other: logs, log ratios, shares; shape (n_ads, 9)."""
    logs = [np.log1p(w) for w in work]
    total = work[0] + work[1] + work[2] + 1
    ratios = [logs[0] - logs[1], logs[0] - logs[2], logs[1] - logs[2]]
    return np.stack([*logs, *ratios, *(w / total for w in work)], axis=1)
