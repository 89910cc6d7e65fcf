"""Bundles: everything that coding and rebuilding need, in one folder under `indexes/`.

`manifest.json` names the other files with their SHA-256. Data files carry a part of it in their names and are
never overwritten, so replacing the manifest, the last step of saving, switches from the old bundle to the new one
at once. Nothing is pickled: tables are safetensors, the rest is JSON and plain text. The FAISS index is built from
the vectors at load.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from embedcode._version import __version__
from embedcode.codes import CodeModel
from embedcode.embedder import FoldTables, StaticEmbedder
from embedcode.errors import BundleError
from embedcode.head import Head
from embedcode.labelled import Labelled
from embedcode.terms import TermHits
from embedcode.types import Anchor, Code, CodingBook, Facet, Profile, Term, Tool

FORMAT = 1
"""Version of the layout; a bundle of a higher one is refused."""

MANIFEST = "manifest.json"
STATIC = "static"
TRANSFORMER = "sentence-transformers"

_REQUIRED = ("book", "anchors", "models")

Tensors = dict[str, NDArray[Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class EmbedderSpec:
    """Which embedder a bundle was built with.

    Attributes:
        kind: `static` or `sentence-transformers`.
        name: Name of the model, where it is not in the bundle.
        sha256: Of the model's weights, where it is not in the bundle and they are known.
    """

    kind: str
    name: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Bundle:
    """A built bundle.

    Attributes:
        book: The coding book that it was built from.
        book_hash: `book.book_hash` of its files.
        anchor_vectors: Quantised vectors of the anchors, shape (n_anchors, dimension).
        codes: Calibration and thresholds of the codes.
        head: The profile head.
        tool_precision: Share of mentions that are right, by `Tool.match`.
        embedder: Which embedder it was built with.
        static: The embedder itself, where it is a static one.
        folds: The embedder without each fold of the labelled ads, where it is a static one.
        labelled: The labelled ads as numbers.
        figures: What was measured in building, for people to read.
    """

    book: CodingBook
    book_hash: str
    anchor_vectors: NDArray[np.int8]
    codes: CodeModel
    head: Head
    tool_precision: Mapping[str, float]
    embedder: EmbedderSpec
    static: StaticEmbedder | None = None
    folds: FoldTables | None = None
    labelled: Labelled | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the bundle; the one that stands there stays whole until this one is.

        Raises:
            BundleError: The folder cannot be written to, or holds something else.
        """
        present = folder.is_dir() and any(p for p in folder.iterdir() if p.name != "README.md")
        if present and not (folder / MANIFEST).is_file():
            raise BundleError(
                f"{folder} holds something that is not a bundle (no {MANIFEST}). Name another folder with --output."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = {}
            for key, (suffix, data) in self._contents().items():
                digest = hashlib.sha256(data).hexdigest()
                files[key] = {"name": f"{key}-{digest[:12]}{suffix}", "sha256": digest}
                _write(folder / files[key]["name"], data)
            manifest = {
                "format": FORMAT,
                "embedcode": __version__,
                "book_hash": self.book_hash,
                "embedder": asdict(self.embedder),
                "files": files,
                "figures": dict(self.figures),
            }
            _write(folder / MANIFEST, _json(manifest, indent=1), replace=True)
            current = {f["name"] for f in files.values()}
            for old in folder.iterdir():
                if _OURS.fullmatch(old.name) and old.name not in current:
                    old.unlink()
        except OSError as error:
            raise BundleError(f"Cannot write the bundle to {folder}: {error}. The old one is unchanged.") from error

    def _contents(self) -> dict[str, tuple[str, bytes]]:
        """The data files: key to suffix and content."""
        out = {
            "book": (".json", _json(asdict(self.book), indent=None)),
            "anchors": (".safetensors", save_tensors({"vectors": self.anchor_vectors})),
            "models": (".json", _json(self._models(), indent=None)),
        }
        if self.static:
            out["words"] = (".txt", "".join(f"{w}\n" for w in self.static.words).encode())
            out["embedder"] = (".safetensors", save_tensors({"table": self.static.table}))
        if self.folds:
            out["folds"] = (".safetensors", save_tensors({"rows": self.folds.rows, "tables": self.folds.tables}))
        if self.labelled:
            tensors, names = _labelled_parts(self.labelled)
            out["labelled"] = (".safetensors", save_tensors(tensors))
            out["labels"] = (".json", _json(names, indent=None))
        return out

    def _models(self) -> dict[str, Any]:
        codes, head = self.codes, self.head
        return {
            "codes": {
                "codes": codes.codes,
                "strength": codes.strength.tolist(),
                "context": codes.context.tolist(),
                "thresholds": codes.thresholds.tolist(),
            },
            "head": {
                "profiles": head.profiles,
                "mean": head.mean.tolist(),
                "scale": head.scale.tolist(),
                "weights": head.weights.tolist(),
                "intercept": head.intercept.tolist(),
                "temperature": head.temperature,
            },
            "tool_precision": dict(self.tool_precision),
        }


_KEYS = ("book", "anchors", "models", "words", "embedder", "folds", "labelled", "labels")
_OURS = re.compile(
    rf"(?:{'|'.join(_KEYS)})-[0-9a-f]{{12}}\.(?:json|safetensors|txt)|\.(?:{'|'.join(_KEYS)}|manifest)\b.*\.tmp"
)
"""Names of data files, and of what a save that was cut off leaves behind."""


def load_bundle(folder: Path, *, labelled: bool = False) -> Bundle:
    """Load a bundle.

    Args:
        folder: The folder with its manifest.
        labelled: Also load what only building needs: the labelled ads and the embedders without each fold.

    Raises:
        BundleError: A file is missing, has another hash than the manifest says, or is not what it should be.
    """
    files = _Files(folder)
    manifest = files.manifest
    book = files.parse("book", lambda data: _book(json.loads(data)))
    anchors = files.tensors("anchors", {"vectors": (np.int8, (len(book.anchors), None))})["vectors"]
    codes, head, precision = files.parse("models", lambda data: _load_models(json.loads(data)))
    spec = EmbedderSpec(**{k: str(manifest["embedder"].get(k, "")) for k in ("kind", "name", "sha256")})
    static = folds = ads = None
    if spec.kind == STATIC:
        words = files.parse("words", lambda data: data.decode().splitlines())
        shape = (len(words), anchors.shape[1])
        static = StaticEmbedder(words, files.tensors("embedder", {"table": (np.int8, shape)})["table"])
    if labelled and "labelled" in files.names:
        names = files.parse("labels", json.loads)
        ads = files.parse("labelled", lambda data: _labelled(load_tensors(data), names))
        if static:
            parts = files.tensors("folds", {"rows": (np.int32, (None,)), "tables": (np.int8, (None, None, shape[1]))})
            folds = FoldTables(parts["rows"], parts["tables"])
    hashes = {key: entry["sha256"] for key, entry in files.names.items()}
    return Bundle(
        book, manifest["book_hash"], anchors, codes, head, precision, spec, static, folds, ads,
        manifest.get("figures", {}), hashes,
    )  # fmt: skip


_RESTORE = (
    "Restore it (from a copy, or by installing embedcode anew); or delete it and build it again from another bundle "
    "with `embedcode build`."
)


class _Files:
    """The files of a bundle, checked against its manifest as they are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            raise BundleError(
                f"Found no bundle in {folder} (no {MANIFEST}). Build one with `embedcode build`, or name another "
                "with --index."
            ) from None
        except (OSError, ValueError) as error:
            raise self.broken(MANIFEST, str(error)) from error
        version = self.manifest.get("format") if isinstance(self.manifest, dict) else None
        if not isinstance(version, int):
            raise self.broken(MANIFEST, "it has no format number")
        if version > FORMAT:
            raise BundleError(
                f"The bundle in {folder} has format {version}; this embedcode reads up to {FORMAT}. "
                "Install a newer embedcode, or build the bundle again."
            )
        self.names: dict[str, dict[str, str]] = self.manifest.get("files", {})
        valid = all(
            isinstance(self.manifest.get(k), t) for k, t in (("files", dict), ("embedder", dict), ("book_hash", str))
        )
        if not valid or any(k not in self.names for k in _REQUIRED):
            raise self.broken(MANIFEST, "entries are missing")
        for entry in self.names.values():
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name or Path(name).name != name or name.startswith("."):
                raise self.broken(MANIFEST, f"{name!r} is no plain file name")
            if not (folder / name).is_file():
                raise BundleError(f"The bundle in {folder} lacks its file {name}. {_RESTORE}")

    def broken(self, name: str, reason: str) -> BundleError:
        return BundleError(f"The bundle in {self.folder} is damaged: {name}: {reason}. {_RESTORE}")

    def read(self, key: str) -> bytes:
        entry = self.names.get(key)
        if entry is None:
            raise self.broken(MANIFEST, f"it names no {key} file")
        try:
            data = (self.folder / entry["name"]).read_bytes()
        except OSError as error:
            raise self.broken(entry["name"], str(error)) from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != entry.get("sha256"):
            said = str(entry.get("sha256"))[:12]
            raise self.broken(entry["name"], f"its SHA-256 is {digest[:12]}..., the manifest says {said}...")
        return data

    def parse(self, key: str, parse: Callable[[bytes], T]) -> T:
        data = self.read(key)
        try:
            return parse(data)
        except (ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise self.broken(self.names[key]["name"], f"{type(error).__name__}: {error}") from error

    def tensors(self, key: str, expected: dict[str, tuple[type, tuple[int | None, ...]]]) -> Tensors:
        tensors: Tensors = self.parse(key, load_tensors)
        for name, (dtype, shape) in expected.items():
            found = tensors.get(name)
            fits = (
                found is not None
                and found.dtype == dtype
                and found.ndim == len(shape)
                and all(w in (None, g) for w, g in zip(shape, found.shape, strict=True))
            )
            if not fits:
                got = "nothing" if found is None else f"{found.dtype} {found.shape}"
                raise self.broken(self.names[key]["name"], f"{name}: found {got}, expected {dtype.__name__} {shape}")
        return tensors


def _book(data: dict[str, Any]) -> CodingBook:
    def facet(row: dict[str, Any]) -> Facet:
        return Facet(**{**row, "both": tuple(row["both"]) if row["both"] else None})

    def tool(row: dict[str, Any]) -> Tool:
        lists = {k: tuple(row[k]) for k in ("aliases", "speaks_for", "against")}
        return Tool(**{**row, **lists})

    return CodingBook(
        tuple(Profile(**r) for r in data["profiles"]),
        tuple(Code(**r) for r in data["codes"]),
        tuple(Anchor(**r) for r in data["anchors"]),
        tuple(facet(r) for r in data["facets"]),
        tuple(Term(**r) for r in data["terms"]),
        tuple(tool(r) for r in data["tools"]),
        tuple(data.get("not_tools", ())),  # bundles built before there were any
    )


def _load_models(data: dict[str, Any]) -> tuple[CodeModel, Head, dict[str, float]]:
    def floats(value: Any, *shape: int) -> NDArray[np.float64]:
        array = np.array(value, dtype=np.float64)
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"found numbers of shape {array.shape}, expected {shape}, all finite")
        return array

    c, h = data["codes"], data["head"]
    n = len(c["codes"])
    codes = CodeModel(
        tuple(c["codes"]), floats(c["strength"], n, 3), floats(c["context"], n, 3), floats(c["thresholds"], n)
    )
    p, f = len(h["profiles"]), len(h["mean"])
    head = Head(
        tuple(h["profiles"]), floats(h["mean"], f), floats(h["scale"], f), floats(h["weights"], p, f),
        floats(h["intercept"], p), float(h["temperature"]),
    )  # fmt: skip
    return codes, head, {str(k): float(v) for k, v in data["tool_precision"].items()}


def _labelled_parts(ads: Labelled) -> tuple[Tensors, dict[str, Any]]:
    tensors: Tensors = {
        "weight": ads.weight.astype(np.float32),
        "fold": ads.fold.astype(np.uint8),
        "length": ads.length.astype(np.int32),
        "ad": ads.ad.astype(np.int32),
        "title": ads.title,
        "labels": ads.labels,
        "known": ads.known,
        "hits_text": ads.hits.text.astype(np.int32),
        "hits_term": ads.hits.term.astype(np.int32),
        "named": ads.named.astype(np.int32),
        "vectors": ads.vectors,
    }
    names = {"ids": ads.ids, "profiles": ads.profiles, "codes": ads.codes, "terms": ads.terms, "tools": ads.tools}
    return tensors, names


def _labelled(t: Tensors, names: dict[str, Any]) -> Labelled:
    def long(key: str) -> NDArray[np.int64]:
        return t[key].astype(np.int64)

    return Labelled(
        ids=tuple(names["ids"]),
        profiles=tuple(names["profiles"]),
        weight=t["weight"].astype(np.float64),
        fold=long("fold"),
        length=long("length"),
        ad=long("ad"),
        title=t["title"],
        codes=tuple(names["codes"]),
        labels=t["labels"],
        known=t["known"],
        terms=tuple(names["terms"]),
        hits=TermHits(long("hits_text"), long("hits_term")),
        tools=tuple(names["tools"]),
        named=long("named"),
        vectors=t["vectors"],
    )


def _json(value: Any, indent: int | None) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode()


def _write(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a file that is either whole or not there."""
    if not replace and path.is_file() and path.read_bytes() == data:
        return
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
