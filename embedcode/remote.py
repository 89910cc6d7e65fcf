"""Addresses in object stores (`s3://`, `gs://`), with as much of `pathlib.Path` as reading and writing ads needs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from embedcode.errors import InputError

SCHEMES = ("s3", "gs")
MAGIC = frozenset("*?[")

ADVICE = "Check the address, the credentials and, for a server of your own, AWS_ENDPOINT_URL"
"""What to do where a store cannot be used."""

PATIENCE = timedelta(seconds=60)
"""How long Google Cloud Storage is asked again and again; its own limit is a quarter of an hour."""


@dataclass(frozen=True, order=True)
class Remote:
    """A file or folder in an object store.

    Attributes:
        scheme: The kind of store.
        key: Bucket and path, without a slash at the end.
    """

    scheme: str
    key: str

    @classmethod
    def parse(cls, address: str) -> Remote:
        """The file or folder of an address such as `s3://bucket/folder/file`.

        Raises:
            InputError: It is none.
        """
        scheme, _, key = address.partition("://")
        if scheme not in SCHEMES or not key.strip("/"):
            raise InputError(
                f"{address} names no object store that is known. Expected s3://BUCKET/... or gs://BUCKET/..., or a "
                "path of this machine."
            )
        return cls(scheme, key.strip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, name: str) -> Remote:
        return Remote(self.scheme, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        return PurePosixPath(self.key).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.key).suffix

    @property
    def bucket(self) -> Remote:
        """The bucket that it is in."""
        return Remote(self.scheme, self.key.partition("/")[0])

    def is_file(self) -> bool:
        return bool(self._info().is_file)

    def is_dir(self) -> bool:
        import pyarrow.fs as fs

        return bool(self._info().type == fs.FileType.Directory)

    def size_and_time(self) -> tuple[int, int]:
        """Bytes, and time of change in nanoseconds.

        Raises:
            FileNotFoundError: There is no such file.
        """
        info = self._info()
        if not info.is_file:
            raise FileNotFoundError(f"no such object: {self}")
        return info.size, info.mtime_ns or 0

    def iterdir(self) -> Iterator[Remote]:
        """What lies in the folder itself; nothing where there is no such folder."""
        yield from (Remote(self.scheme, info.path) for info in self._listed(recursive=False))

    def glob(self) -> list[Remote]:
        """The files that match, where the address is a pattern of pathlib's kind, in order."""
        parts = self.key.split("/")
        fixed = next(n for n, part in enumerate(parts) if MAGIC & set(part))
        if not fixed:
            raise InputError(f"The glob {self} does not name its bucket. Expected a bucket without * or ?.")
        base = Remote(self.scheme, "/".join(parts[:fixed]))
        found = base._listed(recursive=len(parts) > fixed + 1 or parts[-1] == "**")
        return sorted(Remote(self.scheme, i.path) for i in found if i.is_file and matches(i.path.split("/"), parts))

    def open(self, mode: str = "rb") -> IO[bytes]:
        """The file to read, at any place."""
        # Arrow's files have what Python's raw files have, but not their type.
        return cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, self.random_access())))

    def random_access(self) -> Any:
        """The file as Arrow reads it."""
        return self._file_system.open_input_file(self.key)

    def read_bytes(self) -> bytes:
        with self.random_access() as file:
            return bytes(file.read())

    def write_bytes(self, data: Any) -> None:
        """Write the file; it is whole or not there, as object stores have it."""
        # Not compressed, whatever its name.
        with self._file_system.open_output_stream(self.key, compression=None) as out:
            out.write(data)

    def unlink(self) -> None:
        self._file_system.delete_file(self.key)

    @property
    def _file_system(self) -> Any:
        return file_system(self.scheme, self.bucket.key)

    def _info(self) -> Any:
        return self._file_system.get_file_info(self.key)

    def _listed(self, *, recursive: bool) -> list[Any]:
        import pyarrow.fs as fs

        selector = fs.FileSelector(self.key, allow_not_found=True, recursive=recursive)
        return list(self._file_system.get_file_info(selector))


Place = Path | Remote
"""Where a file is."""


def is_remote(given: str) -> bool:
    """Whether an input or output is an address, not a path."""
    return "://" in given


def place(given: str) -> Place:
    """A path or an address.

    Raises:
        InputError: It is the address of something unknown.
    """
    return Remote.parse(given) if is_remote(given) else Path(given)


def absolute(file: Place) -> Place:
    """The same file, whatever the working folder."""
    return file if isinstance(file, Remote) else file.absolute()


def size_and_time(file: Place) -> tuple[int, int]:
    """Bytes of a file, and its time of change in nanoseconds."""
    if isinstance(file, Remote):
        return file.size_and_time()
    state = file.stat()
    return state.st_size, state.st_mtime_ns


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern, in which `**` stands for any number of them."""
    if not pattern or not parts:
        return not parts and all(p == "**" for p in pattern)
    if pattern[0] == "**":
        return matches(parts, pattern[1:]) or matches(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and matches(parts[1:], pattern[1:])


@lru_cache
def file_system(scheme: str, bucket: str) -> Any:
    """The file system that a bucket is in.

    S3: credentials and region come from where the AWS tools look for them; `AWS_ENDPOINT_URL_S3` or
    `AWS_ENDPOINT_URL` names the server, where it is not Amazon's.
    """
    import pyarrow.fs as fs

    if scheme == "gs":
        return fs.GcsFileSystem(retry_time_limit=PATIENCE)
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        return fs.S3FileSystem(endpoint_override=endpoint)
    if os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        return fs.S3FileSystem()
    return fs.FileSystem.from_uri(f"s3://{bucket}")[0]  # asks for the region of the bucket
