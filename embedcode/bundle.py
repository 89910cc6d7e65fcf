"""Bundles: everything that coding and rebuilding need, in one folder under `indexes/`.

`manifest.json` names the other files with their SHA-256. Data files carry a part of it in their names and are
never overwritten, so replacing the manifest, the last step of saving, switches from the old bundle to the new one
at once. Nothing is pickled: tables are safetensors, the rest is JSON and plain text. The FAISS index is built from
the vectors at load.

A bundle may come from anyone, so loading trusts nothing in it: names stay within the folder, and types, shapes and
ranges are checked, and whether the parts fit each other, before anything is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from embedcode._version import __version__
from embedcode.analysis import Scorer, feature_space
from embedcode.codes import CodeModel
from embedcode.embedder import FoldTables, StaticEmbedder
from embedcode.errors import BundleError, some
from embedcode.folder import write_whole
from embedcode.head import Head
from embedcode.labelled import Labelled
from embedcode.terms import TermHits
from embedcode.tools import MATCHES
from embedcode.types import NEGATIVE, Anchor, Code, CodingBook, Facet, Profile, Term, Tool
from embedcode.vectors import SCALE

FORMAT = 1
"""Version of the layout; a bundle of a higher one is refused."""

MANIFEST = "manifest.json"
STATIC = "static"
TRANSFORMER = "sentence-transformers"

_REQUIRED = ("book", "anchors", "models")
_OTHER_TOOL = "OTHER"

_LARGEST = 1e9
"""Numbers of a model are far smaller; beyond the range of floats, sums of them would be infinite."""

Tensors = dict[str, NDArray[Any]]
Shapes = Mapping[str, tuple[type, tuple[int | None, ...]]]
"""Type and shape of each tensor of a file; None for any length."""

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
            _write(folder / MANIFEST, _json(manifest, indent=1))
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
_OURS = re.compile(rf"(?:{'|'.join(_KEYS)})-[0-9a-f]{{12}}\.(?:json|safetensors|txt)(?:\.tmp)?|manifest\.json\.tmp")
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
    book = files.parse("book", lambda data: _book(_from_json(data)))
    shapes: Shapes = {"vectors": (np.int8, (len(book.anchors), None))}
    anchors = files.tensors("anchors", shapes, lambda t: _check_unit(t["vectors"]))["vectors"]
    codes, head, precision = files.parse("models", lambda data: _load_models(_from_json(data), book, anchors))
    spec, dimension = files.embedder, anchors.shape[1]
    static = folds = ads = None
    if spec.kind == STATIC:
        words = files.parse("words", lambda data: data.decode().splitlines())
        shapes = {"table": (np.int8, (len(words), dimension))}
        static = StaticEmbedder(words, files.tensors("embedder", shapes)["table"])
    if labelled and "labelled" in files.names:
        names = files.parse("labels", lambda data: _names(_from_json(data)))
        shapes = _labelled_shapes(names, dimension)
        ads = _labelled(files.tensors("labelled", shapes, lambda t: _check_labelled(t, names)), names)
        if static:
            shapes = {"rows": (np.int32, (None,)), "tables": (np.int8, (None, None, dimension))}
            n_words, n_folds = len(static.words), int(ads.fold.max()) + 1
            parts = files.tensors("folds", shapes, lambda t: _check_folds(t, n_words, n_folds))
            folds = FoldTables(parts["rows"], parts["tables"])
    hashes = {key: entry["sha256"] for key, entry in files.names.items()}
    return Bundle(
        book, files.manifest["book_hash"], anchors, codes, head, precision, spec, static, folds, ads,
        files.manifest.get("figures", {}), hashes,
    )  # fmt: skip


_RESTORE = (
    "Restore it (from a copy, or by installing embedcode anew); or delete it and build it again from another bundle "
    "with `embedcode build`."
)


class _Files:
    """The files of a bundle, checked against its manifest as they are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not os.path.lexists(folder / MANIFEST):
            raise BundleError(
                f"Found no bundle in {folder} (no {MANIFEST}). Build one with `embedcode build`, or name another "
                "with --index."
            )
        found = self._parse(MANIFEST, self._read(MANIFEST), _from_json)
        version = found.get("format") if isinstance(found, dict) else None
        if type(version) is not int:  # true is an int as well
            raise self.broken(MANIFEST, "it has no format number")
        if version > FORMAT:
            raise BundleError(
                f"The bundle in {folder} has format {version}; this embedcode reads up to {FORMAT}. "
                "Install a newer embedcode, or build the bundle again."
            )
        if version < 1:
            raise self.broken(MANIFEST, f"found format {version}, expected 1 to {FORMAT}")
        self.manifest: dict[str, Any] = found
        types = {"files": dict, "embedder": dict, "book_hash": str}
        if not all(isinstance(found.get(k), t) for k, t in types.items()) or not found["files"].keys() >= set(
            _REQUIRED
        ):
            raise self.broken(MANIFEST, "entries are missing")
        self.embedder = self._parse(MANIFEST, found["embedder"], _embedder)
        self._parse(MANIFEST, found.get("figures", {}), _check_figures)
        self.names: dict[str, dict[str, str]] = found["files"]
        for key, entry in self.names.items():
            name, digest = (entry.get(k) if isinstance(entry, dict) else None for k in ("name", "sha256"))
            if key not in _KEYS or not isinstance(name, str) or not _OURS.fullmatch(name):
                raise self.broken(
                    MANIFEST, f"{name!r:.80} is no plain file name such as '{_KEYS[0]}-0123456789ab.json'"
                )
            if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
                raise self.broken(MANIFEST, f"{digest!r:.80} is no SHA-256")
            if not os.path.lexists(folder / name):
                raise BundleError(f"The bundle in {folder} lacks its file {name}. {_RESTORE}")

    def broken(self, name: str, reason: str) -> BundleError:
        return BundleError(f"The bundle in {self.folder} is damaged: {name}: {reason}. {_RESTORE}")

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        try:
            if path.resolve().parent != self.folder.resolve():
                raise self.broken(name, "it is a link that leads out of the folder; put the file itself there")
            if not path.is_file():
                raise self.broken(name, "it is no file")
            return path.read_bytes()
        except (OSError, RuntimeError) as error:  # links that go round in a circle are a RuntimeError
            raise self.broken(name, str(error)) from error

    def _parse(self, name: str, data: Any, parse: Callable[[Any], T]) -> T:
        try:
            return parse(data)
        except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError, SafetensorError) as error:
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            raise self.broken(name, f"{kind}{error}") from error

    def parse(self, key: str, parse: Callable[[bytes], T]) -> T:
        """What is in a file; its hash is checked first."""
        entry = self.names.get(key)
        if entry is None:
            raise self.broken(MANIFEST, f"it names no {key} file")
        data = self._read(entry["name"])
        digest = hashlib.sha256(data).hexdigest()
        if digest != entry["sha256"]:
            said = entry["sha256"][:12]
            raise self.broken(entry["name"], f"its SHA-256 is {digest[:12]}..., the manifest says {said}...")
        return self._parse(entry["name"], data, parse)

    def tensors(self, key: str, shapes: Shapes, check: Callable[[Tensors], None] = lambda _: None) -> Tensors:
        """The tensors in a file: those expected and no others."""

        def parse(data: bytes) -> Tensors:
            tensors: Tensors = load_tensors(data)
            for name, (dtype, shape) in shapes.items():
                found = tensors.get(name)
                fits = (
                    found is not None
                    and found.dtype == dtype
                    and found.ndim == len(shape)
                    and all(w in (None, g) for w, g in zip(shape, found.shape, strict=True))
                )
                if not fits:
                    got = "nothing" if found is None else f"{found.dtype} {found.shape}"
                    raise ValueError(f"{name}: found {got}, expected {np.dtype(dtype)} {shape}")
            if surplus := sorted(tensors.keys() - shapes.keys()):
                raise ValueError(f"found {some(surplus)} as well, expected {some(list(shapes))}")
            check(tensors)
            return tensors

        return self.parse(key, parse)


