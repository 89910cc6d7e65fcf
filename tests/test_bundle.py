"""Bundles: saved and loaded without loss, replaced at one stroke, and refused when anything about them is off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Study
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from embedcode import bundle as bundles
from embedcode.bundle import MANIFEST, Bundle, load_bundle
from embedcode.coder import Coder
from embedcode.errors import BookError, BundleError


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal to the last bit, arrays and dataclasses included."""
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and np.array_equal(a, b))
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def rewrite(folder: Path, key: str, data: bytes) -> None:
    """Replace a data file so that its hash still fits."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    entry = manifest["files"][key]
    entry["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / entry["name"]).write_bytes(data)
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def change_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    for name, value in changes.items():
        if value is None:
            del manifest[name]
        else:
            manifest[name] = value
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def file_of(folder: Path, key: str) -> Path:
    return folder / str(json.loads((folder / MANIFEST).read_bytes())["files"][key]["name"])


def test_nothing_is_lost(study: Study, tmp_path: Path) -> None:
    first = study.bundle()
    first.save(tmp_path / "copy")
    second = load_bundle(tmp_path / "copy", labelled=True)
    for field in fields(Bundle):
        if field.name not in ("static", "labelled"):
            assert same(getattr(first, field.name), getattr(second, field.name)), field.name
    assert first.labelled and second.labelled
    assert first.static and second.static
    for field in fields(first.labelled):
        assert same(getattr(first.labelled, field.name), getattr(second.labelled, field.name)), field.name
    assert first.static.words == second.static.words
    assert same(first.static.table, second.static.table)
    assert first.folds is not None


def test_coding_needs_no_labelled_ads(study: Study) -> None:
    bundle = load_bundle(study.index)
    assert bundle.labelled is None
    assert bundle.folds is None
    assert Coder(bundle).classify(["build language models in Python"])[0].profile


def test_the_bundle_holds_no_text_of_ads(study: Study) -> None:
    data = b"".join(contents(study.index).values())
    assert b"Fernhill" not in data
    assert b"scanned catalogues" not in data


def test_same_input_gives_the_same_bytes(study: Study, tmp_path: Path) -> None:
    study.bundle().save(tmp_path / "one")
    study.bundle().save(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(study.index)


def test_nothing_is_pickled(study: Study) -> None:
    assert {p.suffix for p in study.index.iterdir()} == {".json", ".safetensors", ".txt"}


def test_saving_removes_old_data_files_and_nothing_else(study: Study) -> None:
    (study.index / "README.md").write_text("Mine.", "utf-8")
    (study.index / "labels-of-ours.txt").write_text("Mine.", "utf-8")
    (study.index / "models-0123456789ab.json.tmp").write_text("cut off", "utf-8")
    (study.index / "manifest.json.tmp").write_text("cut off", "utf-8")
    old = file_of(study.index, "models")
    bundle = study.bundle()
    replace(bundle, tool_precision={**bundle.tool_precision, "any": 0.5}).save(study.index)
    assert not old.exists()
    names = {p.name for p in study.index.iterdir()}
    assert {"README.md", "labels-of-ours.txt"} <= names
    assert len(names) == len(bundle.hashes) + 3
    assert load_bundle(study.index).tool_precision["any"] == 0.5


@pytest.mark.parametrize("call", range(4))
def test_a_save_that_fails_leaves_the_old_bundle(study: Study, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Whichever write fails: of a data file, or of the manifest."""
    before = study.bundle()
    code = replace(before.book.codes[0], definition="Changed.")
    book = replace(before.book, codes=(code, *before.book.codes[1:]))
    vectors = before.anchor_vectors[:, ::-1].copy()
    changed = replace(before, book=book, anchor_vectors=vectors, tool_precision={"any": 0.25})
    written: list[Path] = []
    write = bundles.write_whole

    def fail(path: Path, data: bytes) -> None:
        if len(written) == call:
            path.with_name(f"{path.name}.tmp").write_bytes(data[:10])
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, data)

    monkeypatch.setattr(bundles, "write_whole", fail)
    with pytest.raises(BundleError, match="No space left on device.*old one is unchanged"):
        changed.save(study.index)
    monkeypatch.undo()
    after = study.bundle()
    assert same(after.book, before.book)
    assert same(after.anchor_vectors, before.anchor_vectors)
    assert after.tool_precision == before.tool_precision
    changed.save(study.index)
    assert load_bundle(study.index).tool_precision == {"any": 0.25}
    assert not list(study.index.glob("*.tmp"))


