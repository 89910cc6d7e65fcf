"""Bundles: saved and loaded without loss, replaced at one stroke, and refused when anything about them is off."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Study
from safetensors.numpy import save

from embedcode import bundle as bundles
from embedcode.bundle import MANIFEST, Bundle, load_bundle
from embedcode.coder import Coder
from embedcode.errors import BundleError


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
    (study.index / ".models-0123456789ab.json.tmp").write_text("cut off", "utf-8")
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
    write = bundles._write

    def fail(path: Path, data: bytes, *, replace: bool = False) -> None:
        fresh = replace or not path.exists()
        if fresh and len(written) == call:
            path.with_name(f".{path.name}.tmp").write_bytes(data[:10])
            raise OSError(28, "No space left on device")
        if fresh:
            written.append(path)
        write(path, data, replace=replace)

    monkeypatch.setattr(bundles, "_write", fail)
    with pytest.raises(BundleError, match="No space left on device.*old one is unchanged"):
        changed.save(study.index)
    monkeypatch.undo()
    after = study.bundle()
    assert same(after.book, before.book)
    assert same(after.anchor_vectors, before.anchor_vectors)
    assert after.tool_precision == before.tool_precision
    changed.save(study.index)
    assert load_bundle(study.index).tool_precision == {"any": 0.25}
    assert not list(study.index.glob(".*"))


def test_an_interrupt_leaves_the_old_bundle(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before = study.bundle()

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundles, "_write", interrupt)
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


def test_models_that_are_not_finite(study: Study) -> None:
    models = json.loads(file_of(study.index, "models").read_bytes())
    models["head"]["intercept"][0] = float("nan")
    rewrite(study.index, "models", json.dumps(models).encode())
    with pytest.raises(BundleError, match="all finite"):
        load_bundle(study.index)
