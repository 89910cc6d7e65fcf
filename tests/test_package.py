"""The wheel, as users get it: small, complete, without torch, at home in any folder."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIMIT = 45_000_000

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_is_small_and_complete(wheel: Path) -> None:
    assert wheel.stat().st_size < LIMIT
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "embedcode/shipped/anchors/tools.csv",
        "embedcode/shipped/anchors/phrases/TASK3.csv",
        "embedcode/shipped/indexes/default/manifest.json",
        "embedcode/shipped/indexes/minilm/manifest.json",
        "embedcode/example_ads.jsonl",
        "embedcode/py.typed",
    ):
        assert name in names


def test_the_wheel_works_without_torch_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).lower()
    assert "torch" not in installed
    assert "sentence-transformers" not in installed
    embedcode = tmp_path / "env" / "bin" / "embedcode"
    assert "ML Engineer" in run(embedcode, "demo", cwd=tmp_path)
    assert "sound" in run(embedcode, "anchors", "check", cwd=tmp_path)
    # What belongs to the package is not written to.
    for command in (["build"], ["anchors", "add", "TASK3", "distil a speech model"]):
        done = subprocess.run([embedcode, *command], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 2
        assert "belongs to the installed package" in done.stderr
    run(embedcode, "anchors", "copy", "anchors", cwd=tmp_path)
    run(embedcode, "anchors", "add", "TASK3", "distil a speech model", cwd=tmp_path)
    assert "kappa" in run(embedcode, "build", "-o", "indexes/mine", cwd=tmp_path)
    (tmp_path / "ad.txt").write_text("AI Engineer\nYou build chatbots with LangChain.\n", "utf-8")
    assert "TASK4" in run(embedcode, "explain", "ad.txt", "--index", "mine", cwd=tmp_path)
