"""How far any number of coders agree: with a reference, and with each other, on profiles and on evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from embedcode.agreement import OPTIONAL, Agreement, agreement
from embedcode.bootstrap import Bootstrap
from embedcode.coders import Layout, no_ids, read_coders, repeated
from embedcode.codings import Codings, placed
from embedcode.disagreements import Disagreement, disagreements
from embedcode.errors import InputError, some
from embedcode.gold import GoldAd
from embedcode.matching import is_tech
from embedcode.reliability import UNLABELLED, Reliability, reliability
from embedcode.significance import Comparison, compare
from embedcode.spans import IOU, SpanAgreement, has_spans, span_agreement
from embedcode.undefined import as_dict


@dataclass(frozen=True)
class CoderFacts:
    """What is compared of a coder.

    Attributes:
        file: Where it was read.
        ads: How many of the reference's ads the coder has.
        labelled: How many of them with a profile.
        spans: Pieces of evidence whose place in the text is known, in these ads.
        unplaced: Pieces of evidence whose place is not known; they count for tools only.
    """

    name: str
    file: str
    ads: int
    labelled: int
    spans: int
    unplaced: int


@dataclass(frozen=True)
class Evaluation:
    """How far coders agree on the ads of a reference.

    Attributes:
        coded: The name of the first coder.
        reference: The name of the coder who is taken for right.
        ads: How many ads the reference labelled, and how many of them all coders have.
        clusters_from: Where the clusters of near-duplicates come from; empty: every ad is taken for itself.
        coders: All coders, in the order given.
        agreement: Of each coder but the reference with the reference; the first coder on all ads, where one that
            is missing counts as an error, the others on the ads that they have.
        reliability: Of the profiles of all coders.
        spans: Of each two coders with evidence that has its place.
        comparisons: The first coder beside each further one, the reference as the truth.
        disagreements: Ads on which a coder disagrees with the reference, worst first.
    """

    coded: str
    reference: str
    ads: int
    shared: int
    clusters_from: str
    coders: tuple[CoderFacts, ...]
    agreement: dict[str, Agreement]
    reliability: Reliability
    spans: tuple[SpanAgreement, ...]
    comparisons: tuple[Comparison, ...]
    disagreements: tuple[Disagreement, ...]

    @property
    def first(self) -> Agreement:
        """The agreement of the first coder with the reference."""
        return self.agreement[self.coded]


def evaluate(
    coded: Path,
    gold: Path | None,
    profiles: Iterable[str],
    codes: Iterable[str],
    *,
    others: Sequence[Path] = (),
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    reference: str | None = None,
    cluster_column: str | None = None,
    encoding: str = "utf-8",
    locked: bool | None = None,
    shared: bool = False,
    iou: float = IOU,
    resamples: int = 1000,
) -> Evaluation:
    """Compare coders, whatever files they come in (see `coders.read_coders`).

    Args:
        coded: The first coder, or several in one file.
        gold: The reference; may be None where `coded` holds several coders and `reference` names one.
        profiles: The profiles of the coding book.
        codes: The codes of the coding book.
        others: Files of further coders.
        columns, labels, encoding: See `coders.Layout`.
        reference: The name of the coder who is taken for right, where that is not the one of `gold`.
        cluster_column: Column with clusters of near-duplicates, of any of the files; else `cluster` of the
            reference, else `duplicate_of` of coded ads.
        locked: Compare only ads of the gold that are locked (True) or not (False).
        shared: Compare only the ads that all coders have.
        iou: Least intersection over union of spans that match.
        resamples: Resamples for the intervals.

    Raises:
        InputError: A file cannot be read (see `coders.read_coders`), there is one coder only, none is the
            reference, or no ad is shared with it.
    """
    named = {**(columns or {}), **({"cluster": cluster_column} if cluster_column else {})}
    layout = Layout(tuple(profiles), tuple(codes), named, labels or {}, encoding)
    coders, truth = _read(coded, [p for p in (gold, *others) if p], reference, layout)
    _check_named(named, coders)
    ads = _ads(truth, locked)
    coders = [_on_ads(c, ads) for c in coders]
    if shared:
        ads = [ad for ad in ads if all(ad.id in c.rows for c in coders)]
        if not ads:
            raise InputError("No ad is shared by all coders; expected some. Leave out --shared, or a coder.")
        coders = [_on_ads(c, ads) for c in coders]
    clusters, clusters_from = _clusters(coders, truth, layout)
    ads = [replace(ad, cluster=clusters.get(ad.id, ad.id)) for ad in ads]
    return _compared(coders, truth, ads, layout, clusters_from, iou, resamples)


def _read(coded: Path, further: Sequence[Path], name: str | None, layout: Layout) -> tuple[list[Codings], Codings]:
    """All coders by unique names, and the reference."""
    files = [coded, *further]
    if twice := repeated(str(path.resolve()) for path in files):
        raise InputError(f"Found {some(twice)} given twice; expected different files. Leave one out.")
    given = [c for path in further for c in read_coders(path, layout)]
    place = _reference(given, further, name)
    first = read_coders(coded, layout, None if place is None else given[place].rows)
    coders = _unique([*first, *given])
    names = [c.name for c in coders]
    if len(coders) < 2:
        raise InputError(
            f"Found one coder only, {names[0]!r}; expected two or more. Give a file of another coder, or name the "
            "column that tells coders apart: --columns coder=COLUMN."
        )
    if place is not None:
        return coders, coders[len(first) + place]
    if name in names:
        return coders, coders[names.index(name)]
    raise InputError(
        f"Found {f'no coder {name!r}' if name else 'no reference'}; expected the name of the coder who is taken for "
        f"right: {', '.join(map(repr, names))}. Give it with --reference."
    )


def _reference(given: Sequence[Codings], further: Sequence[Path], name: str | None) -> int | None:
    """The place of the reference among the coders after the first file; None where it is not among them."""
    if name:
        return next((i for i, c in enumerate(given) if c.name == name), None)
    if not given:
        return None
    of_gold = [c.name for c in given if c.file == further[0]]
    if len(of_gold) > 1:
        raise InputError(
            f"{further[0]} holds {len(of_gold)} coders, {some(of_gold)}; expected one as the reference. Name it with "
            "--reference."
        )
    return 0


def _check_named(named: Mapping[str, str], coders: Sequence[Codings]) -> None:
    """Check that every column that was named is in one of the files."""
    there = dict.fromkeys(n for c in coders for n in c.columns)
    for standard, name in named.items():
        if name not in there:
            raise InputError(
                f"Found no column {name!r} in any of the files, named for {standard}. Their columns: "
                f"{', '.join(there)}."
            )


def _unique(coders: Sequence[Codings]) -> list[Codings]:
    """The coders, those whose name another has before them with a number."""
    seen: Counter[str] = Counter()
    out = []
    for c in coders:
        seen[c.name] += 1
        out.append(replace(c, name=f"{c.name} ({seen[c.name]})") if seen[c.name] > 1 else c)
    return out


def _ads(truth: Codings, locked: bool | None) -> list[GoldAd]:
    """The ads that the reference labelled; without a text where it has none."""
    ads = list(truth.gold) or [_bare(id, row.profile) for id, row in truth.rows.items() if row.profile]
    ads = [ad for ad in ads if locked is None or ad.locked == locked]
    if not ads:
        which = {None: "ads with a profile", True: "locked ads", False: "ads that are not locked"}[locked]
        raise InputError(f"Found no {which} in {truth.file}; expected some to compare with. Give another gold file.")
    return ads


def _bare(id: str, profile: str) -> GoldAd:
    """An ad of which no more is known than its profile."""
    return GoldAd(
        id=id,
        text="",
        profile=profile,
        segments=(),
        codes=(),
        tools=(),
        cluster=id,
        source="",
        language="",
        confidence=3.0,
        coders=1,
        locked=False,
    )


def _on_ads(coder: Codings, ads: Sequence[GoldAd]) -> Codings:
    """A coder's rows of the given ads, evidence without offsets placed in the texts; tools that people list are not."""
    rows = {ad.id: coder.rows[ad.id] for ad in ads if ad.id in coder.rows}
    if not coder.gold:
        rows = {ad.id: placed(rows[ad.id], ad.text) for ad in ads if ad.id in rows}
    if not rows:
        raise no_ids(f"{coder.file} ({coder.name})", coder.rows, [ad.id for ad in ads])
    return replace(coder, rows=rows)


