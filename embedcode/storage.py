"""Where the output of a run goes: a folder of this machine, or one in an object store."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa

from embedcode import folder as folders
from embedcode.errors import OutputError
from embedcode.folder import JOURNAL, MANIFEST, whole, write_whole
from embedcode.remote import ADVICE, Place, Remote

_PART = re.compile(r"part-(\d+)\.parquet")


class Storage(ABC):
    """A folder for the files of a run.

    Attributes:
        renames: Whether a name stands for a whole file, since it gets it when it is whole. Where it does not, a part
            counts once it is noted in the journal.
    """

    renames: bool

    @abstractmethod
    def __str__(self) -> str: ...

    def shared(self) -> Storage:
        """The same storage for several processes, whatever their working folders."""
        return self

    @abstractmethod
    def prepare(self, inputs: Collection[Place]) -> None:
        """Make sure that the folder can be written to and holds nothing but the files of a run.

        Args:
            inputs: Files that are read; none of them may lie in the folder.

        Raises:
            OutputError: It cannot take the output.
        """

    @abstractmethod
    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep other runs out, where that can be done."""

    @abstractmethod
    def clear(self, *, temporary: bool) -> None:
        """Delete the files of an earlier run, or only those that it had not finished."""

    @abstractmethod
    def parts(self) -> list[str]:
        """The names of the parts, in order."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where it cannot be read."""

    @abstractmethod
    def write(self, name: str, data: bytes | pa.Buffer) -> None:
        """Write a file that is whole or not there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON object of ours; empty where there is none."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.read(name) or b"{}")
            return found if isinstance(found, dict) else {}
        return {}

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a JSON object."""
        self.write(name, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


class Folder(Storage):
    """A folder of this machine, or one that several share."""

    renames = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def shared(self) -> Storage:
        return SharedFolder(self.path.absolute())

    def prepare(self, inputs: Collection[Place]) -> None:
        folders.prepare(self.path, inputs=[file for file in inputs if isinstance(file, Path)])

    def locked(self) -> contextlib.AbstractContextManager[None]:
        return folders.locked(self.path)

    def clear(self, *, temporary: bool) -> None:
        folders.clear(self.path, temporary=temporary)

    def parts(self) -> list[str]:
        return [path.name for path in folders.parts(self.path)]

    def read(self, name: str) -> bytes | None:
        with contextlib.suppress(OSError):
            return (self.path / name).read_bytes()
        return None

    def write(self, name: str, data: bytes | pa.Buffer) -> None:
        write_whole(self.path / name, data)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)


class SharedFolder(Folder):
    """A folder in which a process that was given up for lost may still write what another one writes by now."""

    def write(self, name: str, data: bytes | pa.Buffer) -> None:
        with whole(self.path / name, f".{platform.node()}-{os.getpid()}") as out:
            out.write(data)


class ObjectStore(Storage):
    """A folder in an object store, which knows neither locks nor new names for files."""

    renames = False

    def __init__(self, address: Remote) -> None:
        self.address = address

    def __str__(self) -> str:
        return str(self.address)

    def prepare(self, inputs: Collection[Place]) -> None:
        try:
            if not self.address.bucket.is_dir():
                raise OutputError(f"Cannot write to {self}: there is no bucket {self.address.bucket}. Check its name.")
            names = self._names()
        except OSError as error:
            raise self._failed(error) from error
        if within := [n for n in names if self.address / n in inputs]:
            raise OutputError(
                f"{self} holds the input ({', '.join(within[:5])}). Expected another folder for the output: name one "
                "with -o."
            )
        # A look into each of very many parts would take hours: they are ours where our journal lies beside them.
        ours = "embedcode" in self.read_json(JOURNAL)
        if foreign := [n for n in names if not (ours and (n in (JOURNAL, MANIFEST) or _PART.fullmatch(n)))]:
            raise OutputError(
                f"{self} holds something else already ({', '.join(foreign[:5])}). Expected an empty or new folder: "
                "name another with -o."
            )

    def locked(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def clear(self, *, temporary: bool) -> None:
        if temporary:  # there are none
            return
        for name in (*self.parts(), MANIFEST, JOURNAL):  # the journal last: it tells that the others are ours
            self.remove(name)

    def parts(self) -> list[str]:
        found = {int(match[1]): match[0] for match in map(_PART.fullmatch, self._names()) if match}
        return [found[number] for number in sorted(found)]

    def read(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return (self.address / name).read_bytes()
        return None

    def write(self, name: str, data: bytes | pa.Buffer) -> None:
        try:
            (self.address / name).write_bytes(data)
        except OSError as error:
            raise self._failed(error) from error

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.address / name).unlink()

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"Cannot write to {self}: {error}. {ADVICE}; then give the same command again.")

    def _names(self) -> list[str]:
        return sorted(entry.name for entry in self.address.iterdir())


def storage(at: Place) -> Storage:
    """The storage at a path or an address."""
    return ObjectStore(at) if isinstance(at, Remote) else Folder(at)
