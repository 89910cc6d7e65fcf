"""Every feature against a computation for one ad at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from embedcode.features import Evidence, FeatureSpace
from embedcode.types import Facet

CODED = ("TASK1", "TASK3", "SKILL2", "TASK3/generative", "TASK3/predictive")
FACETS = (
    *(Facet(f"gen{i}", "", None, "generative") for i in range(11)),
    *(Facet(f"ml{i}", "", None, "predictive") for i in range(2)),
    *(Facet(f"sw{i}", "", None, "ordinary") for i in range(9)),
    Facet("title_gen", "", None, "title"),
    Facet("title_ml", "", None, "title"),
    Facet("verb", "", None, "helper"),
    Facet("research", ""),
    Facet("verb_gen", "", ("verb", "gen0")),
)
TECH = ("TECH1", "TECH4")
FAMILIES = ("generative", "predictive", "ordinary")


def evidence(n_ads: int, per_ad: int, seed: int = 0) -> Evidence:
    """Evidence at random; ads hold up to twice `per_ad` segments, some of them none."""
    rng = np.random.default_rng(seed)
    ad = np.sort(rng.integers(0, n_ads, n_ads * per_ad))
    return Evidence(
        ad=ad,
        title=(np.diff(ad, prepend=-1) > 0) & (rng.random(len(ad)) < 0.8),
        length=rng.integers(0, 6000, n_ads),
        probabilities=rng.random((len(ad), len(CODED))),
        facets=rng.poisson(0.4, (len(ad), len(FACETS))).astype(np.float32),
        tools=rng.poisson(1.0, (n_ads, len(TECH))),
    )


def of_ads(whole: Evidence, ads: list[int]) -> Evidence:
    """The evidence of some ads, as if they were the batch."""
    rows = [np.flatnonzero(whole.ad == a) for a in ads]
    place = np.repeat(np.arange(len(ads)), [len(r) for r in rows])
    chosen = np.concatenate(rows)
    return Evidence(
        place,
        whole.title[chosen],
        whole.length[ads],
        whole.probabilities[chosen],
        whole.facets[chosen],
        whole.tools[ads],
    )


def one_ad(found: Evidence, ad: int) -> dict[str, float]:
    """The features of one ad, segment by segment."""
    segments = [i for i in range(len(found.ad)) if found.ad[i] == ad]
    length = float(found.length[ad])
    gates = {i: max(found.probabilities[i, 0], found.probabilities[i, 1]) for i in segments}
    tasks = sum(gates.values())
    counts: dict[str, dict[str, float]] = {"ad": {}, "title": {}, "task": {}}
    for column, facet in enumerate(FACETS):
        values = {i: float(found.facets[i, column]) for i in segments}
        counts["ad"][facet.name] = sum(values.values())
        counts["title"][facet.name] = sum(v for i, v in values.items() if found.title[i])
        counts["task"][facet.name] = 5 * sum(v * gates[i] for i, v in values.items()) / (tasks + 1)
    out: dict[str, float] = {}
    for facet in FACETS:
        if facet.family != "helper":
            out[f"{facet.name}.count"] = math.log(counts["ad"][facet.name] + 1)
            out[f"{facet.name}.title"] = float(counts["title"][facet.name] > 0)
            out[f"{facet.name}.task"] = math.log(counts["task"][facet.name] + 1)
    for column, code in enumerate(CODED):
        values = {i: float(found.probabilities[i, column]) for i in segments}
        out[f"{code}.best"] = max(values.values(), default=0.0)
    brevity = {"bare": math.exp(-length / 80), "short": math.exp(-length / 500)}
    for scope, by_facet in counts.items():
        work = {w: sum(by_facet[f.name] for f in FACETS if f.family == w) for w in FAMILIES}
        for w in FAMILIES:
            out[f"{w}.{scope}"] = math.log(work[w] + 1)
            out[f"{w}-share.{scope}"] = work[w] / (sum(work.values()) + 1)
            if scope == "ad":
                out |= {f"{w}.{kind}": math.log(work[w] + 1) * b for kind, b in brevity.items()}
        for a, b in (("generative", "predictive"), ("generative", "ordinary"), ("predictive", "ordinary")):
            out[f"{a}-{b}.{scope}"] = math.log((work[a] + 1) / (work[b] + 1))
    for column, code in enumerate(TECH):
        out[f"{code}.tools"] = math.log(found.tools[ad, column] + 1)
    for kind, value in brevity.items():
        out[f"length.{kind}"] = value
    for facet in FACETS:
        if facet.family == "title":
            out[f"{facet.name}.short"] = float(counts["title"][facet.name] > 0) * brevity["short"]
    out["length.log"] = math.log(length + 1)
    return out


@pytest.fixture
def space() -> FeatureSpace:
    return FeatureSpace(CODED, FACETS, TECH)


@pytest.mark.parametrize(("n_ads", "per_ad"), [(1, 6), (40, 4), (30, 1)])
def test_against_one_ad_at_a_time(space: FeatureSpace, n_ads: int, per_ad: int) -> None:
    found = evidence(n_ads, per_ad)
    got = space.compute(found)
    assert got.dtype == np.float64
    assert got.shape == (n_ads, len(space.names))
    for ad in range(n_ads):
        expected = one_ad(found, ad)
        assert set(expected) == set(space.names)
        assert dict(zip(space.names, got[ad], strict=True)) == pytest.approx(expected, abs=1e-12)


def test_names_are_unique_and_each_has_a_meaning(space: FeatureSpace) -> None:
    assert len(set(space.names)) == len(space.names) == len(space.meanings)
    for name, meaning in zip(space.names, space.meanings, strict=True):
        assert "." in name
        assert len(meaning.split()) > 2, name
    assert dict(zip(space.names, space.meanings, strict=True))["gen0.count"] == "gen0: terms in the ad (log)"


def test_helpers_are_not_shown(space: FeatureSpace) -> None:
    assert not [n for n in space.names if n.startswith("verb.")]
    assert [n for n in space.names if n.startswith("verb_gen.")]


def test_ads_without_segments(space: FeatureSpace) -> None:
    nothing = Evidence(
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.bool_),
        np.zeros(2, dtype=np.int64),
        np.zeros((0, len(CODED))),
        np.zeros((0, len(FACETS)), dtype=np.float32),
        np.zeros((2, len(TECH)), dtype=np.int64),
    )
    features = space.compute(nothing)
    assert {n for n, v in zip(space.names, features[0], strict=True) if v} == {"length.bare", "length.short"}
    assert features[0].tolist() == features[1].tolist()
    assert features[0, space.names.index("length.bare")] == 1.0


def test_an_empty_batch(space: FeatureSpace) -> None:
    assert space.compute(of_ads_none()).shape == (0, len(space.names))


def of_ads_none() -> Evidence:
    return Evidence(
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.bool_),
        np.zeros(0, dtype=np.int64),
        np.zeros((0, len(CODED))),
        np.zeros((0, len(FACETS)), dtype=np.float32),
        np.zeros((0, len(TECH)), dtype=np.int64),
    )


def test_without_facets_families_and_tools() -> None:
    space = FeatureSpace(("SKILL2",), (), ())
    found = Evidence(
        np.array([0, 0]),
        np.array([True, False]),
        np.array([120]),
        np.array([[0.5], [0.25]]),
        np.zeros((2, 0), dtype=np.float32),
        np.zeros((1, 0), dtype=np.int64),
    )
    got = dict(zip(space.names, space.compute(found)[0], strict=True))
    assert got["SKILL2.best"] == 0.5
    assert got["generative.ad"] == 0


def test_the_batch_does_not_matter(space: FeatureSpace) -> None:
    found = evidence(1000, 4, seed=3)
    whole = space.compute(found)
    for ads in ([17], [0, 1], [999, 5, 5, 420], list(range(100, 117)), list(range(1000))):
        assert space.compute(of_ads(found, ads)).tobytes() == whole[ads].tobytes()
    for ad in range(0, 1000, 25):
        assert space.compute(of_ads(found, [ad])).tobytes() == whole[ad].tobytes()


def test_how_well_an_ad_shows_a_code() -> None:
    space = FeatureSpace(("TASK1", "SKILL2"), (), ())
    values = [[0.1, 0.0], [0.4, 0.0], [0.3, 0.3], [0.2, 0.0], [0.6, 0.1], [0.3, 0.1]]
    found = Evidence(
        np.array([0, 0, 0, 0, 2, 2]),
        np.zeros(6, dtype=np.bool_),
        np.zeros(3, dtype=np.int64),
        np.array(values),
        np.zeros((6, 0), dtype=np.float32),
        np.zeros((3, 0), dtype=np.int64),
    )
    best = space.compute(found)[:, [space.names.index(f"{c}.best") for c in ("TASK1", "SKILL2")]]
    assert best.tolist() == [[0.4, 0.3], [0.0, 0.0], [0.6, 0.1]]
