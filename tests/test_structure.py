"""The import rule: stages know nothing of each other, few modules join them, and heavy libraries wait until needed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import embedcode

PACKAGE = Path(embedcode.__file__).parent
FOUNDATION = {"_version", "errors", "stopwatch", "threads", "types", "vectors", "words"}
"""What any module may import."""

STAGES = {
    "coded",
    "codes",
    "embedder",
    "examples",
    "features",
    "folder",
    "head",
    "kappa",
    "language",
    "markup",
    "memo",
    "neighbours",
    "paths",
    "proposals",
    "segments",
    "terms",
    "tools",
    "transformer",
    "values",
}
"""Modules that do one thing each and import the foundation only."""

JOINTS = {
    # Reading ads: a file format is chosen by name.
    "formats": {"values"},
    "documents": {"formats", "values"},
    "gold": {"values"},
    # What is written is whole or not there.
    "book": {"folder"},
    # From texts to evidence, for coding and building alike.
    "analysis": {"codes", "embedder", "features", "markup", "segments", "terms", "tools"},
    "labelled": {"analysis", "gold", "terms"},
    "bundle": {"analysis", "codes", "embedder", "folder", "head", "labelled", "terms", "tools"},
    "build": {
        *("analysis", "bundle", "codes", "embedder", "features", "gold", "head", "kappa", "labelled", "matching"),
        *("difference", "recode", "terms"),
    },
    # What a rebuild changes.
    "difference": {"kappa", "labelled"},
    "recode": {"bundle", "coder", "corpus", "values"},
    "train": {"codes", "embedder", "gold", "markup", "transformer"},
    "building": {
        *("book", "build", "bundle", "documents", "gold", "labelled", "loading", "paths", "train", "transformer"),
        *("corpus", "recode"),
    },
    "curate": {"book", "bundle", "embedder", "findings", "markup", "paths", "proposals", "tools"},
    "findings": {"book", "bundle", "folder", "loading", "tables", "labelled", "neighbours", "values"},
    "export": {"bundle", "embedder"},
    # Coding, and what stands around it.
    "coder": {"analysis", "bundle", "coded", "codes", "embedder", "language", "memo", "neighbours", "terms"},
    "loading": {"book", "bundle", "coder", "paths", "transformer"},
    "explain": {"analysis", "coder", "terms"},
    "suggest": {"coder", "codes", "explain", "language", "values"},
    "workers": {"coder", "neighbours"},
    "run": {"coder", "documents", "folder", "language", "loading", "neighbours", "values", "workers"},
    # Agreement with people.
    "matching": {"gold"},
    "agreement": {"gold", "kappa", "matching"},
    "evaluate": {"agreement", "coded", "gold", "values"},
    "tables": {"coded", "folder", "values"},
    # Looking through what was coded.
    "corpus": {"coded", "documents", "folder", "tables", "values"},
    "review": {"corpus", "folder"},
    "draft": {"book", "curate", "folder"},
    "workbench": {"build", "building", "bundle", "coder", "corpus", "draft", "findings", "labelled", "paths"},
    "web": {"book", "corpus", "difference", "explain", "review", "workbench"},
    "show": {
        *("agreement", "build", "coded", "curate", "difference", "explain", "findings", "kappa", "recode", "suggest"),
    },
    # The command line and the package's front door, which import when asked.
    "cli": {
        *("book", "building", "bundle", "curate", "documents", "evaluate", "examples", "explain", "export"),
        *("agreement", "coder", "loading", "paths", "run", "show", "suggest", "tables"),
        *("corpus", "web", "workbench"),
    },
    "__init__": {"coded", "coder", "explain", "loading"},
}
"""What each of the other modules may import beside the foundation; a new edge is a decision, to be made here."""

HEAVY = ("torch", "sklearn", "scipy", "sentence_transformers", "transformers")


def modules() -> list[str]:
    return sorted(p.stem for p in PACKAGE.glob("*.py"))


def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))


def imported(name: str) -> set[str]:
    """The modules of the package that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relatively"
            names = (
                [f"{node.module}.{a.name}" for a in node.names] if node.module == "embedcode" else [node.module or ""]
            )
        else:
            continue
        found |= {n.split(".")[1] if "." in n else "__init__" for n in names if n.split(".")[0] == "embedcode"}
    return found


@pytest.mark.parametrize("name", modules())
def test_the_import_rule(name: str) -> None:
    allowed = FOUNDATION | (set() if name in STAGES | FOUNDATION else JOINTS.get(name, set()))
    surplus = imported(name) - allowed
    assert not surplus, (
        f"{name}.py imports {', '.join(sorted(surplus))}. A stage imports the foundation only "
        f"({', '.join(sorted(FOUNDATION))}); if {name} joins stages, name what it may import in JOINTS."
    )


def test_the_foundation_stands_on_its_own() -> None:
    assert {n: imported(n) for n in FOUNDATION} == {n: set() for n in FOUNDATION}


def test_no_module_is_both_stage_and_joint() -> None:
    assert not STAGES & JOINTS.keys()
    assert not FOUNDATION & (STAGES | JOINTS.keys())


def test_imports_run_in_one_direction() -> None:
    graph = {n: imported(n) - {"__init__"} for n in modules() if n != "__init__"}
    assert tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", modules())
def test_heavy_libraries_are_imported_inside_functions(name: str) -> None:
    """At the top of a module they stand for type checkers only."""
    for node in tree(name).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        for inner in [node] if isinstance(node, ast.Import | ast.ImportFrom) else []:
            names = [a.name for a in inner.names] if isinstance(inner, ast.Import) else [inner.module or ""]
            assert not [n for n in names if n.split(".")[0] in HEAVY], f"{name}:{inner.lineno}"


IMPORT_EACH = """
import importlib, json, sys
found = {}
for name in json.loads(sys.argv[1]):
    before = set(sys.modules)
    importlib.import_module(name)
    found[name] = sorted({m.split(".")[0] for m in set(sys.modules) - before})
print(json.dumps(found))
"""


def import_each(names: list[str]) -> dict[str, list[str]]:
    """For each module, imported one after the other by a fresh interpreter, the packages it brought in first."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", IMPORT_EACH, json.dumps(names)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_importing_the_package_loads_no_library() -> None:
    loaded = import_each(["embedcode"])["embedcode"]
    assert not {*HEAVY, "numpy", "pyarrow", "faiss"} & set(loaded)


def test_importing_any_module_loads_no_heavy_library() -> None:
    names = [f"embedcode.{n}" for n in modules() if n not in ("__init__", "__main__")]
    assert len(names) > 20
    for name, loaded in import_each(names).items():
        assert not set(HEAVY) & set(loaded), name


def test_importing_prints_nothing_and_leaves_the_environment_alone() -> None:
    names = [f"embedcode.{n}" for n in modules() if n not in ("__init__", "__main__")]
    script = (
        "import importlib, json, logging, os, sys, warnings; import numpy, pyarrow\n"
        "before = dict(os.environ), len(logging.root.handlers)\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "assert before == (dict(os.environ), len(logging.root.handlers))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", script, json.dumps(names)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