def _clusters(coders: Sequence[Codings], truth: Codings, layout: Layout) -> tuple[Mapping[str, str], str]:
    """The cluster of each ad, and where it comes from."""
    named = layout.columns.get("cluster")
    able = sorted((c for c in coders if c.clusters), key=lambda c: (c.clusters_from != named, c.name != truth.name))
    return (able[0].clusters, f"{able[0].clusters_from} of {able[0].name}") if able else ({}, "")


def _compared(
    coders: Sequence[Codings],
    truth: Codings,
    ads: Sequence[GoldAd],
    layout: Layout,
    clusters_from: str,
    iou: float,
    resamples: int,
) -> Evaluation:
    rows = {c.name: c.rows for c in coders}
    graded = [c for c in coders if c.name != truth.name]
    first, *further = graded
    bootstrap = Bootstrap.of([ad.cluster for ad in ads], resamples)
    number = {p: i for i, p in enumerate(layout.profiles)}
    labels = np.array(
        [
            [number[r.profile] if (r := of.get(ad.id)) and r.profile else UNLABELLED for ad in ads]
            for of in rows.values()
        ]
    )
    agreements = {first.name: _agreement(first, truth, ads, layout, resamples)}
    for c in further:
        agreements[c.name] = _agreement(c, truth, [ad for ad in ads if ad.id in c.rows], layout, resamples)
    marking = [c for c in coders if has_spans(c.rows)]
    return Evaluation(
        coded=first.name,
        reference=truth.name,
        ads=len(ads),
        shared=sum(all(ad.id in of for of in rows.values()) for ad in ads),
        clusters_from=clusters_from,
        coders=tuple(map(_facts, coders)),
        agreement=agreements,
        reliability=reliability(list(rows), labels, len(number), bootstrap),
        spans=tuple(_spans(a, b, ads, layout, bootstrap, iou) for a, b in combinations(marking, 2)),
        comparisons=tuple(_comparison(first, c, ads, bootstrap) for c in further),
        disagreements=disagreements(truth.name, rows, [ad.id for ad in ads]),
    )


