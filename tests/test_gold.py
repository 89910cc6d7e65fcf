"""Coded ads: errors in the file, codes carried over to other spans, folds that keep clusters whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ADS, gold_rows
from hypothesis import given
from hypothesis import strategies as st

from embedcode.errors import InputError
from embedcode.gold import COLUMNS, GivenCode, GivenTool, GoldAd, coded_segments, grouped_folds, labels_of, read_gold

PROFILES = ("ML Engineer", "GenAI Engineer", "Ambiguous / Not Relevant")
CODES = tuple(f"{group}{i}" for group, n in (("TASK", 5), ("TECH", 11), ("SKILL", 5)) for i in range(1, n + 1))


def row(**changes: Any) -> dict[str, Any]:
    """A row with the least a coded ad needs."""
    return {
        "id": "a1",
        "text": "Train models. 🚀 Meet users.",
        "profile": "ML Engineer",
        "segments": [{"start": 0, "end": 13}, {"start": 14, "end": 27}],
        "codes": [{"start": 0, "end": 13, "code": "TASK3"}],
    } | changes


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def read(folder: Path, *rows: dict[str, Any]) -> list[GoldAd]:
    return read_gold(write(folder / "gold.parquet", list(rows)), PROFILES, CODES)


# --- reading


def test_the_least_that_a_coded_ad_needs(tmp_path: Path) -> None:
    (ad,) = read(tmp_path, row())
    assert ad == GoldAd(
        id="a1",
        text="Train models. 🚀 Meet users.",
        profile="ML Engineer",
        segments=((0, 13), (14, 27)),
        codes=(GivenCode(0, 13, "TASK3", 1),),
        tools=(),
        cluster="a1",
        source="",
        language="",
        confidence=3.0,
        coders=1,
        locked=False,
    )


def test_all_that_a_coded_ad_may_hold(tmp_path: Path) -> None:
    codes = [
        {"start": 0, "end": 13, "code": "TASK3", "coders": 2},
        {"start": 16, "end": 27, "code": "OTHER", "coders": None},
    ]
    tech = [{"name": "Python", "code": "TECH1", "coders": 1}, {"name": "Go", "code": "TECH1", "coders": None}]
    more = {"cluster": "c", "source": "s", "lang": "nl", "confidence": 1.5, "coders": 2, "locked": True}
    (ad,) = read(tmp_path, row(id=7, codes=codes, tech=tech, **more))
    assert ad.id == "7"
    assert ad.codes == (GivenCode(0, 13, "TASK3", 2), GivenCode(16, 27, "OTHER", 2))
    assert ad.tools == (GivenTool("Python", "TECH1", 1), GivenTool("Go", "TECH1", 2))
    assert (ad.cluster, ad.source, ad.language, ad.confidence, ad.coders, ad.locked) == ("c", "s", "nl", 1.5, 2, True)


def test_nulls(tmp_path: Path) -> None:
    (ad, _) = read(tmp_path, row(text=None, segments=None, codes=None, cluster=None), row(cluster="c"))
    assert (ad.text, ad.segments, ad.codes, ad.cluster) == ("", (), (), "a1")


def test_authored_ads(tmp_path: Path) -> None:
    ads = read(tmp_path, *gold_rows())
    assert [a.id for a in ads] == [a.id for a in ADS]
    for ad, authored in zip(ads, ADS, strict=True):
        assert {c.code for c in ad.codes if c.coders == 2} >= set(authored.expected.split())
        assert {t.name: t.code for t in ad.tools} == authored.tools
        assert ad.segments[0] == (0, len(authored.title))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_missing_column(tmp_path: Path, name: str) -> None:
    cells = row()
    del cells[name]
    with pytest.raises(InputError, match=rf"lacks the column\(s\) {name}; found"):
        read(tmp_path, cells)


def test_several_missing_columns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks the column\(s\) text, profile, segments, codes; found id\."):
        read(tmp_path, {"id": "x"})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read coded ads"):
        read_gold(tmp_path / "nowhere.parquet", PROFILES, CODES)
    (tmp_path / "text.parquet").write_text("id,text\n", encoding="utf-8")
    with pytest.raises(InputError, match="Expected a Parquet file"):
        read_gold(tmp_path / "text.parquet", PROFILES, CODES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profile": "Cook"}, r"ad 'a1' has the profile 'Cook'; expected one of Ambiguous .*, GenAI .*, ML Engineer\."),
        ({"codes": [{"start": 0, "end": 13, "code": "TASK9"}]}, "ad 'a1' has the unknown code 'TASK9'"),
        ({"codes": [{"start": -1, "end": 13, "code": "TASK3"}]}, "TASK3 at -1-13, but its text has 27 code points"),
        ({"codes": [{"start": 0, "end": 28, "code": "TASK3"}]}, "TASK3 at 0-28"),
        ({"codes": [{"start": 5, "end": 5, "code": "TASK3"}]}, "TASK3 at 5-5"),
    ],
)
def test_what_an_ad_must_not_hold(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, row(id="a0"), row(**changes))


@pytest.mark.parametrize("segment", [(0, 28), (-3, 5), (7, 7)])
def test_segments_outside_the_text(tmp_path: Path, segment: tuple[int, int]) -> None:
    with pytest.raises(InputError):
        read(tmp_path, row(segments=[{"start": segment[0], "end": segment[1]}]))


@pytest.mark.parametrize(
    "changes",
    [{"codes": [{"start": 0, "end": 13}]}, {"segments": ["0-13"]}, {"codes": 5}, {"confidence": "high"}],
)
def test_columns_of_another_type(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read(tmp_path, row(**changes))


# --- codes of other spans


def coded(*codes: tuple[int, int, str, int], coders: int = 2, segments: tuple[tuple[int, int], ...] = ()) -> GoldAd:
    given = tuple(GivenCode(*c) for c in codes)
    return GoldAd("a", "x" * 100, PROFILES[0], segments, given, (), "a", "", "en", 3.0, coders, False)


def labels(ad: GoldAd, *spans: tuple[int, int]) -> list[str]:
    """For each span `+` where TASK3 is carried, `-` where it is not, `?` where that is not certain."""
    carried, known = labels_of(ad, spans, ("TASK1", "TASK3"))
    assert not carried[:, 0].any()
    assert known[:, 0].all()
    return ["+" if c else "-" if k else "?" for c, k in zip(carried[:, 1], known[:, 1], strict=True)]


def test_a_code_goes_to_spans_that_cover_half_of_its_segment() -> None:
    ad = coded((20, 40, "TASK3", 2))
    assert labels(ad, (20, 40), (0, 100), (30, 60), (31, 60), (0, 20), (40, 60)) == ["+", "+", "+", "-", "-", "-"]


def test_pieces_of_a_coded_segment_are_not_certain() -> None:
    ad = coded((20, 40, "TASK3", 2))
    # Both halves cover half; a third lies inside and covers less; the last is mostly outside.
    assert labels(ad, (20, 30), (30, 40), (20, 26), (36, 44), (36, 45)) == ["+", "+", "?", "?", "-"]


def test_a_code_of_some_of_the_coders_is_not_certain() -> None:
    assert labels(coded((20, 40, "TASK3", 1)), (20, 40), (0, 15)) == ["?", "-"]
    assert labels(coded((20, 40, "TASK3", 1), (20, 40, "TASK3", 2)), (20, 40)) == ["+"]
    assert labels(coded((20, 40, "TASK3", 1), coders=1), (20, 40)) == ["+"]


def test_codes_not_asked_for_and_no_spans() -> None:
    ad = coded((0, 9, "TASK2", 2), (0, 9, "OTHER", 2))
    assert labels(ad, (0, 9)) == ["-"]
    carried, known = labels_of(ad, [], ("TASK1",))
    assert carried.shape == known.shape == (0, 1)


SPAN = st.tuples(st.integers(0, 30), st.integers(1, 12)).map(lambda t: (t[0], t[0] + t[1]))


@given(st.lists(st.tuples(SPAN, st.integers(1, 2)), max_size=5), st.lists(SPAN, max_size=6))
def test_labels_against_sets_of_characters(
    given_codes: list[tuple[tuple[int, int], int]], spans: list[tuple[int, int]]
) -> None:
    ad = coded(*((a, b, "TASK3", n) for (a, b), n in given_codes))
    expected = []
    for start, end in spans:
        span, state = set(range(start, end)), "-"
        for (a, b), coders in given_codes:
            shared = len(span & set(range(a, b)))
            if 2 * shared >= b - a:
                state = "+" if coders == 2 or state == "+" else "?"
            elif shared and 2 * shared >= len(span) and state == "-":
                state = "?"
        expected.append(state)
    assert (labels(ad, *spans) if spans else []) == expected


def test_coded_segments() -> None:
    ad = coded((0, 10, "TASK3", 2), (12, 40, "TASK3", 1), segments=((0, 10), (12, 40), (50, 60)))
    texts, carried, known = coded_segments(ad, ("TASK3",))
    assert texts == ["x" * 10, "x" * 28, "x" * 10]
    assert carried[:, 0].tolist() == [True, False, False]
    assert known[:, 0].tolist() == [True, False, True]


# --- folds


def in_cluster(cluster: str, profile: str) -> GoldAd:
    return GoldAd(cluster, "x", profile, (), (), (), cluster, "", "en", 3.0, 2, False)


def ads_in_clusters(sizes: list[int]) -> list[GoldAd]:
    rng = np.random.default_rng(0)
    ads = [in_cluster(f"c{i}", PROFILES[i % 3]) for i, n in enumerate(sizes) for _ in range(n)]
    return [ads[i] for i in rng.permutation(len(ads))]


@given(st.lists(st.integers(1, 4), min_size=15, max_size=40), st.integers(2, 5), st.integers(0, 3))
def test_folds_keep_clusters_whole(sizes: list[int], count: int, seed: int) -> None:
    ads = ads_in_clusters(sizes)
    folds = grouped_folds(ads, count, seed)
    assert folds.shape == (len(ads),)
    assert set(folds) == set(range(count))
    of_cluster: dict[str, set[int]] = {}
    for ad, fold in zip(ads, folds.tolist(), strict=True):
        of_cluster.setdefault(ad.cluster, set()).add(fold)
    assert all(len(f) == 1 for f in of_cluster.values())
    assert np.array_equal(folds, grouped_folds(ads, count, seed))


def test_folds_spread_profiles_evenly() -> None:
    ads = ads_in_clusters([2] * 60)
    folds = grouped_folds(ads, 5)
    for fold in range(5):
        count = Counter(a.profile for a, f in zip(ads, folds, strict=True) if f == fold)
        assert set(count.values()) == {8}, fold


def test_one_cluster_is_too_few() -> None:
    with pytest.raises(InputError, match=r"Found 3 coded ads in 1 cluster\(s\)"):
        grouped_folds([in_cluster("c", p) for p in PROFILES], 5)


def test_few_ads() -> None:
    ads = [in_cluster(f"c{i}", PROFILES[i % 3]) for i in range(6)]
    assert len(grouped_folds(ads, 5)) == 6