def test_an_interrupt_leaves_the_old_bundle(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before = study.bundle()

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundles, "write_whole", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace(before, tool_precision={"any": 0.25}).save(study.index)
    assert load_bundle(study.index).tool_precision == before.tool_precision


def test_saving_mends_a_damaged_data_file(study: Study) -> None:
    bundle = study.bundle()
    file_of(study.index, "models").write_bytes(b"{}")
    bundle.save(study.index)
    assert same(load_bundle(study.index).head.weights, bundle.head.weights)


def test_a_folder_of_something_else_is_left_alone(study: Study, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("One.", "utf-8")
    with pytest.raises(BundleError, match=r"not a bundle \(no manifest.json\).*--output"):
        study.bundle().save(tmp_path / "thesis")
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_a_file_in_the_way(study: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(BundleError, match="Cannot write the bundle"):
        study.bundle().save(tmp_path / "file")


KEYS = ("book", "anchors", "models", "words", "embedder", "folds", "labelled", "labels")


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_file_is_named(study: Study, key: str) -> None:
    path = file_of(study.index, key)
    path.unlink()
    with pytest.raises(BundleError, match=f"lacks its file {path.name}.*Restore it.*embedcode build"):
        load_bundle(study.index, labelled=True)


@pytest.mark.parametrize("key", KEYS)
def test_a_changed_byte_is_noticed(study: Study, key: str) -> None:
    path = file_of(study.index, key)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=f"damaged: {path.name}: its SHA-256 is .* the manifest says"):
        load_bundle(study.index, labelled=True)


@pytest.mark.parametrize("key", KEYS)
def test_a_file_that_is_cut_off_is_refused_even_with_its_hash(study: Study, key: str) -> None:
    data = file_of(study.index, key).read_bytes()
    rewrite(study.index, key, data[: len(data) // 2])
    with pytest.raises(BundleError, match="is damaged"):
        load_bundle(study.index, labelled=True)


def test_not_a_bundle(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match=r"Found no bundle in .*no manifest.json.*embedcode build.*--index"):
            load_bundle(folder)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_manifest_that_is_cut_off(study: Study, share: float) -> None:
    path = study.index / MANIFEST
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BundleError, match="manifest.json"):
        load_bundle(study.index)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"format": "one"}', '"\\ud800"', "\xff"])
def test_a_manifest_that_is_something_else(study: Study, text: str) -> None:
    (study.index / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match="damaged: manifest.json"):
        load_bundle(study.index)


@pytest.mark.parametrize("name", ["files", "embedder", "book_hash"])
def test_entries_that_are_missing(study: Study, name: str) -> None:
    change_manifest(study.index, **{name: None})
    with pytest.raises(BundleError, match="entries are missing"):
        load_bundle(study.index)


def test_a_newer_format(study: Study) -> None:
    change_manifest(study.index, format=bundles.FORMAT + 1)
    with pytest.raises(BundleError, match="has format 2; this embedcode reads up to 1. Install a newer embedcode"):
        load_bundle(study.index)


@pytest.mark.parametrize("name", ["../book.json", "/etc/passwd", "..", ".", "", ".hidden", "a/b", None, 3])
def test_names_that_lead_elsewhere(study: Study, name: object) -> None:
    files = json.loads((study.index / MANIFEST).read_bytes())["files"]
    shutil.copy(study.index / files["book"]["name"], study.index.parent / "book.json")
    files["book"]["name"] = name
    change_manifest(study.index, files=files)
    with pytest.raises(BundleError, match="is no plain file name"):
        load_bundle(study.index)


def test_a_hash_that_is_missing(study: Study) -> None:
    files = json.loads((study.index / MANIFEST).read_bytes())["files"]
    del files["models"]["sha256"]
    change_manifest(study.index, files=files)
    with pytest.raises(BundleError, match="is damaged"):
        load_bundle(study.index)


@pytest.mark.parametrize(
    ("key", "tensors", "found"),
    [
        ("anchors", {"vectors": np.zeros((9, 16), np.float32)}, r"float32 \(9, 16\), expected int8 \(9, None\)"),
        ("anchors", {"vectors": np.zeros((8, 16), np.int8)}, r"int8 \(8, 16\)"),
        ("anchors", {"vectors": np.zeros(9, np.int8)}, r"int8 \(9,\)"),
        ("anchors", {"other": np.zeros((9, 16), np.int8)}, "found nothing"),
        ("embedder", {"table": np.zeros((3, 16), np.int8)}, r"int8 \(3, 16\)"),
        ("embedder", {"table": np.zeros((3, 16), np.int16)}, r"int16 \(3, 16\)"),
        ("folds", {"rows": np.zeros(2, np.int64), "tables": np.zeros((3, 2, 16), np.int8)}, "int64"),
        ("folds", {"rows": np.zeros(2, np.int32), "tables": np.zeros((3, 2, 15), np.int8)}, r"\(3, 2, 15\)"),
    ],
)
def test_tables_of_another_kind(study: Study, key: str, tensors: dict[str, Any], found: str) -> None:
    assert study.bundle().anchor_vectors.shape == (9, 16)
    rewrite(study.index, key, save(tensors))
    with pytest.raises(BundleError, match=f"damaged: {file_of(study.index, key).name}.*{found}"):
        load_bundle(study.index, labelled=True)


@pytest.mark.parametrize("part", ["strength", "context", "thresholds"])
def test_models_of_another_shape(study: Study, part: str) -> None:
    models = json.loads(file_of(study.index, "models").read_bytes())
    models["codes"][part] = models["codes"][part][:-1]
    rewrite(study.index, "models", json.dumps(models).encode())
    with pytest.raises(BundleError, match="found numbers of shape"):
        load_bundle(study.index)


# What a stranger may have put into a bundle, hashes fitting


Path_ = tuple[str | int, ...]


def put(value: Any, path: Path_, new: Any) -> Any:
    """A JSON value with one place in it changed; `DELETE` takes it away."""
    if not path:
        return new
    at = value
    for step in path[:-1]:
        at = at[step]
    if new is DELETE:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


DELETE = object()
HUGE = 10**400


@pytest.mark.parametrize(
    ("key", "path", "new", "found"),
    [
        ("models", ("head", "intercept", 0), float("nan"), "found NaN"),
        ("models", ("head", "weights", 0, 0), float("-inf"), "found -Infinity"),
        ("models", ("head", "mean", 0), HUGE, r"found numbers of shape .* \(object\)"),
        ("models", ("head", "mean", 0), 1e300, "1e.300.*expected all finite"),
        ("models", ("head", "mean", 0), "1.5", "found numbers"),
        ("models", ("head", "mean", 0), None, "found numbers"),
        ("models", ("head", "scale", 0), 0, "expected all finite, 1e-09 to"),
        ("models", ("head", "temperature"), 0, "expected all finite, 0.001 to 1000"),
        ("models", ("head", "temperature"), "1", "found numbers"),
        ("models", ("head", "temperature"), True, "found numbers"),
        ("models", ("head", "mean"), [0.0], r"shape \(1,\)"),
        ("models", ("head", "profiles", 0), "Chef", "found the profiles 'Chef'"),
        ("models", ("head", "intercept"), DELETE, "expected an object with intercept, mean"),
        ("models", ("codes", "codes"), "TASK3", "found 'TASK3', expected a list"),
        ("models", ("codes", "codes", 0), "TASK9", "found the codes 'TASK9'.*expected those of the coding book"),
        ("models", ("tool_precision", "any"), 2, "expected all finite, 0 to 1"),
        ("models", ("tool_precision", "some"), 0.5, "found any, case, context, some"),
        ("models", (), [], "expected an object with codes, head"),
        ("book", ("anchors", 0, "phrase"), 3, "found 3, expected text"),
        ("book", ("anchors", 0, "phrase"), "\ud800", "surrogates not allowed"),
        ("book", ("anchors", 0, "phrase"), DELETE, "expected an object with code, facet, id"),
        ("book", ("anchors", 0, "note"), "", "expected an object with code, facet, id"),
        ("book", ("anchors", 0, "code"), "TASK9", "found the code 'TASK9'"),
        ("book", ("anchors",), {}, "found {}, expected a list"),
        ("book", ("codes", 0), "TASK3", "expected an object with code"),
        ("book", ("codes", 0, "code"), "TASK4", "expected some, each once"),
        ("book", ("profiles",), [], "found the profiles none"),
        ("book", ("facets", 5, "both"), ["building"], "not enough values"),
        ("book", ("facets", 5, "both"), ["building", "nothing"], "found the facet 'nothing'"),
        ("book", ("terms", 0, "facet"), "nothing", "found the facet 'nothing'"),
        ("book", ("tools", 0, "match"), "regex", "found the match 'regex'"),
        ("book", ("tools", 0, "code"), "TASK9", "found the code 'TASK9'"),
        ("book", ("tools", 0, "aliases"), "py", "expected a list"),
        ("book", ("not_tools",), [None], "found None, expected text"),
        ("book", ("terms",), DELETE, "expected an object with anchors"),
        ("labels", ("ids",), [], "found 0 ids"),
        ("labels", ("ids", 0), 3, "found 3, expected text"),
        ("labels", ("tools",), DELETE, "expected an object with codes, ids"),
    ],
)
def test_json_of_another_kind(study: Study, key: str, path: Path_, new: Any, found: str) -> None:
    file = file_of(study.index, key)
    rewrite(study.index, key, json.dumps(put(json.loads(file.read_bytes()), path, new)).encode())
    with pytest.raises(BundleError, match=f"damaged: {file.name}: .*{found}"):
        load_bundle(study.index, labelled=True)


@pytest.mark.parametrize("key", ["book", "models", "labels"])
@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"1e999", b"9" * 5000])
def test_json_that_is_broken_or_goes_too_deep(study: Study, key: str, data: bytes) -> None:
    rewrite(study.index, key, data)
    with pytest.raises(BundleError, match=f"damaged: {file_of(study.index, key).name}"):
        load_bundle(study.index, labelled=True)
    (study.index / MANIFEST).write_bytes(data)
    with pytest.raises(BundleError, match="damaged: manifest.json"):
        load_bundle(study.index)


