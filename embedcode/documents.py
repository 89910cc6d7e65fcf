"""Ads as a stream of Arrow record batches, whatever files they come in."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embedcode.errors import InputError
from embedcode.formats import FORMATS, AdsFile, JsonLines, Pick, format_of
from embedcode.remote import ADVICE, MAGIC, Place, Remote, is_remote
from embedcode.types import NO_TEXT
from embedcode.values import is_nameable, is_text, plain

BATCH_BYTES = 1 << 25
"""Longest texts of a batch together, in bytes; a longer text makes a batch of its own."""

STANDARD_INPUT = "-"

TEXT_NAMES = (
    "text",
    "description",
    "full_text",
    "job_description",
    "job_text",
    "vacaturetekst",
    "content",
    "body",
)
TITLE_NAMES = ("title", "job_title", "titel", "functietitel", "vacaturetitel")
ID_NAMES = ("id", "ad_id", "job_id", "vacature_id")
"""Names by which a column is found, the first one first, in upper or lower case."""

OUTPUT_NAMES = frozenset(
    {
        "id",
        "profile",
        "confidence",
        "probabilities",
        "language",
        "n_segments",
        "codes",
        "strengths",
        "duplicate_of",
        "error",
    }
)
"""Columns of the coded ads; no kept column may have one of these names."""

CODED_NAMES = frozenset(("profile", "codes", "strengths"))
"""Columns by which coded ads are told from ads."""


@dataclass(frozen=True)
class Columns:
    """The columns asked for.

    Attributes:
        text: The text of the ad; None: found by name.
        title: Its title; None: found by name, or none.
        id: Its identifier; None: found by name, or the number of the row.
        keep: Further columns to pass on, or `("all",)`.
    """

    text: str | None = None
    title: str | None = None
    id: str | None = None
    keep: tuple[str, ...] = ()


class Source:
    """Ads from Parquet, CSV or JSON Lines files, or from JSON Lines on standard input.

    Attributes:
        files: The files in the order in which they are read, unreadable ones among them; none for standard
            input, which can be read only once.
        kept: The kept columns under their own names, with their types in the input; those of a dictionary
            column are its values', those of a JSON column are found from its first thousand lines.
        options: What was asked for beside the files, as far as it decides what is read.
        picks: The files that can be read, and the columns to read from each.
        unreadable: What to say of the others.
        limit: How many rows are read at most.
        problems: After reading: what could not be read, a sentence or two for each file or part.
    """

    def __init__(
        self,
        files: tuple[Place, ...],
        picks: Sequence[tuple[AdsFile, Pick]],
        kept: pa.Schema,
        unreadable: Sequence[str] = (),
        limit: int | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self.files = files
        self.options = dict(options or {})
        self.kept = kept
        self.problems = list(unreadable)
        self.picks = picks
        self.unreadable = unreadable
        self.limit = limit

    @property
    def is_numbered(self) -> bool:
        """Whether ads are named by their row, for want of a column with their identifiers."""
        return any(pick.id is None for _, pick in self.picks)

    @classmethod
    def open(
        cls,
        inputs: Sequence[str],
        columns: Columns = Columns(),
        *,
        encoding: str = "utf-8",
        limit: int | None = None,
    ) -> Source:
        """Find the files and their columns.

        Args:
            inputs: Files, folders (not those within them) and globs, read in this order, those of a folder or
                glob by name; a file that is named twice is read once. Or `-` alone for standard input.
            encoding: Of CSV and JSON Lines files that do not begin with a byte order mark.
            limit: Read so many rows at most.

        Raises:
            InputError: There is nothing to read, no file can be read, or a column is missing in one of them.
        """
        try:
            "a".encode(encoding)
        except LookupError as error:
            raise InputError(f"No encoding is called {encoding!r}. Expected utf-8, cp1252 or the like.") from error
        if STANDARD_INPUT in inputs:
            if len(inputs) > 1:
                raise InputError("`-` (standard input) cannot be read along with files. Give one or the other.")
            files: tuple[Place, ...] = ()
            ads: list[AdsFile] = [JsonLines(None, encoding)]
        else:
            try:
                files = tuple(dict.fromkeys(path for given in inputs for path in find(given)))
            except OSError as error:
                raise InputError(f"The input cannot be opened: {error}. Check name and permissions.") from error
            ads = [(format_of(path) or JsonLines)(path, encoding) for path in files]
        found: list[tuple[AdsFile, pa.Schema]] = []
        unreadable: list[str] = []
        for file in ads:
            try:
                schema = file.schema()
            except InputError as error:
                if len(ads) == 1:
                    raise
                unreadable.append(str(error))
            else:
                if schema is not None:
                    found.append((file, schema))
        if unreadable and len(unreadable) == len(ads):
            raise InputError(f"None of the {len(ads)} files can be read. The first: {unreadable[0]}")
        picked = [(file, pick(file, schema, columns)) for file, schema in found]
        kept = kept_columns(found, columns.keep, {one.id for _, one in picked})
        options = {**asdict(columns), "encoding": encoding, "limit": limit}
        return cls(files, [(file, replace(one, keep=kept)) for file, one in picked], kept, unreadable, limit, options)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the batches: `id`, `title`, `text`, `error`, then the kept columns as `keep:NAME`."""
        return Pick("", None, None, self.kept).layout

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Read all ads.

        Args:
            rows: Rows of a batch, whatever the files; the last one may have fewer, and so have those whose texts
                would be longer than `BATCH_BYTES` together.

        Yields:
            Batches of `schema`. `id` is never null (the row's number in the input, from 0, where there is no
            other), `title` may be, `error` is null or says why the row cannot be coded.

        Raises:
            InputError: Nothing of the only input can be read. Other trouble is named in `problems`.
        """
        if rows < 1:
            raise ValueError(f"a batch of {rows} rows")
        return batched(self._read(), rows)

    def _read(self) -> Iterator[pa.RecordBatch]:
        """The batches as the files give them, up to the limit."""
        self.problems = list(self.unreadable)
        left = sys.maxsize if self.limit is None else self.limit
        for file, picked in self.picks:
            file.problems.clear()
            count = 0
            try:
                for batch in file.read(picked):
                    yield batch.slice(0, left)
                    count += len(batch)
                    left -= len(batch)
                    if left <= 0:
                        break
            except InputError as error:
                if len(self.files) < 2 and not count:
                    raise
                self.problems.append(f"{error} Its first {count} rows were read.")
            self.problems += file.problems
            if left <= 0:
                return


class Cutter:
    """Says where batches end: after so many rows, or before their texts would be longer than `BATCH_BYTES` together."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._count = self._size = 0

    def cut(self, lengths: NDArray[np.int32]) -> Iterator[tuple[int, bool]]:
        """Cut rows that follow those given before.

        Args:
            lengths: Bytes of their texts, shape (n,).

        Yields:
            A number of rows, and whether a batch ends after them.
        """
        ends = np.cumsum(lengths, dtype=np.int64)
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            fits = int(np.searchsorted(ends, BATCH_BYTES - self._size + before, side="right")) - first
            take = max(min(fits, self._rows - self._count, len(ends) - first), 0 if self._count else 1)
            first += take
            self._count += take
            self._size += int(ends[first - 1]) - before if take else 0
            full = first < len(ends) or self._count == self._rows
            if full:
                self._count = self._size = 0
            yield take, full