def _from_json(data: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"found {constant}, expected finite numbers")

    return json.loads(data, parse_constant=refuse)


def _object(value: Any, needed: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """A JSON object with these keys."""
    needed = set(needed)
    if not isinstance(value, dict) or not needed <= value.keys() <= needed | set(optional):
        found = ", ".join(value) if isinstance(value, dict) else repr(value)
        raise ValueError(f"found {found:.200}, expected an object with {', '.join(sorted(needed))}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"found {value!r:.80}, expected a list")
    return value


def _text(value: Any) -> str:
    """A JSON string; JSON can hold one half of a surrogate pair, which is no text."""
    if not isinstance(value, str):
        raise ValueError(f"found {value!r:.80}, expected text")
    value.encode()
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _pair(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    one, other = _texts(value)
    return one, other


def _numbers(value: Any, *shape: int, least: float = -_LARGEST, most: float = _LARGEST) -> NDArray[np.float64]:
    """JSON numbers, nested as deep as the shape is long."""
    array = np.array(value)
    if array.dtype.kind not in "iuf" or array.shape != shape:
        raise ValueError(f"found numbers of shape {array.shape} ({array.dtype}), expected {shape}")
    if not ((array >= least) & (array <= most)).all():
        raise ValueError(f"found {some([f'{x:g}' for x in array.flat])}, expected all finite, {least:g} to {most:g}")
    return array.astype(np.float64)


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "tuple[str, ...]": _texts,
    "tuple[str, str] | None": _pair,
}
"""How to read a field of the coding book's types, by its annotation."""


def _rows(kind: Callable[..., T], rows: Any) -> tuple[T, ...]:
    """Objects of a type from JSON; fields with a default may be missing (bundles built before there were any)."""
    known = fields(cast(Any, kind))
    read = {f.name: _FIELDS[str(f.type)] for f in known}
    needed = [f.name for f in known if f.default is MISSING]
    return tuple(kind(**{n: read[n](v) for n, v in _object(row, needed, read).items()}) for row in _list(rows))


def _book(value: Any) -> CodingBook:
    data = _object(value, ("profiles", "codes", "anchors", "facets", "terms", "tools"), ("not_tools",))
    book = CodingBook(
        _rows(Profile, data["profiles"]),
        _rows(Code, data["codes"]),
        _rows(Anchor, data["anchors"]),
        _rows(Facet, data["facets"]),
        _rows(Term, data["terms"]),
        _rows(Tool, data["tools"]),
        _texts(data.get("not_tools", [])),  # bundles built before there were any
    )
    _check_book(book)
    return book


def _check_book(book: CodingBook) -> None:
    """Check that what names something else in the book finds it."""
    profiles, codes = [p.name for p in book.profiles], [c.code for c in book.codes]
    facets = {f.name: f for f in book.facets}
    single = {n for n, f in facets.items() if not f.both}
    for what, names in (("profiles", profiles), ("codes", codes), ("facets", [f.name for f in book.facets])):
        if not names or len(set(names)) < len(names):
            raise ValueError(f"found the {what} {some(names)}, expected some, each once")
    if not book.anchors:
        raise ValueError("found no anchors, expected some")
    for what, named, known in (
        ("code", [a.code for a in book.anchors], {*codes, NEGATIVE}),
        ("code", [t.code for t in book.tools], {*codes, _OTHER_TOOL}),
        ("match", [t.match for t in book.tools], set(MATCHES)),
        ("facet", [t.facet for t in book.terms], single),
        ("facet", [n for f in book.facets for n in f.both or ()], single),
    ):
        if unknown := sorted(set(named) - known):
            raise ValueError(f"found the {what} {some(unknown)}, expected one of {some(sorted(known))}")


def _load_models(value: Any, book: CodingBook, anchors: NDArray[np.int8]) -> tuple[CodeModel, Head, dict[str, float]]:
    data = _object(value, ("codes", "head", "tool_precision"))
    c = _object(data["codes"], ("codes", "strength", "context", "thresholds"))
    h = _object(data["head"], ("profiles", "mean", "scale", "weights", "intercept", "temperature"))
    scorer = Scorer(book.anchors, anchors)
    features = feature_space(book, scorer).names
    for what, found, expected in (
        ("profiles", _texts(h["profiles"]), tuple(p.name for p in book.profiles)),
        ("codes", _texts(c["codes"]), scorer.pools.codes),
    ):
        if found != expected:
            raise ValueError(f"found the {what} {some(found)}, expected those of the coding book: {some(expected)}")
    lacking = [k.code for k in book.codes if not {f"{k.code}.best", f"{k.code}.tools"} & set(features)]
    if lacking:
        raise ValueError(f"found no anchors for {some(lacking)}, expected some for each code")
    n, p, f = len(c["codes"]), len(h["profiles"]), len(features)
    codes = CodeModel(
        scorer.pools.codes,
        _numbers(c["strength"], n, 3),
        _numbers(c["context"], n, 3),
        _numbers(c["thresholds"], n),
    )
    head = Head(
        tuple(h["profiles"]),
        _numbers(h["mean"], f),
        _numbers(h["scale"], f, least=1 / _LARGEST),
        _numbers(h["weights"], p, f),
        _numbers(h["intercept"], p),
        float(_numbers(h["temperature"], least=1e-3, most=1e3)),
    )
    precision = _object(data["tool_precision"], (), MATCHES)
    return codes, head, {k: float(_numbers(v, least=0, most=1)) for k, v in precision.items()}


def _embedder(value: Any) -> EmbedderSpec:
    names = ("kind", "name", "sha256")
    spec = EmbedderSpec(*(_text(v) for v in (_object(value, names)[n] for n in names)))
    if spec.kind not in (STATIC, TRANSFORMER):
        raise ValueError(f"found the embedder {spec.kind!r:.80}, expected {STATIC} or {TRANSFORMER}")
    parts = spec.name.split("/")
    if spec.name and (len(parts) > 2 or {"", ".", ".."} & set(parts) or {"\\", "\0"} & set(spec.name)):
        raise ValueError(f"found the model {spec.name!r:.80}, expected a name, not a path")
    return spec


def _check_figures(value: Any) -> None:
    """Check what the next build compares itself with; the rest is for people to read."""
    figures = _object(value, (), value)
    if "kappa" in figures:
        _numbers(figures["kappa"], least=-1, most=1)
    _texts(list(_object(figures.get("cross_validated", {}), (), figures.get("cross_validated", {})).values()))


def _check_unit(vectors: NDArray[np.int8]) -> None:
    """Check that vectors are unit vectors as whole numbers, or zero; see `vectors.quantise`."""
    if not vectors.shape[1]:
        raise ValueError("found vectors of length 0, expected numbers in them")
    length = float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.int64).max(initial=0)))
    if length > SCALE + np.sqrt(vectors.shape[1]) / 2 or vectors.min(initial=0) < -127:
        raise ValueError(f"found a vector of length {length:.0f}, expected {SCALE} at most")