def test_a_code_without_anchors(study: Study) -> None:
    book = json.loads(file_of(study.index, "book").read_bytes())
    book["codes"].append({"code": "TASK9", "name": "", "definition": ""})
    rewrite(study.index, "book", json.dumps(book).encode())
    with pytest.raises(BundleError, match="found no anchors for 'TASK9'"):
        load_bundle(study.index)


@pytest.mark.parametrize(
    ("key", "name", "change", "found"),
    [
        ("anchors", "vectors", lambda a: np.full_like(a, 127), "a vector of length 508, expected 256"),
        ("anchors", "vectors", lambda a: np.where(np.arange(16) == 0, -128, 0).astype(np.int8) + 0 * a, "vector"),
        ("anchors", "vectors", lambda a: a[:, :0], "vectors of length 0"),
        ("anchors", "more", lambda a: np.zeros(3), "found 'more' as well, expected 'vectors'"),
        ("embedder", "more", lambda a: np.zeros(3), "found 'more' as well"),
        ("folds", "rows", lambda a: a - 1, "rows: found -1 to"),
        ("folds", "rows", lambda a: a + 10_000, "rows: found 10000 to"),
        ("folds", "tables", lambda a: a[:2], "expected 3 folds of"),
        ("folds", "tables", lambda a: a[:, :2], "expected 3 folds of"),
        ("labelled", "weight", lambda a: a * np.float32("nan"), "weight: found nan"),
        ("labelled", "weight", lambda a: a + np.float32("inf"), "weight: found inf"),
        ("labelled", "weight", lambda a: -a, "weight: found -"),
        ("labelled", "weight", lambda a: a.astype(np.float64), "weight: found float64"),
        ("labelled", "weight", lambda a: a[1:], r"weight: found float32 \("),
        ("labelled", "length", lambda a: a - 100_000, "length: found -"),
        ("labelled", "ad", lambda a: a + 1, "ad: found 1 to"),
        ("labelled", "ad", lambda a: a[::-1].copy(), "expected them to ascend"),
        ("labelled", "title", lambda a: a[1:], "expected as many of each"),
        ("labelled", "title", lambda a: a.astype(np.uint8), "title: found uint8"),
        ("labelled", "labels", lambda a: a[:, 1:].copy(), "labels: found bool"),
        ("labelled", "known", lambda a: None, "known: found nothing"),
        ("labelled", "hits_text", lambda a: a + 100_000, "hits_text: found 100"),
        ("labelled", "hits_text", lambda a: a[1:], "expected as many of each"),
        ("labelled", "hits_term", lambda a: a - 100, "hits_term: found -"),
        ("labelled", "named", lambda a: a + 1000, "named: found 1000"),
        ("labelled", "vectors", lambda a: np.full_like(a, 127), "a vector of length 508"),
        ("labelled", "vectors", lambda a: a[:, 1:].copy(), "vectors: found int8"),
        ("labelled", "more", lambda a: np.zeros(3), "found 'more' as well"),
    ],
)
def test_tensors_that_do_not_fit(study: Study, key: str, name: str, change: Callable[[Any], Any], found: str) -> None:
    tensors = load(file_of(study.index, key).read_bytes())
    changed = change(tensors.get(name))
    tensors = {k: v for k, v in {**tensors, name: changed}.items() if v is not None}
    rewrite(study.index, key, save(tensors))
    with pytest.raises(BundleError, match=f"damaged: {file_of(study.index, key).name}: .*{found}"):
        load_bundle(study.index, labelled=True)


