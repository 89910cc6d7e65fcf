"""Why an ad changes profile: what moved the margin between its profile before and after.

The margin is the log-odds of one profile against the other, a sum over features and an intercept. Its move is split
feature by feature into a part of the evidence, which differs, and a part of the head, which weighs it anew: the
two-fold decomposition of Oaxaca (1973, https://doi.org/10.2307/2525981) and Blinder (1973,
https://doi.org/10.2307/144855), with the equal weights of Reimers (1983, https://doi.org/10.2307/1924198).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedcode.head import Head

Floats = NDArray[np.float64]

LEAST = 0.0005
"""Features that move the margin by less are left out."""


@dataclass(frozen=True)
class Side:
    """What a bundle makes of an ad.

    Attributes:
        names, meanings: Of the features.
        features: The features, shape (n_features,).
        head: What weighs them.
    """

    names: Sequence[str]
    meanings: Sequence[str]
    features: Floats
    head: Head


@dataclass(frozen=True)
class FeatureMove:
    """By how much a feature moved the margin, in log-odds.

    Attributes:
        meaning: What it measures.
        evidence: Because it differs.
        head: Because it is weighed anew; all of it for a feature that only one side has.
    """

    name: str
    meaning: str
    evidence: float
    head: float

    @property
    def change(self) -> float:
        """Both together."""
        return self.evidence + self.head

    @property
    def cause(self) -> str:
        """The greater part of it."""
        return "evidence" if abs(self.evidence) >= abs(self.head) else "head"


@dataclass(frozen=True)
class Margin:
    """How the margin between two profiles moved.

    Attributes:
        profile, rival: The log-odds are those of the profile against its rival.
        before, after: The margin; positive where the profile is the likelier.
        evidence: By how much it moved because the evidence differs.
        features: The features that moved it, the farthest first.
    """

    profile: str
    rival: str
    before: float
    after: float
    evidence: float
    features: tuple[FeatureMove, ...]

    @property
    def head(self) -> float:
        """By how much it moved because the head, intercept included, weighs the evidence anew."""
        return self.after - self.before - self.evidence

    @property
    def cause(self) -> str:
        """What moved it, in words."""
        if all(abs(part) < LEAST for part in (self.evidence, *(f.evidence for f in self.features))):
            return "the evidence is the same, only the head moved, which is fitted anew"
        if abs(self.evidence) >= abs(self.head):
            return "mostly the evidence moved"
        return "mostly the head moved, which is fitted anew"


def margin(before: Side, after: Side, profile: str, rival: str) -> Margin | None:
    """Compare the margin between two profiles before and after.

    Args:
        before, after: The ad as both bundles see it.
        profile, rival: The profiles.

    Returns:
        The comparison; None where a head lacks one of the profiles.
    """
    if any(not {profile, rival} <= set(side.head.profiles) for side in (before, after)):
        return None
    here = {name: i for i, name in enumerate(after.names)}
    shared = [(i, here[name]) for i, name in enumerate(before.names) if name in here]
    b, a = np.array(shared, dtype=np.int64).reshape(-1, 2).T
    # What each head would say of the other side's evidence.
    new_to_old, old_to_new = before.features.copy(), after.features.copy()
    new_to_old[b], old_to_new[a] = after.features[a], before.features[b]
    was, is_now = (_contributions(s.head, s.features, profile, rival) for s in (before, after))
    by_old = _contributions(before.head, new_to_old, profile, rival)[b] - was[b]
    by_new = is_now[a] - _contributions(after.head, old_to_new, profile, rival)[a]
    evidence, rest = np.zeros(len(is_now)), is_now.copy()
    evidence[a] = (by_old + by_new) / 2
    rest[a] -= was[b] + evidence[a]
    rows = zip(after.names, after.meanings, evidence.tolist(), rest.tolist(), strict=True)
    moves = [FeatureMove(*row) for row in rows]
    moves += [
        FeatureMove(name, before.meanings[i], 0.0, -float(was[i]))
        for i, name in enumerate(before.names)
        if name not in here
    ]
    moved = sorted((m for m in moves if abs(m.change) >= LEAST), key=lambda m: -abs(m.change))
    totals = [float(x.sum()) + _intercept(s.head, profile, rival) for s, x in ((before, was), (after, is_now))]
    return Margin(profile, rival, totals[0], totals[1], float(evidence.sum()), tuple(moved))


def _contributions(head: Head, features: Floats, profile: str, rival: str) -> Floats:
    """What each feature adds to the margin, shape (n_features,)."""
    one, other = (head.weights[head.profiles.index(name)] for name in (profile, rival))
    return np.asarray(head.standardised(features) * (one - other) / head.temperature)


def _intercept(head: Head, profile: str, rival: str) -> float:
    one, other = (head.intercept[head.profiles.index(name)] for name in (profile, rival))
    return float((one - other) / head.temperature)