def batched(read: Iterable[pa.RecordBatch], rows: int, first: int = 0) -> Iterator[pa.RecordBatch]:
    """Rows in batches as `Cutter` cuts them, completed.

    Args:
        read: Batches of any size.
        rows: Rows of a batch, at most.
        first: The number of the first row.
    """
    cutter = Cutter(rows)
    waiting: list[pa.RecordBatch] = []

    def whole() -> pa.RecordBatch:
        nonlocal first, waiting
        # Concatenated even if it is one: a slice would drag its whole batch along when pickled.
        batch = completed(pa.concat_batches(waiting), first)
        first, waiting = first + len(batch), []
        return batch

    for batch in read:
        done = 0
        for take, full in cutter.cut(text_lengths(batch)):
            if take:
                waiting.append(batch.slice(done, take))
                done += take
            if full:
                yield whole()
    if waiting:
        yield whole()


def text_lengths(batch: pa.RecordBatch) -> NDArray[np.int32]:
    """Bytes of the texts of a batch, shape (n,); 0 where there is none."""
    lengths: NDArray[np.int32] = pc.fill_null(pc.binary_length(batch.column("text")), 0).to_numpy(zero_copy_only=False)
    return lengths


def find(given: str) -> Sequence[Place]:
    """The files that one input names.

    Raises:
        InputError: There are none, or they are not ads.
    """
    if is_remote(given):
        return find_remote(Remote.parse(given))
    path = Path(given)
    if path.is_dir():
        files = sorted(filter(is_ads, path.iterdir()))
        if not files:
            inside = listed(sorted(entry.name for entry in path.iterdir()))
            raise InputError(
                f"The folder {given} holds no ads. Expected files that end in {listed(FORMATS)}; "
                f"found: {inside}. A glob reaches the folders within it: '{path / '**' / '*.parquet'}'."
            )
        return files
    if path.exists():
        if format_of(path) is None:
            raise InputError(
                f"{given} cannot be read: its name ends in none of {listed(FORMATS)}. Rename it, "
                "convert it, or pass JSON Lines on standard input, with `-` for the file."
            )
        return [path]
    if not glob.has_magic(given):
        beside = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else None
        where = f"The folder {path.parent} does not exist either" if beside is None else f"Beside it: {listed(beside)}"
        raise InputError(f"There is no file or folder {given}. {where}. Check the name, or use a glob in quotes.")
    matches = [Path(match) for match in sorted(glob.glob(given, recursive=True))]
    files = [match for match in matches if is_ads(match)]
    if not files:
        raise InputError(
            f"The glob {given} matches no file of ads. Expected files that end in {listed(FORMATS)}; "
            f"it matches: {listed(match.name for match in matches)}."
        )
    return files