def test_more_folds_than_embedders(study: Study) -> None:
    tensors = load(file_of(study.index, "labelled").read_bytes())
    rewrite(study.index, "labelled", save({**tensors, "fold": tensors["fold"] + np.uint8(200)}))
    with pytest.raises(BundleError, match="tables: found shape .* expected 203 folds"):
        load_bundle(study.index, labelled=True)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F4", "I9", "", None, 3])
@pytest.mark.parametrize("shape", [[9, 16], [0, 2**63], [2**32, 2**32], [-1], "9", None])
def test_headers_that_safetensors_may_not_know(study: Study, dtype: Any, shape: Any) -> None:
    header = json.dumps({"vectors": {"dtype": dtype, "shape": shape, "data_offsets": [0, 288]}}).encode()
    rewrite(study.index, "anchors", len(header).to_bytes(8, "little") + header + bytes(288))
    with pytest.raises(BundleError, match="damaged: anchors"):
        load_bundle(study.index)


@pytest.mark.parametrize(
    ("path", "new", "found"),
    [
        (("format",), True, "no format number"),
        (("format",), 1.0, "no format number"),
        (("format",), 0, "found format 0, expected 1 to 1"),
        (("format",), -(10**40), "expected 1 to 1"),
        (("embedder", "kind"), "pickle", "found the embedder 'pickle', expected static or sentence-transformers"),
        (("embedder", "kind"), 3, "found 3, expected text"),
        (("embedder", "name"), DELETE, "expected an object with kind, name, sha256"),
        (("embedder", "name"), "/etc/model", "expected a name, not a path"),
        (("embedder", "name"), "../model", "expected a name, not a path"),
        (("embedder", "name"), "a/b/c", "expected a name, not a path"),
        (("embedder", "name"), "a\\b", "expected a name, not a path"),
        (("files",), [], "entries are missing"),
        (("files", "models"), DELETE, "entries are missing"),
        (("files", "models"), "models.json", "is no plain file name"),
        (("files", "models", "name"), "models.json", "is no plain file name"),
        (("files", "models", "name"), "models-0123456789ab.pickle", "is no plain file name"),
        (("files", "models", "name"), "\ud800" * 999, "is no plain file name"),
        (("files", "models", "name"), "models-0123456789ab.json\n", "is no plain file name"),
        (("files", "models", "sha256"), 3, "3 is no SHA-256"),
        (("files", "models", "sha256"), "0" * 63, "is no SHA-256"),
        (("files", "faiss"), {"name": "book-0123456789ab.json", "sha256": "0" * 64}, "is no plain file name"),
        (("files", "words"), DELETE, "it names no words file"),
        (("files", "labels"), DELETE, "it names no labels file"),
        (("files", "folds"), DELETE, "it names no folds file"),
        (("figures",), [], "expected an object"),
        (("figures", "kappa"), "high", "found numbers"),
        (("figures", "kappa"), 1e999, "found Infinity"),
        (("figures", "cross_validated"), [], "expected an object"),
        (("figures", "cross_validated"), {"a": 3}, "found 3, expected text"),
    ],
)
def test_a_manifest_of_another_kind(study: Study, path: Path_, new: Any, found: str) -> None:
    manifest = json.loads((study.index / MANIFEST).read_bytes())
    (study.index / MANIFEST).write_text(json.dumps(put(manifest, path, new)), "utf-8")
    with pytest.raises(BundleError, match=f"damaged: manifest.json: .*{found}"):
        load_bundle(study.index, labelled=True)