def _check_within(name: str, values: NDArray[Any], end: float) -> None:
    if len(values) and not (values.min() >= 0 and values.max() < end):
        raise ValueError(f"{name}: found {values.min()} to {values.max()}, expected from 0 and below {end:g}")


def _check_folds(t: Tensors, n_words: int, n_folds: int) -> None:
    _check_within("rows", t["rows"], n_words)
    if t["tables"].shape[:2] != (n_folds, len(t["rows"])):
        raise ValueError(f"tables: found shape {t['tables'].shape}, expected {n_folds} folds of {len(t['rows'])} rows")


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


_NAMES = ("ids", "profiles", "codes", "terms", "tools")


def _names(value: Any) -> dict[str, tuple[str, ...]]:
    names = {k: _texts(v) for k, v in _object(value, _NAMES).items()}
    if not names["ids"] or len(names["ids"]) != len(names["profiles"]):
        raise ValueError(f"found {len(names['ids'])} ids and {len(names['profiles'])} profiles, expected as many")
    return names


def _labelled_shapes(names: Mapping[str, tuple[str, ...]], dimension: int) -> Shapes:
    """The tensors that `_labelled_parts` makes."""
    ads, codes = len(names["ids"]), len(names["codes"])
    return {
        "weight": (np.float32, (ads,)),
        "fold": (np.uint8, (ads,)),
        "length": (np.int32, (ads,)),
        "ad": (np.int32, (None,)),
        "title": (np.bool_, (None,)),
        "labels": (np.bool_, (None, codes)),
        "known": (np.bool_, (None, codes)),
        "hits_text": (np.int32, (None,)),
        "hits_term": (np.int32, (None,)),
        "named": (np.int32, (None, 2)),
        "vectors": (np.int8, (None, dimension)),
    }


