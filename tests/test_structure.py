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
    "association",
    "breakdown",
    "charts",
    "bootstrap",
    "coded",
    "codes",
    "embedder",
    "examples",
    "features",
    "folder",
    "head",
    "keyindex",
    "language",
    "markup",
    "memo",
    "minhash",
    "neighbours",
    "paths",
    "ppi",
    "proposals",
    "remote",
    "qda_format",
    "segments",
    "terminal",
    "terms",
    "tools",
    "transformer",
    "values",
}
"""Modules that do one thing each and import the foundation only."""

JOINTS = {
    # Reading ads: a file format is chosen by name.
    "formats": {"remote", "values"},
    "documents": {"formats", "remote", "values"},
    "gold": {"values"},
    # What is written is whole or not there.
    "book": {"folder"},
    # From texts to evidence, for coding and building alike.
    "analysis": {"codes", "embedder", "features", "markup", "segments", "terms", "tools"},
    "labelled": {"analysis", "gold", "terms"},
    "bundle": {"analysis", "codes", "embedder", "folder", "head", "labelled", "terms", "tools"},
    "build": {
        *("analysis", "bundle", "codes", "embedder", "features", "gold", "head", "kappa", "labelled", "matching"),
        *("difference", "margin", "recode", "terms"),
    },
    # What a rebuild changes.
    "difference": {"bootstrap", "kappa", "labelled"},
    "margin": {"head"},
    "flips": {"coder", "difference", "margin"},
    "recode": {"bundle", "coder", "corpus", "flips", "values"},
    "train": {"codes", "embedder", "gold", "markup", "transformer"},
    "building": {
        *("book", "build", "bundle", "documents", "gold", "labelled", "loading", "paths", "train", "transformer"),
        *("corpus", "recode"),
    },
    "curate": {"book", "bundle", "embedder", "findings", "folder", "markup", "paths", "proposals", "tools"},
    "findings": {"book", "bundle", "coded_files", "folder", "loading", "labelled", "neighbours", "values"},
    "export": {"bundle", "embedder"},
    # Coding, and what stands around it.
    "coder": {"analysis", "bundle", "coded", "codes", "embedder", "language", "memo", "neighbours", "terms"},
    "loading": {"book", "bundle", "coder", "paths", "transformer"},
    "explain": {"analysis", "coder", "terms"},
    "suggest": {"coder", "codes", "explain", "language", "values"},
    "workers": {"coder", "neighbours"},
    # Whole inputs: where they go, and what codes them.
    "storage": {"folder", "remote"},
    "parts": {"coder", "folder", "storage", "values"},
    "journal": {"documents", "folder", "parts", "remote", "storage"},
    "local_engine": {"coder", "documents", "duplicates", "parts", "workers"},
    "run": {
        *("coder", "documents", "duplicates", "folder", "journal", "language", "loading", "local_engine", "neighbours"),
        *("parts", "remote", "storage", "workers"),
    },
    "shards": {"documents", "duplicates", "formats"},
    "ray_engine": {
        *("coder", "documents", "duplicates", "folder", "neighbours", "parts", "paths", "remote", "run", "shards"),
        "workers",
    },
    "spark": {
        *("coded", "coder", "documents", "neighbours", "paths", "run", "values", "workers"),
    },
    # Near-duplicates.
    "originals": {"folder", "minhash"},
    "duplicates": {"keyindex", "markup", "minhash", "originals"},
    "dedupe": {"documents", "duplicates", "folder", "keyindex", "tables"},
    # Agreement with people.
    "matching": {"gold"},
    "kappa": {"bootstrap"},
    "rates": {"bootstrap"},
    "agreement": {"bootstrap", "gold", "kappa", "matching", "rates"},
    "undefined": {"agreement", "bootstrap", "rates"},
    "codings": {"gold"},
    "coders": {"coded", "codings", "formats", "gold", "matching", "sample", "values"},
    "disagreements": {"codings", "tables"},
    "reliability": {"bootstrap", "kappa"},
    "significance": {"bootstrap"},
    "spans": {"bootstrap", "codings", "matching", "rates"},
    "evaluate": {
        *("agreement", "bootstrap", "coders", "codings", "disagreements", "gold", "matching", "reliability"),
        *("significance", "spans", "undefined"),
    },
    "evaluation_text": {
        *("agreement", "bootstrap", "disagreements", "evaluate", "kappa", "rates", "reliability"),
        *("significance", "spans", "terminal", "undefined"),
    },
    "coded_files": {"coded", "folder"},
    "tables": {"coded", "coded_files", "folder", "values"},
    # How common something is, corrected by a sample that people coded.
    "periods": {"values"},
    "grouping": {"periods", "values"},
    "census": {"coded", "coded_files", "grouping", "language", "values"},
    "sample": {"gold"},
    "prevalence": {"census", "gold", "grouping", "matching", "ppi", "sample"},
    "prevalence_text": {"census", "prevalence", "sample", "terminal"},
    # A report on coded ads: what is counted, what follows, how it is shown.
    "counts": {"breakdown", "census", "coded", "coded_files", "grouping", "values"},
    "report": {
        *("association", "book", "breakdown", "coded_files", "counts", "evaluate", "folder", "paths", "periods"),
    },
    "figure": {"breakdown", "charts"},
    "report_comparisons": {"breakdown", "charts", "counts", "figure", "report"},
    "report_agreement": {"agreement", "bootstrap", "charts", "evaluate", "figure", "rates", "undefined"},
    "report_figures": {"charts", "counts", "figure", "report", "report_agreement", "report_comparisons"},
    "report_page": {"association", "figure", "folder", "report", "report_comparisons", "report_figures"},
    # Looking through what was coded.
    "corpus": {"coded", "coded_files", "documents", "folder", "values"},
    "review": {"corpus", "folder", "sample"},
    "draft": {"book", "curate", "folder", "paths"},
    "workbench": {"build", "building", "bundle", "coder", "corpus", "draft", "findings", "labelled", "paths"},
    "web": {"book", "corpus", "difference", "explain", "review", "workbench"},
    # To programmes for qualitative data analysis and back.
    "qda_codebook": {"qda_format"},
    "qda_reading": {"qda_format"},
    "qda": {"coded", "corpus", "folder", "gold", "qda_codebook", "qda_format", "review", "values"},
    "qda_corrections": {
        *("coded", "corpus", "folder", "markup", "qda_format", "qda_reading", "review", "segments"),
    },
    "show": {
        *("build", "coded", "curate", "difference", "explain", "findings", "recode", "suggest", "terminal"),
        *("flips", "margin"),
    },
    # The command line and the package's front door, which import when asked.
    "cli_common": {"book", "paths"},
    "cli_anchors": {"cli_common", "curate", "documents", "loading", "paths", "show", "suggest"},
    "cli_figures": {
        *("cli_common", "coded_files", "disagreements", "evaluate", "evaluation_text", "folder", "prevalence"),
        *("prevalence_text", "qda", "qda_corrections", "report", "report_page", "sample", "tables"),
    },
    "cli": {
        *("building", "bundle", "cli_anchors", "cli_common", "cli_figures", "coder", "corpus", "dedupe", "documents"),
        *("draft", "duplicates", "examples", "explain", "export", "loading", "originals", "paths", "ray_engine"),
        *("remote", "run", "show", "web", "workbench"),
    },
    "__init__": {"coded", "coder", "explain", "loading"},
}
"""What each of the other modules may import beside the foundation; a new edge is a decision, to be made here."""

HEAVY = ("torch", "sklearn", "scipy", "sentence_transformers", "transformers", "ray")


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