def find_remote(address: Remote) -> list[Remote]:
    """The files that an address names: a file, a folder, or a glob.

    Raises:
        InputError: There are none, or they are not ads.
    """
    try:
        if MAGIC & set(address.key):
            files = address.glob()
        else:
            files = [address] if address.is_file() else sorted(address.iterdir())
    except OSError as error:
        raise InputError(f"{address} cannot be read: {error}. {ADVICE}.") from error
    found = [file for file in files if is_ads(file)]
    if not found:
        raise InputError(
            f"There are no ads at {address}. Expected a file, a folder or a glob of files that end in "
            f"{listed(FORMATS)}; found: {listed(file.name for file in files)}. Check the address and the credentials."
        )
    return found


def is_ads(path: Place) -> bool:
    """Whether a file found in a folder is taken for ads."""
    return (
        not path.name.startswith((".", "_"))
        and path.name != "manifest.json"
        and format_of(path) is not None
        and (isinstance(path, Remote) or path.is_file())  # what a store lists under such a name is a file
    )


def pick(file: AdsFile, schema: pa.Schema, columns: Columns) -> Pick:
    """The columns of one file, none kept yet.

    Raises:
        InputError: A column is missing, is there twice or does not hold what it should.
    """
    if columns.text is None and CODED_NAMES.issubset(schema.names):
        raise InputError(
            f"{file} holds coded ads, the output of `embedcode classify`. Expected ads: the manifest.json "
            "beside it names those that were coded. To code its texts once more, add --text-column text."
        )
    text = choose(file, schema, "text", columns.text, TEXT_NAMES, lambda type: True)
    if text is None:
        raise InputError(
            f"{file} has no column called {listed(TEXT_NAMES)}. Found: {listed(schema.names)}. "
            "Name the column of the ad texts: --text-column NAME."
        )
    title = choose(file, schema, "title", columns.title, TITLE_NAMES, is_text)
    id = choose(file, schema, "id", columns.id, ID_NAMES, is_nameable)
    return Pick(text, title, id, pa.schema([]))