def _check_labelled(t: Tensors, names: Mapping[str, tuple[str, ...]]) -> None:
    """Check that numbers point at something, and that segments and hits have one each of what each must have."""
    n_ads, n_segments = len(names["ids"]), len(t["ad"])
    for group in (("title", "labels", "known", "vectors", "ad"), ("hits_text", "hits_term")):
        if len({len(t[k]) for k in group}) > 1:
            raise ValueError(f"found {', '.join(f'{len(t[k])} {k}' for k in group)}, expected as many of each")
    _check_within("weight", t["weight"], _LARGEST)
    _check_within("length", t["length"], _LARGEST)
    _check_within("ad", t["ad"], n_ads)
    if (np.diff(t["ad"]) < 0).any():
        raise ValueError("ad: found a lower number after a higher one, expected them to ascend")
    _check_within("hits_text", t["hits_text"], n_segments)
    _check_within("hits_term", t["hits_term"], len(names["terms"]))
    _check_within("named", t["named"][:, 0], n_ads)
    _check_within("named", t["named"][:, 1], len(names["tools"]))
    _check_unit(t["vectors"])


def _labelled(t: Tensors, names: Mapping[str, tuple[str, ...]]) -> Labelled:
    def long(key: str) -> NDArray[np.int64]:
        return t[key].astype(np.int64)

    return Labelled(
        **names,
        weight=t["weight"].astype(np.float64),
        fold=long("fold"),
        length=long("length"),
        ad=long("ad"),
        title=t["title"],
        labels=t["labels"],
        known=t["known"],
        hits=TermHits(long("hits_text"), long("hits_term")),
        named=long("named"),
        vectors=t["vectors"],
    )


def _json(value: Any, indent: int | None) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there; one that holds the same is left as it is."""
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, data)
