"""Writes the static embedder in the sentence-transformers `StaticEmbedding` layout.

The tokeniser repeats the rules of `words` and `embedder`: lower case, words by `words.WORD`, unknown words by
greedy longest match (the WordPiece model without a continuation mark), nothing for what even that does not know.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from embedcode.bundle import Bundle
from embedcode.embedder import LONGEST_WORD
from embedcode.errors import ModelError, OutputError
from embedcode.words import FOLDED, WORD

UNKNOWN = "[UNK]"

README = """---
library_name: sentence-transformers
license: apache-2.0
---
# embedcode static embedder

Static word vectors of embedcode, a tool that codes job advertisements (English and Dutch) with a coding book.
A text's vector is the normalised sum of its words' vectors. Started from all-MiniLM-L6-v2 (Apache-2.0) and
fine-tuned towards anchor phrases; see the model card of the bundle that it was exported from.

    from sentence_transformers import SentenceTransformer
    SentenceTransformer("this folder").encode(["build data pipelines"])
"""


def export_static(bundle: Bundle, folder: Path) -> None:
    """Write the embedder of a bundle.

    Args:
        bundle: The bundle.
        folder: Where to; must be new or empty.

    Raises:
        ModelError: The bundle has no static embedder.
        OutputError: The folder holds something already.
    """
    static = bundle.static
    if static is None:
        raise ModelError(
            f"The bundle's embedder is {bundle.embedder.name}, a model of its own. Only static embedders are exported."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists already and is not an empty folder. Name another.")
    inner = folder / "0_StaticEmbedding"
    inner.mkdir(parents=True, exist_ok=True)
    # The mean that StaticEmbedding takes points where the sum does; the last row is the unknown word's: zero.
    table = np.concatenate([static.table, np.zeros((1, static.dimension), np.int8)]).astype(np.float32)
    save_file({"embedding.weight": table}, inner / "model.safetensors")
    vocabulary = {word: row for row, word in enumerate((*static.words, UNKNOWN))}
    _write(inner / "tokenizer.json", _tokeniser(vocabulary))
    _write(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": inner.name, "type": "sentence_transformers.models.StaticEmbedding"},
            {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    (folder / "1_Normalize").mkdir(exist_ok=True)
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine", "prompts": {}})
    (folder / "README.md").write_text(README, "utf-8")


def _tokeniser(vocabulary: dict[str, int]) -> dict[str, object]:
    """The tokeniser in the format of the tokenizers library."""
    replace = [{"type": "Replace", "pattern": {"String": sign}, "content": plain} for sign, plain in FOLDED.items()]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *replace]},
        "pre_tokenizer": {
            "type": "Split",
            # To the regular expressions of the tokenizers library, combining marks are word characters as well.
            "pattern": {"Regex": WORD.pattern.replace(r"[^\W_]", r"[\p{L}\p{N}]")},
            "behavior": "Removed",
            "invert": True,
        },
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": "",
            "max_input_chars_per_word": LONGEST_WORD,
            "vocab": vocabulary,
        },
    }


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8")