@pytest.mark.parametrize("key", [*KEYS, None])
def test_links_that_lead_out_of_the_folder(study: Study, key: str | None) -> None:
    path = file_of(study.index, key) if key else study.index / MANIFEST
    outside = study.root / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(BundleError, match=f"damaged: {path.name}: it is a link that leads out of the folder"):
        load_bundle(study.index, labelled=True)


def test_links_within_the_folder_and_to_it(study: Study) -> None:
    path = file_of(study.index, "models")
    path.rename(study.index / "other")
    path.symlink_to("other")
    (study.root / "link").symlink_to(study.index)
    assert load_bundle(study.root / "link").head


@pytest.mark.parametrize("key", ["models", None])
@pytest.mark.parametrize("kind", ["pipe", "folder", "circle", "nothing"])
def test_what_is_no_file(study: Study, key: str | None, kind: str) -> None:
    """A pipe above all, which one would wait for."""
    path = file_of(study.index, key) if key else study.index / MANIFEST
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name if kind == "circle" else "nothing")
    with pytest.raises(BundleError, match=f"damaged: {path.name}"):
        load_bundle(study.index)


WATCHED = """
import sys
from pathlib import Path
from embedcode.bundle import load_bundle
folder = Path(sys.argv[1]).resolve()
load_bundle(folder, labelled=True)  # whatever is imported on the way is now
reading, seen = ("open", "os.listdir", "os.scandir", "glob.glob"), []
sys.addaudithook(lambda event, args: seen.append((event, args)))
load_bundle(folder, labelled=True)
for event, args in seen[:]:
    if event == "open":
        assert Path(args[0]).parent == folder and args[1] in ("r", "rb"), args
    else:
        assert event in ("object.__getattr__", "sys._getframe", "object.__setattr__"), (event, args)
assert any(event == "open" for event, _ in seen)
"""


