"""What a run was asked to do, kept beside its parts, so that only the same run goes on with them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from embedcode._version import __version__
from embedcode.documents import Source
from embedcode.errors import OutputError
from embedcode.folder import JOURNAL, file_hash
from embedcode.parts import Part
from embedcode.remote import Place, Remote, size_and_time
from embedcode.storage import Storage

RARELY = 20
"""Noting parts takes no more than one part in so many of the time."""


class Journal:
    """The journal of a run.

    Attributes:
        earlier: SHA-256, by name, of the parts that an earlier run finished; None where the storage tells them.
    """

    def __init__(self, source: Source, metadata: dict[str, str], storage: Storage) -> None:
        self.earlier: dict[str, str] | None = None if storage.renames else {}
        self._noted: dict[str, str] = {}
        self._storage = storage
        self._asked: dict[str, Any] = {"bundle and options": metadata, "options of the input": source.options}
        self._files = source.files
        self._entries: list[dict[str, Any]] = []
        self._before: list[str | None] = []
        self._hashed = False
        self._thread = threading.Thread(target=self._hash, daemon=True)
        self._due = 0.0

    def begin(self) -> None:
        """Note what is asked, or check that it is what was asked before.

        Raises:
            OutputError: The folder holds the output of another run.
        """
        parts = self._storage.parts()
        before = self._storage.read_json(JOURNAL)
        self._entries = [_state(path) for path in self._files]
        if parts:
            if not before:
                differs = "it has no journal"
            elif not self._files:
                differs = "standard input cannot be read again"
            else:
                differs = self._difference(before)
            if differs:
                raise OutputError(
                    f"{self._storage} holds the coded ads of another run ({differs}). To code anew, delete them with "
                    "--restart, or name another folder with -o."
                )
            self._before = [entry["sha256"] for entry in before["input"]]
            if self.earlier is not None:
                self.earlier |= before.get("parts", {})
                self._noted |= self.earlier
        self._thread.start()
        if not parts:
            self._write()

    def _difference(self, before: dict[str, Any]) -> str:
        """How a journal differs from what is asked now; empty where it does not."""
        for what, asked in self._asked.items():
            if before.get(what) != json.loads(json.dumps(asked)):
                return f"another {what}"
        files = before.get("input", [])
        if len(files) != len(self._entries):
            return f"{len(files)} input files instead of {len(self._entries)}"
        for was, now, path in zip(files, self._entries, self._files, strict=True):
            same = was["bytes"] == now["bytes"] and (
                was["modified"] == now["modified"] or (was["sha256"] and was["sha256"] == _hash_of(path))
            )
            if not same:
                changed = f"the input {path} has changed"
                return changed if was["path"] == now["path"] else f"the input was {was['path']}, not {path}"
        return ""

    def note(self, part: Part) -> None:
        """Note a finished part, and the hashes of the input once they are known.

        Raises:
            OutputError: The input is another than that of the earlier run, although size and time are the same.
        """
        if self.earlier is not None:
            self._noted[part.name] = part.sha256
            began = time.monotonic()
            if began >= self._due:
                self._write()
                self._due = time.monotonic() + RARELY * (time.monotonic() - began)
        self._update()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Note all parts that are finished at the end of the block, however it ends."""
        try:
            yield
        finally:
            if self.earlier is not None:
                self._write()

    def _update(self) -> None:
        """Note the hashes of the input once they are known: files that are copied keep them."""
        if self._hashed or self._thread.is_alive():
            return
        self._hashed = True
        for was, entry in zip(self._before, self._entries, strict=False):
            if was and was != entry["sha256"]:
                raise OutputError(
                    f"The input {entry['path']} has changed since the run that {self._storage} holds, although size "
                    "and time are the same. To code anew, delete the parts with --restart, or name another folder "
                    "with -o."
                )
        self._write()

    def finish(self) -> list[dict[str, Any]]:
        """Note all.

        Returns:
            Path, size and SHA-256 of each input file; standard input has none, and no file of an object store has a
            hash.

        Raises:
            OutputError: As `note`.
        """
        self._thread.join()
        self._update()
        return [{k: e[k] for k in ("path", "bytes", "sha256")} for e in self._entries]

    def _write(self) -> None:
        parts = {} if self.earlier is None else {"parts": self._noted}
        self._storage.write_json(JOURNAL, {"embedcode": __version__, **self._asked, "input": self._entries, **parts})

    def _hash(self) -> None:
        for path, entry in zip(self._files, self._entries, strict=True):
            entry["sha256"] = _hash_of(path)


def _state(path: Place) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": str(path), "bytes": None, "modified": None, "sha256": None}
    with contextlib.suppress(OSError):
        size, modified = size_and_time(path)
        entry |= {"bytes": size, "modified": modified}
    return entry


def _hash_of(path: Place) -> str | None:
    """SHA-256 of a file; a file of an object store would have to be fetched for it and has none."""
    return None if isinstance(path, Remote) else file_hash(path)
