"""Values of Parquet and JSON columns as Arrow strings and types."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

JSON_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}
"""What an error calls a JSON value."""


def is_text(type: pa.DataType) -> bool:
    """Whether an Arrow type holds text, bytes that may be text, or nothing but nulls."""
    if pa.types.is_dictionary(type):
        type = type.value_type
    tests = (
        *("string", "large_string", "string_view"),
        *("binary", "large_binary", "binary_view", "fixed_size_binary", "null"),
    )
    return any(getattr(pa.types, f"is_{test}")(type) for test in tests)


def is_nameable(type: pa.DataType) -> bool:
    """Whether the values of an Arrow type can be written as strings."""
    try:
        pa.nulls(0, type).cast(pa.string())
    except pa.ArrowNotImplementedError:
        return False
    return True


def plain(column: pa.Array) -> pa.Array:
    """A column without dictionary: what a dictionary holds depends on where a file was cut."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def texts(column: pa.Array, name: str) -> tuple[pa.Array, pa.Array]:
    """The values of a column as strings, and for each value that is none (null), why (else null)."""
    if not is_text(column.type):
        error = f"the {name} column holds {column.type}, not text"
        return pa.nulls(len(column), pa.string()), pa.array([error] * len(column), pa.string())
    data = plain(column).cast(pa.binary())
    try:
        # Arrow takes a file's word for it that its strings are UTF-8; a cast from bytes looks.
        return data.cast(pa.string()), pa.nulls(len(column), pa.string())
    except pa.ArrowInvalid:
        pass
    values: list[str | None] = []
    errors: list[str | None] = []
    for value in data.to_pylist():
        try:
            values.append(None if value is None else value.decode())
            errors.append(None)
        except UnicodeDecodeError as error:
            values.append(None)
            errors.append(f"the {name} is not UTF-8: byte 0x{value[error.start]:02X} at offset {error.start}")
    return pa.array(values, pa.string()), pa.array(errors, pa.string())


def identifiers(column: pa.Array) -> pa.Array:
    """Any column as strings: numbers in decimal, bytes as UTF-8 with what is not UTF-8 written `\\xff`."""
    column = plain(column)
    if is_text(column.type):
        data = column.cast(pa.binary())
        try:
            return data.cast(pa.string())
        except pa.ArrowInvalid:
            values = (value and value.decode(errors="backslashreplace") for value in data.to_pylist())
            return pa.array(values, pa.string())
    if isinstance(column.type, pa.BaseExtensionType):  # a UUID, for one
        return pa.array((None if value is None else str(value) for value in column.to_pylist()), pa.string())
    return column.cast(pa.string())


def is_unicode(value: str | None) -> bool:
    """Whether a string can be written as UTF-8: JSON may hold one half of a surrogate pair, Arrow may not."""
    try:
        return value is None or value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def identity(value: object) -> str | None:
    """A JSON value as an ad's identifier, written as Arrow writes it."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else as_string(value)


def as_string(value: object) -> str | None:
    """A JSON value as a string; what is no string as JSON."""
    if value is None:
        return None
    string = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return string if is_unicode(string) else string.encode(errors="backslashreplace").decode()


def json_type(value: object) -> pa.DataType:
    """The Arrow type for a JSON value; lists, objects and numbers beyond 64 bits become strings."""
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64() if -(2**63) <= value < 2**63 else pa.string()
    return {type(None): pa.null(), float: pa.float64()}.get(type(value), pa.string())


def common_json_type(types: set[pa.DataType]) -> pa.DataType:
    """The type of a JSON column whose values have these types."""
    types = types - {pa.null()}
    if types == {pa.int64(), pa.float64()}:
        return pa.float64()
    return types.pop() if len(types) == 1 else pa.string()


def fitting(value: object, type: pa.DataType) -> object:
    """A JSON value for a column of this type; None where it does not fit."""
    if type == pa.string():
        return as_string(value)
    if type == pa.float64() and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return value if json_type(value) == type else None


def tally(column: pa.Array | pa.ChunkedArray) -> Counter[str]:
    """How often each value of a column of strings stands there; nulls are left out."""
    return Counter({c["values"]: c["counts"] for c in pc.value_counts(column.drop_null()).to_pylist()})


def most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts from the most frequent value to the least, equally frequent ones by name."""
    return dict(sorted(counts.items(), key=lambda c: (-c[1], c[0])))


def text_hash(text: str) -> int:
    """A number below 2^64 that stands for a text; the same in every run, unlike that of Python."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