def test_loading_only_reads_files_of_the_folder(study: Study) -> None:
    """Nothing is imported, compiled, executed, unpickled or started, no address looked up."""
    subprocess.run([sys.executable, "-c", WATCHED, str(study.index)], check=True)


# By chance


@pytest.fixture(scope="module")
def chance(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose bundle is damaged and mended again and again."""
    return Study(Path(shutil.copytree(built_study.root, tmp_path_factory.mktemp("chance") / "study")))


SECURED = ("book", "anchor_vectors", "codes", "head", "tool_precision", "folds", "hashes")
"""What the hashes vouch for; nothing vouches for the manifest, so its figures may change unseen."""


def flipped(data: bytes, flips: list[tuple[float, int]]) -> bytes:
    out = bytearray(data)
    for where, mask in flips:
        out[int(where * len(out))] ^= mask
    return bytes(out)


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4)


@settings(max_examples=150)
@given(key=st.sampled_from([*KEYS, None]), flips=FLIPS)
def test_flipped_bytes_load_identically_or_are_refused(
    chance: Study, key: str | None, flips: list[tuple[float, int]]
) -> None:
    before = chance.bundle()
    path = file_of(chance.index, key) if key else chance.index / MANIFEST
    whole = path.read_bytes()
    try:
        path.write_bytes(flipped(whole, flips))
        after = chance.bundle()
    except BundleError:
        return
    finally:
        path.write_bytes(whole)
    assert all(same(getattr(before, n), getattr(after, n)) for n in SECURED)
    if after.static and before.static:
        assert same(before.static.table, after.static.table)


@settings(max_examples=150)
@given(key=st.sampled_from(KEYS), flips=FLIPS)
def test_flipped_bytes_with_their_hash_code_ads_or_are_refused(
    chance: Study, key: str, flips: list[tuple[float, int]]
) -> None:
    whole, manifest = file_of(chance.index, key).read_bytes(), (chance.index / MANIFEST).read_bytes()
    try:
        rewrite(chance.index, key, flipped(whole, flips))
        codes_ads(chance.bundle())
    except BundleError:
        pass
    finally:
        file_of(chance.index, key).write_bytes(whole)
        (chance.index / MANIFEST).write_bytes(manifest)


def codes_ads(bundle: Bundle) -> None:
    """Whether a bundle that was let in codes ads: with sound numbers, or not because a tool stands twice in it."""
    try:
        coder = Coder(bundle)
    except BookError:
        return
    (ad,) = coder.classify(["Engineer\n\nYou build language models in Python and talk with the team."])
    assert ad.confidence is not None and 0 <= ad.confidence <= 1


def places(value: Any, before: Path_ = ()) -> list[Path_]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [before, *(p for k, v in inner for p in places(v, (*before, k)))]


ODD = (
    None,
    True,
    0,
    -1,
    1e-300,
    1e300,
    HUGE,
    float("nan"),
    "",
    "x",
    "\ud800",
    "\0",
    [],
    [[]],
    [0],
    {},
    {"x": 1},
    DELETE,
)


@settings(max_examples=200)
@given(key=st.sampled_from(["book", "models", "labels", None]), where=st.floats(0, 1, exclude_max=True), data=st.data())
def test_odd_values_code_ads_or_are_refused(chance: Study, key: str | None, where: float, data: st.DataObject) -> None:
    path = file_of(chance.index, key) if key else chance.index / MANIFEST
    whole, manifest = path.read_bytes(), (chance.index / MANIFEST).read_bytes()
    value = json.loads(whole)
    known = places(value)
    place = known[int(where * len(known))]
    new = data.draw(st.sampled_from(ODD[: None if place else -1]))
    changed = json.dumps(put(value, place, new)).encode()
    try:
        if key:
            rewrite(chance.index, key, changed)
        else:
            path.write_bytes(changed)
        codes_ads(chance.bundle())
    except BundleError:
        pass
    finally:
        path.write_bytes(whole)
        (chance.index / MANIFEST).write_bytes(manifest)
