"""Ads that are the first of their kind: their ids and signatures, in memory and in a file."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from embedcode.errors import InputError
from embedcode.folder import output_file
from embedcode.minhash import ALGORITHM, KEYS, Keys, Signatures

_ROOM = 1024

Counts = NDArray[np.uint32]


class Originals:
    """Originals by number, in the order in which they came.

    Attributes:
        keys, sizes: As in `minhash.Signatures`; shapes (n, KEYS) and (n,).
        counts: Ads of each one's cluster, itself among them, shape (n,).
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._ids, self._ends = bytearray(), array("Q")  # end to end: a string of Python's takes 50 bytes more
        self._keys = np.zeros((_ROOM, KEYS), dtype=np.uint32)
        self._sizes = np.zeros(_ROOM, dtype=np.uint32)
        self._counts = np.zeros(_ROOM, dtype=np.uint32)

    def __len__(self) -> int:
        return len(self._ends)

    # `append` may move the arrays: no view of them may be kept.

    @property
    def keys(self) -> Keys:
        return self._keys[: len(self)]

    @property
    def sizes(self) -> Counts:
        return self._sizes[: len(self)]

    @property
    def counts(self) -> Counts:
        return self._counts[: len(self)]

    def id(self, number: int) -> str:
        """The id of an original."""
        return self._ids[self._ends[number - 1] if number else 0 : self._ends[number]].decode()

    def append(self, ids: Sequence[str], signatures: Signatures) -> None:
        """Add originals; none is counted yet."""
        first = len(self)
        for id in ids:
            self._ids += id.encode()
            self._ends.append(len(self._ids))
        if len(self) > len(self._sizes):
            room = len(self) + max(_ROOM, len(self) // 4)
            for column in (self._keys, self._sizes, self._counts):
                column.resize((room, *column.shape[1:]), refcheck=False)  # in place: a copy would take twice the memory
        self.keys[first:], self.sizes[first:] = signatures.keys, signatures.sizes

    def save(self, path: Path) -> None:
        """Write a file (NumPy's .npz without pickled objects); it is whole, or as it was before.

        Raises:
            OutputError: It cannot be written.
        """
        with output_file(path) as out:
            np.savez(
                out,
                algorithm=np.array(ALGORITHM),
                ids=np.frombuffer(self._ids, np.uint8),
                ends=np.frombuffer(self._ends, np.uint64),
                keys=self.keys,
                sizes=self.sizes,
                counts=self.counts,
            )

    @classmethod
    def load(cls, path: Path) -> Originals:
        """Read what `save` wrote.

        Raises:
            InputError: The file cannot be read, is none of these, is damaged, or of another version.
        """
        found = cls()
        try:
            with np.load(path, allow_pickle=False) as file:
                algorithm = str(file["algorithm"])
                if algorithm == ALGORITHM:
                    found._fill(*(file[n] for n in ("ids", "ends", "keys", "sizes", "counts")))
        except (OSError, EOFError, KeyError, ValueError, TypeError, RuntimeError, BadZipFile, zlib.error) as error:
            raise InputError(
                f"{path} is no index of ads that embedcode wrote, or is damaged ({error}). Restore it, or name a file "
                "that is not there yet and begin with the earliest ads."
            ) from error
        if algorithm != ALGORITHM:
            raise InputError(
                f"{path} was written by another version of embedcode ({algorithm}; expected {ALGORITHM}), whose "
                "signatures cannot be compared. Name a file that is not there yet and begin with the earliest ads."
            )
        return found

    def _fill(
        self, ids: NDArray[np.uint8], ends: NDArray[np.uint64], keys: Keys, sizes: Counts, counts: Counts
    ) -> None:
        """Take the columns of a file."""
        n = len(ends)
        sound = (
            [a.dtype for a in (ids, ends, keys, sizes, counts)] == ["u1", "u8", "u4", "u4", "u4"]
            and [a.shape for a in (ids, ends, keys, sizes, counts)] == [(len(ids),), (n,), (n, KEYS), (n,), (n,)]
            and (ends[1:] >= ends[:-1]).all()
            and int(ends[-1] if n else 0) == len(ids)
        )
        if not sound:
            raise ValueError("its columns do not fit together")
        self._ids, self._ends = bytearray(ids.tobytes()), array("Q", ends.tobytes())
        self._keys, self._sizes, self._counts = keys.copy(), sizes.copy(), counts.copy()
