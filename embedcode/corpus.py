"""Coded ads as a corpus to look through: filtered, sorted, counted, with their texts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.coded import EVIDENCE, CodedAd, coded_ads, coded_schema
from embedcode.coded_files import coded_files
from embedcode.documents import Columns, Source
from embedcode.errors import InputError
from embedcode.folder import JOURNAL, MANIFEST, file_hash, parts, read_json
from embedcode.values import most_first, tally

Rows = NDArray[np.int64]

ORDERS = ("input", "unsure", "sure")
"""Orders to sort by: that of the input, the least or the most confident first."""

NAME = 100
"""Characters of the name of an ad."""

_LIGHT = ("id", "profile", "confidence", "language", "error")
_CODED = coded_schema((), ())


@dataclass(frozen=True)
class Filter:
    """Which ads to show; empty strings mean any.

    Attributes:
        profile: Their profile; `error` for ads that could not be coded.
        code: A code that they carry.
        tool: A tool that they name.
        language: ISO 639-1.
        least, most: Bounds of the confidence, both included.
        words: What text or title holds, in upper or lower case.
        order: One of `ORDERS`.
    """

    profile: str = ""
    code: str = ""
    tool: str = ""
    language: str = ""
    least: float = 0.0
    most: float = 1.0
    words: str = ""
    order: str = ORDERS[0]


@dataclass(frozen=True)
class Document:
    """The text of an ad as given, and its title where it stands apart."""

    text: str
    title: str | None


class Corpus:
    """What `classify` wrote, held in memory but for the evidence, which is read part by part.

    Attributes:
        folder: The folder.
        ads: A row per ad: id, profile, confidence, language, error.
    """

    def __init__(self, folder: Path) -> None:
        """Read a corpus.

        Raises:
            InputError: The folder holds no coded ads, is not finished, or was written by another version.
        """
        self.folder = folder
        if not (folder / MANIFEST).is_file() and folder.is_dir() and parts(folder):
            raise InputError(
                f"{folder} holds no {MANIFEST}: the run that wrote it has not come to its end. Give the same "
                "`embedcode classify` command again to go on with it."
            )
        self._files = [file for file, _ in coded_files(folder)]
        self.manifest = read_json(folder / MANIFEST)
        tables = []
        codes: list[tuple[str, Rows]] = []
        tools: list[tuple[str, Rows]] = []
        first = 0
        self._first: list[int] = []
        for file in self._files:
            table = _read(file)
            self._first.append(first)
            tables.append(table.select(_LIGHT))
            evidence = table.column("codes").combine_chunks()
            row = pc.list_parent_indices(evidence).to_numpy().astype(np.int64) + first
            items = evidence.flatten()
            codes += _by_value(items.field("code"), row)
            tools += _by_value(items.field("tool"), row)
            first += len(table)
        self.ads: pa.Table = pa.concat_tables(tables).combine_chunks()
        self._codes, self._tools = _merged(codes), _merged(tools)

    def __len__(self) -> int:
        return len(self.ads)

    @property
    def codes(self) -> dict[str, int]:
        """In how many ads each code is found, the coding book's order left aside: by name."""
        return {name: len(rows) for name, rows in sorted(self._codes.items(), key=lambda c: _natural(c[0]))}

    @property
    def tools(self) -> dict[str, int]:
        """In how many ads each tool is named, the most frequent first."""
        return most_first({name: len(rows) for name, rows in self._tools.items()})

    def find(self, wanted: Filter) -> Rows:
        """The numbers of the ads that pass a filter, sorted.

        Raises:
            InputError: `words` are given and the texts cannot be had; see `texts`.
        """
        keep = np.ones(len(self), dtype=np.bool_)
        for name in ("profile", "language"):
            value = getattr(wanted, name)
            if value == "error" and name == "profile":
                keep &= _true(pc.is_valid(self.ads["error"]))
            elif value:
                keep &= _true(pc.equal(self.ads[name], value))
        for value, rows in ((wanted.code, self._codes), (wanted.tool, self._tools)):
            if value:
                carries = np.zeros(len(self), dtype=np.bool_)
                carries[rows.get(value, np.zeros(0, dtype=np.int64))] = True
                keep &= carries
        if (wanted.least, wanted.most) != (0.0, 1.0):
            keep &= (self._confidence >= wanted.least) & (self._confidence <= wanted.most)
        if wanted.words:
            texts = self.texts
            held = [_true(pc.match_substring(texts[n], wanted.words, ignore_case=True)) for n in ("text", "title")]
            keep &= held[0] | held[1]
        found = np.flatnonzero(keep).astype(np.int64)
        if wanted.order in ORDERS[1:]:
            sign = 1 if wanted.order == "unsure" else -1
            # Ads without a profile have no confidence and come last.
            found = found[np.argsort(np.nan_to_num(sign * self._confidence[found], nan=np.inf), kind="stable")]
        return found

    def profiles(self, rows: Rows | None = None) -> dict[str, int]:
        """How many of some ads, or of all, have each profile, most frequent first; `error` for those without."""
        column = self.ads["profile"] if rows is None else self.ads["profile"].take(pa.array(rows))
        return most_first(tally(pc.fill_null(column, "error")))

    def languages(self) -> dict[str, int]:
        """How many ads are in each language, most frequent first."""
        return most_first(tally(self.ads["language"]))

    def confidences(self, rows: Rows, bins: int = 10) -> list[int]:
        """How many of some ads fall into each of equally wide bins of confidence from 0 to 1."""
        known = self._confidence[rows]
        return [int(n) for n in np.histogram(known[~np.isnan(known)], bins=bins, range=(0, 1))[0]]

    def coded(self, rows: Sequence[int]) -> list[CodedAd]:
        """Some ads with their evidence."""
        out: dict[int, CodedAd] = {}
        for file, first, count in self._held(rows):
            table = _read(file)
            mine = [r for r in rows if first <= r < first + count]
            batch = table.take(pa.array([r - first for r in mine])).combine_chunks().to_batches()[0]
            out.update(zip(mine, coded_ads(batch), strict=True))
        return [out[r] for r in rows]

    def names(self, rows: Sequence[int]) -> list[str]:
        """What some ads may be called: title or first line; empty where there are no texts."""
        try:
            documents = [self.document(r) for r in rows]
        except InputError:
            return [""] * len(rows)
        lines = [(d.title or d.text[:1000].strip().partition("\n")[0]).strip() for d in documents]
        return [line[:NAME] + ("…" if len(line) > NAME else "") for line in lines]

    def row_of(self, id: str) -> int | None:
        """The number of the first ad with an id."""
        at = int(pc.index(self.ads["id"], id).as_py())
        return None if at < 0 else at

    def document(self, row: int) -> Document:
        """The text of an ad.

        Raises:
            InputError: See `texts`.
        """
        return Document(self.texts["text"][row].as_py() or "", self.texts["title"][row].as_py())

    @cached_property
    def texts(self) -> pa.Table:
        """Columns `text` and `title` of all ads: kept columns, or those of the input, if it is still the same.

        Where the text was kept and no title, the input is asked first, since the ads may have had titles.

        Raises:
            InputError: There are no texts: none was kept, and the input is gone, has changed or was standard input.
        """
        journal = read_json(self.folder / JOURNAL)
        options: dict[str, Any] = dict(journal.get("options of the input") or {})
        kept = set(pq.read_schema(self._files[0]).names) - set(_CODED.names)
        text, title = options.get("text") or "text", options.get("title") or "title"
        if text not in kept:
            return self._input(options)
        if title not in kept:
            with contextlib.suppress(InputError):
                return self._input(options)
        table = pa.concat_tables(_read(f, [n for n in (text, title) if n in kept]) for f in self._files)
        titles = table[title] if title in kept else pa.chunked_array([pa.nulls(len(table), pa.string())])
        return pa.table({"text": table[text].cast(pa.string()), "title": titles.cast(pa.string())}).combine_chunks()

    def _input(self, options: dict[str, Any]) -> pa.Table:
        files = self.manifest.get("input") or []
        advice = "Code the ads again with --keep text, or put the input back."
        if not files:
            raise InputError(f"The ads of {self.folder} came from standard input, and no text was kept. {advice}")
        for file in files:
            path = Path(file["path"])
            if not path.is_file():
                raise InputError(
                    f"Found no {path}, the input of {self.folder}, seen from here, and no text was kept. {advice}"
                )
            if file_hash(path) != file["sha256"]:
                raise InputError(f"The input {path} of {self.folder} has changed since it was coded. {advice}")
        columns = Columns(options.get("text"), options.get("title"), options.get("id"))
        source = Source.open(
            [f["path"] for f in files],
            columns,
            encoding=str(options.get("encoding") or "utf-8"),
            limit=options.get("limit"),
        )
        batches = [b.select(["text", "title"]) for b in source.batches(1000)]
        table = pa.Table.from_batches(batches).combine_chunks()
        if len(table) != len(self):
            raise InputError(
                f"{self.folder} holds {len(self):,} coded ads, its input {len(table):,}. Expected as many. {advice}"
            )
        return table

    @cached_property
    def _confidence(self) -> NDArray[np.float64]:
        column = self.ads["confidence"].combine_chunks()
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

    def _held(self, rows: Sequence[int]) -> Iterator[tuple[Path, int, int]]:
        """The parts that hold some rows: file, number of its first row, and how many it has."""
        ends = [*self._first[1:], len(self)]
        for file, first, end in zip(self._files, self._first, ends, strict=True):
            if any(first <= r < end for r in rows):
                yield file, first, end - first


