"""One pass over coded ads: how many were given each profile, code and tool, group by group, and what some of them were.

An ad counts where it has a profile, is in a language that the coding covers, and is no near-duplicate of another.
The ads are read batch by batch, and of the evidence only codes and tools, so that a million ads take little memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.coded import coded_schema
from embedcode.coded_files import batches, coded_files, schema_of
from embedcode.errors import InputError
from embedcode.grouping import Grouping
from embedcode.language import SUPPORTED
from embedcode.values import identifiers

PROFILE, CODE, TOOL = KINDS = ("profile", "code", "tool")

Label = tuple[str, str]
"""Something that an ad may be given: one of `KINDS`, and the name of the profile, code or tool."""

UNCODED, FOREIGN, REPEATED = "without a profile", "in a language that is not covered", "repeating another ad"
"""Why an ad does not count."""

_COLUMNS = ("id", "profile", "language", "duplicate_of")


@dataclass
class Tally:
    """How many ads there are, and how many of them were given each label; an ad counts once for each."""

    ads: int = 0
    given: Counter[Label] = field(default_factory=Counter)


@dataclass(frozen=True)
class Picked:
    """An ad that was asked for.

    Attributes:
        row: Its number in the corpus.
        group: Its group; None where it is in none.
        labels: What it was given; None where it does not count.
    """

    row: int
    id: str
    group: str | None
    labels: frozenset[Label] | None


@dataclass(frozen=True)
class Census:
    """What a pass finds.

    Attributes:
        counts: By group; None for ads in no group.
        left_out: How many ads do not count, by reason.
        able: Whether each ad has a profile, shape (n_ads,).
        picked: The ads asked for that were found, in the order of the corpus.
    """

    counts: dict[str | None, Tally]
    left_out: dict[str, int]
    able: NDArray[np.bool_]
    picked: tuple[Picked, ...]

    @property
    def total(self) -> Tally:
        """The counts of all groups together."""
        total = Tally()
        for counts in self.counts.values():
            total.ads += counts.ads
            total.given += counts.given
        return total


def open_grouping(coded: Path, column: str, period: str | None) -> Grouping:
    """A grouping of coded ads by a kept column, or by language.

    Raises:
        InputError: There is no such column, or it makes no groups.
    """
    schema = schema_of(coded)
    able = [n for n in schema.names if n == "language" or n not in coded_schema((), ()).names]
    if column not in able:
        raise InputError(
            f"Cannot group by {column!r:.80}; expected a column that does not come from the coding, and {coded} has "
            f"{', '.join(able)}. Name one of these, or code the ads again and --keep the column."
        )
    return Grouping(column, period, schema.field(column).type)


def take_census(
    coded: Path, *, rows: Sequence[int] | None = None, ids: Collection[str] = (), grouping: Grouping | None = None
) -> Census:
    """Count what coded ads were given, and pick some of them by row or, without `rows`, by id.

    Raises:
        InputError: The ads cannot be read, or make too many groups.
    """
    wanted_rows = None if rows is None else np.array(sorted(rows), np.int64)
    wanted_ids = pa.array(sorted(ids), pa.string())
    counts: dict[str | None, Tally] = {}
    left_out: Counter[str] = Counter()
    able: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]
    picked: list[Picked] = []
    first = 0
    columns = dict.fromkeys([*_COLUMNS, *given_columns(coded), *([grouping.column] if grouping else [])])
    for batch in batches(coded, list(columns)):
        reasons, counted = screened(batch)
        left_out.update({reason: int(out.sum()) for reason, out in reasons.items()})
        groups = _groups(batch, counted, grouping)
        names = identifiers(batch.column("id"))
        if wanted_rows is None:
            at = np.flatnonzero(pc.is_in(names, value_set=wanted_ids).to_numpy(zero_copy_only=False))
        else:
            at = wanted_rows[(wanted_rows >= first) & (wanted_rows < first + len(batch))] - first
        picked += [
            Picked(first + i, str(names[i]), groups[i], _labels(batch, i) if counted[i] else None) for i in at.tolist()
        ]
        for group, n in Counter(g for g, has in zip(groups, counted, strict=True) if has).items():
            counts.setdefault(group, Tally()).ads += n
        for group, label, n in _given(batch, counted, groups):
            counts[group].given[label] += n
        able.append(~reasons[UNCODED])
        first += len(batch)
    return Census(counts, dict(+left_out), np.concatenate(able), tuple(picked))


def given_columns(coded: Path) -> list[str]:
    """The columns that hold codes and tools; the other fields of the evidence are most of a file."""
    schema_of(coded)  # or says what else the file is
    with pq.ParquetFile(coded_files(coded)[0][0]) as file:
        paths = [file.schema.column(i).path for i in range(len(file.schema))]
    return [p for p in paths if p.startswith("codes.") and p.endswith((".code", ".tool"))]


def screened(batch: pa.RecordBatch) -> tuple[dict[str, NDArray[np.bool_]], NDArray[np.bool_]]:
    """Which ads do not count, for the first reason that holds, and which do; each of shape (n_ads,).

    Args:
        batch: The columns `profile`, `language` and `duplicate_of` of coded ads.
    """
    reasons = {
        UNCODED: _mask(batch.column("profile").is_null()),
        FOREIGN: ~_mask(pc.is_in(batch.column("language"), pa.array(SUPPORTED))),
        REPEATED: _mask(batch.column("duplicate_of").is_valid()),
    }
    counted = np.ones(len(batch), np.bool_)
    for out in reasons.values():
        out &= counted
        counted &= ~out
    return reasons, counted


def _mask(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)


def _groups(batch: pa.RecordBatch, counted: NDArray[np.bool_], grouping: Grouping | None) -> list[str | None]:
    """The group of each ad, None for those in none."""
    groups: list[str | None] = [None] * len(batch)
    if grouping:
        names = grouping.of(batch.column(grouping.column).filter(pa.array(counted)))
        for i, name in zip(np.flatnonzero(counted).tolist(), names, strict=True):
            groups[i] = name
    return groups


def _labels(batch: pa.RecordBatch, i: int) -> frozenset[Label]:
    """What an ad was given."""
    evidence = batch.column("codes")[i].as_py() or ()
    named = {(CODE, e["code"]) for e in evidence} | {(TOOL, e["tool"]) for e in evidence if e["tool"] is not None}
    return frozenset({(PROFILE, batch.column("profile")[i].as_py()), *named})


def _given(
    batch: pa.RecordBatch, counted: NDArray[np.bool_], groups: Sequence[str | None]
) -> Iterator[tuple[str | None, Label, int]]:
    """How many ads of each group were given each label."""
    evidence = batch.column("codes")
    of, items = pc.list_parent_indices(evidence), pc.list_flatten(evidence)
    every = pa.array(range(len(batch)), of.type)
    group = pa.array(groups, pa.string())
    for kind, ad, name in (
        (PROFILE, every, batch.column("profile")),
        (CODE, of, pc.struct_field(items, "code")),
        (TOOL, of, pc.struct_field(items, "tool")),
    ):
        table = pa.table({"ad": ad, "name": name}).filter(pc.and_(pc.is_valid(name), pa.array(counted).take(ad)))
        once = table.group_by(["ad", "name"]).aggregate([])
        by = pa.table({"group": group.take(once["ad"]), "name": once["name"]}).group_by(["group", "name"])
        for row in by.aggregate([([], "count_all")]).to_pylist():
            yield row["group"], (kind, row["name"]), row["count_all"]
