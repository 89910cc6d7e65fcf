"""Reads what `classify` wrote: a folder with its parts, or one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedcode.coded import EVIDENCE, coded_schema
from embedcode.errors import InputError
from embedcode.folder import MANIFEST, parts, read_json

_CODED = coded_schema((), ())
_BATCH_ROWS = 1024


def is_finished(coded: Path) -> bool:
    """Whether the run that wrote coded ads came to its end."""
    return coded.is_file() or (coded / MANIFEST).is_file()


def batches(coded: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of coded ads, batch by batch.

    Raises:
        InputError: There are no coded ads, or they cannot be read.
    """
    files = coded_files(coded)
    return _batches(files, _schema(files[0][0]), columns)


def schema_of(coded: Path) -> pa.Schema:
    """The columns of coded ads, and in its metadata how they were coded.

    Raises:
        InputError: There are no coded ads, or they cannot be read.
    """
    return _schema(coded_files(coded)[0][0])


def coded_files(coded: Path) -> list[tuple[Path, int | None]]:
    """The files to read and, where the manifest says so, how many rows each has.

    Raises:
        InputError: There are no coded ads, or not all that the manifest lists.
    """
    if coded.is_file():
        return [(coded, None)]
    if not coded.is_dir():
        raise InputError(f"Found no {coded}; expected coded ads. Give the folder that `embedcode classify` wrote.")
    there = {p.name: p for p in parts(coded)}
    if not (coded / MANIFEST).exists():
        found: list[tuple[Path, int | None]] = [(p, None) for p in there.values()]
    else:
        listed = read_json(coded / MANIFEST).get("parts")
        if not isinstance(listed, list) or not all(isinstance(p, dict) and type(p.get("rows")) is int for p in listed):
            raise InputError(
                f"{coded / MANIFEST} lists no parts; expected the manifest that `embedcode classify` writes. Code the "
                "ads again."
            )
        names = [str(p.get("name")) for p in listed]
        lacking = [n for n in names if n not in there]
        if lacking:
            raise InputError(
                f"{coded} lacks {', '.join(lacking[:5])}, which its {MANIFEST} lists; expected all parts. Restore "
                "them, or give the `embedcode classify` command again to go on where it stopped."
            )
        found = [(there[n], p["rows"]) for n, p in zip(names, listed, strict=True)]
    if not found:
        raise InputError(f"Found no part-*.parquet in {coded}; expected coded ads, as `embedcode classify` writes.")
    return found


def _schema(file: Path) -> pa.Schema:
    """The schema of a file of coded ads."""
    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from error
    names = schema.names
    kinds = {"probabilities": pa.types.is_struct, "strengths": pa.types.is_struct, "codes": pa.types.is_list}
    wrong = [n for n in _CODED.names if names.count(n) != 1]
    wrong += [n for n, is_kind in kinds.items() if n in names and not is_kind(schema.field(n).type)]
    if not wrong and schema.field("codes").type.value_type != EVIDENCE:
        wrong = ["codes"]
    if wrong:
        raise InputError(
            f"{file} lacks {', '.join(wrong)} as `embedcode classify` writes it; found the columns "
            f"{', '.join(names)}. Give coded ads, or code the ads again with this version."
        )
    return schema


def _unreadable(file: Path, error: Exception) -> InputError:
    return InputError(
        f"Cannot read coded ads from {file} ({error}). Expected Parquet as `embedcode classify` writes it. Delete the "
        "file and give the classify command again to code its ads anew."
    )


def _batches(
    files: Sequence[tuple[Path, int | None]], schema: pa.Schema, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for file, rows in files:
        if _schema(file) != schema:
            raise InputError(
                f"{file} holds other columns than {files[0][0].name}; expected parts of one run. Code the ads into a "
                "folder of their own."
            )
        try:
            with pq.ParquetFile(file) as source:
                if rows is not None and source.metadata.num_rows != rows:
                    raise InputError(
                        f"{file} holds {source.metadata.num_rows} rows, its {MANIFEST} says {rows}. Delete the file "
                        "and give the classify command again to code its ads anew."
                    )
                yield from source.iter_batches(_BATCH_ROWS, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(file, error) from error