def _read(file: Path, columns: list[str] | None = None) -> pa.Table:
    """A part, or some of its columns.

    Raises:
        InputError: It cannot be read, or another version wrote it.
    """
    try:
        table = pq.read_table(pa.BufferReader(file.read_bytes()), columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{file} cannot be read: {error}. Give the `embedcode classify` command again.") from error
    if columns is None and (lacking := [n for n in (*_LIGHT, "codes") if n not in table.column_names]):
        raise InputError(f"{file} has no column {', '.join(lacking)}; expected coded ads of this version. Code anew.")
    if columns is None and not _is_evidence(table.schema.field("codes").type):
        raise InputError(
            f"{file} holds other evidence in the column codes than this version writes. Code the ads anew."
        )
    return table


def _is_evidence(type: pa.DataType) -> bool:
    return bool(pa.types.is_list(type) and type.value_type == EVIDENCE)


def _by_value(column: pa.Array, row: Rows) -> list[tuple[str, Rows]]:
    """The rows of each value of a column."""
    encoded = column.dictionary_encode()
    index = pc.fill_null(encoded.indices, -1).to_numpy()
    return [(str(v), np.unique(row[index == i])) for i, v in enumerate(encoded.dictionary.to_pylist())]


def _merged(found: Sequence[tuple[str, Rows]]) -> dict[str, Rows]:
    lists: dict[str, list[Rows]] = {}
    for name, rows in found:
        lists.setdefault(name, []).append(rows)
    return {name: np.concatenate(rows) for name, rows in lists.items()}


def _true(mask: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _natural(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)