def choose(
    file: AdsFile,
    schema: pa.Schema,
    role: str,
    asked: str | None,
    known: Sequence[str],
    suits: Callable[[pa.DataType], bool],
) -> str | None:
    """The column asked for, or the first one that is known by name and suits by type, or None."""
    names: list[str] = schema.names
    if asked is not None:
        if asked not in names:
            raise InputError(f"{file} has no column `{asked}` (--{role}-column). Found: {listed(names)}.")
        candidates = [asked]
    else:
        candidates = [
            name
            for obvious in known
            for name in sorted(names, key=lambda name: name != obvious)
            if name.strip().casefold() == obvious
        ]
    for name in candidates:
        once(file, schema, name)
        type = schema.field(name).type
        if suits(type):
            return name
        if asked is not None:
            raise InputError(f"Column `{name}` of {file} cannot be the {role}: it holds {type}. Name another.")
    return None


def kept_columns(found: list[tuple[AdsFile, pa.Schema]], keep: tuple[str, ...], ids: set[str | None]) -> pa.Schema:
    """Names and types of the kept columns over all files.

    Args:
        ids: The columns taken as identifiers: one called `id` is in the output as it is.

    Raises:
        InputError: A column is missing, clashes with one of the output, or has types that do not go together.
    """
    if keep == ("all",):
        names = dict.fromkeys(name for _, schema in found for name in schema.names)
    else:
        names = dict.fromkeys(keep if found else ())
        for file, schema in found:
            if lacking := [name for name in names if name not in schema.names]:
                raise InputError(f"{file} has no column {listed(lacking)} (--keep). Found: {listed(schema.names)}.")
    if "id" in ids:
        names.pop("id", None)
    if clashes := [name for name in names if name in OUTPUT_NAMES]:
        others = ",".join(name for name in names if name not in OUTPUT_NAMES)
        advice = f"Rename them, or keep the others: --keep {others}" if others else "Rename them"
        raise InputError(f"The columns {listed(clashes)} cannot be kept: the coded ads have such columns. {advice}.")
    return pa.schema([(name, common_type(name, found)) for name in names])


def common_type(name: str, found: list[tuple[AdsFile, pa.Schema]]) -> pa.DataType:
    """The type of a column over all files that have it: string where no number type holds them."""
    types: dict[pa.DataType, AdsFile] = {}
    for file, schema in found:
        if name in schema.names:
            once(file, schema, name)
            types.setdefault(plain(pa.nulls(0, schema.field(name).type)).type, file)
    try:
        schemas = [pa.schema([(name, type)]) for type in types]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowTypeError as error:
        if all(map(is_nameable, types)):
            return pa.string()
        seen = listed(f"{type} in {file}" for type, file in types.items())
        raise InputError(f"Column `{name}` cannot be kept: it is {seen}. Code these files one by one.") from error


def once(file: AdsFile, schema: pa.Schema, name: str) -> None:
    """Raise an `InputError` if a file has several columns of one name."""
    if (count := schema.names.count(name)) > 1:
        raise InputError(f"{file} has {count} columns called `{name}`. Expected one: rename the others.")


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names for a message."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nothing"


def completed(batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
    """Fill `id` with row numbers from `row`, and `error` where there is no text."""
    id, title, text, error, *kept = batch.columns
    numbers = pa.array(map(str, range(row, row + len(batch))), pa.string())
    id = pc.if_else(blank(id), numbers, id)
    title = pc.if_else(blank(title), None, title)
    error = pc.if_else(pc.and_(pc.is_null(error), blank(text)), NO_TEXT, error)
    return pa.record_batch([id, title, text, error, *kept], schema=batch.schema)


def blank(strings: pa.Array) -> pa.Array:
    """Where a string is null, empty or white space only."""
    return pc.or_(pc.equal(pc.binary_length(strings), 0), pc.utf8_is_space(strings)).fill_null(True)