def _facts(coder: Codings) -> CoderFacts:
    spans = [s for row in coder.rows.values() for s in row.codes]
    known = sum(s.start >= 0 for s in spans)
    labelled = sum(row.profile is not None for row in coder.rows.values())
    return CoderFacts(coder.name, str(coder.file), len(coder.rows), labelled, known, len(spans) - known)


def _agreement(coder: Codings, truth: Codings, ads: Sequence[GoldAd], layout: Layout, resamples: int) -> Agreement:
    columns = {c for c in OPTIONAL if c in truth.columns} if truth.gold else set()
    if not has_spans(coder.rows):
        columns -= {"segments"}
    if not any(is_tech(s.code) for row in coder.rows.values() for s in row.codes):
        columns -= {"tech"}
    return agreement(ads, coder.rows, layout.profiles, layout.codes, columns=columns, resamples=resamples)


def _spans(
    a: Codings, b: Codings, ads: Sequence[GoldAd], layout: Layout, bootstrap: Bootstrap, iou: float
) -> SpanAgreement:
    both = [i for i, ad in enumerate(ads) if ad.id in a.rows and ad.id in b.rows]
    rows = [[c.rows[ads[i].id] for i in both] for c in (a, b)]
    of_both = bootstrap.only(np.array(both, dtype=np.int64))
    return span_agreement((a.name, b.name), (rows[0], rows[1]), layout.codes, of_both, iou)


def _comparison(first: Codings, second: Codings, ads: Sequence[GoldAd], bootstrap: Bootstrap) -> Comparison:
    both = [i for i, ad in enumerate(ads) if ad.id in first.rows and ad.id in second.rows]
    right = np.array(
        [[c.rows[ads[i].id].profile == ads[i].profile for i in both] for c in (first, second)], dtype=np.bool_
    ).reshape(2, -1)
    return compare(first.name, second.name, right, bootstrap.only(np.array(both, dtype=np.int64)))


def as_json(found: Evaluation) -> dict[str, Any]:
    """The figures as JSON values: those of the first coder, then those of all.

    A figure that is null has its reason beside it, or in `undefined` of its part, with the way to it.
    """
    return {
        **as_dict(found.first),
        "coded": found.coded,
        "reference": found.reference,
        "shared": found.shared,
        "clusters_from": found.clusters_from,
        "coders": [asdict(c) for c in found.coders],
        "others": {name: as_dict(a) for name, a in found.agreement.items() if name != found.coded},
        "reliability": asdict(found.reliability),
        "spans": [asdict(s) for s in found.spans],
        "comparisons": [asdict(c) for c in found.comparisons],
        "disagreements": [asdict(d) for d in found.disagreements],
    }
