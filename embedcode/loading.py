"""Loads a coder: finds the bundle, checks that it is not stale, and gets its embedder ready."""

from __future__ import annotations

from pathlib import Path

from embedcode.book import book_hash
from embedcode.bundle import STATIC, Bundle, load_bundle
from embedcode.coder import REMEMBERED, Coder
from embedcode.errors import BundleError, ModelError
from embedcode.paths import find_index
from embedcode.types import Embedder


def load(
    index: str | Path = "default",
    *,
    anchors: str | Path | None = None,
    model: str | None = None,
    download: bool = False,
    min_confidence: float = 0.0,
    remember: int = REMEMBERED,
) -> Coder:
    """Load a coder.

    Args:
        index: Name or folder of the bundle.
        anchors: Folder of the coding book that the bundle must have been built from. None: the `anchors/` beside
            the bundle's `indexes/`, where there is one.
        model: Where the bundle's embedder is not in the bundle: folder or name of the model.
        download: Whether a model that is not on this machine may be fetched.
        min_confidence: Ads coded with less confidence get no profile.
        remember: Segments to remember, for speed.

    Raises:
        BundleError: There is no such bundle, it is damaged, or the anchors have been edited since.
        ModelError: The embedder cannot be loaded.
    """
    folder = find_index(str(index))
    bundle = load_bundle(folder)
    check_fresh(bundle, folder, Path(anchors) if anchors else None)
    return Coder(bundle, load_embedder(bundle, model, download), min_confidence=min_confidence, remember=remember)


def check_fresh(bundle: Bundle, folder: Path, anchors: Path | None = None) -> None:
    """Check that the coding book is still the one that a bundle was built from.

    Raises:
        BundleError: It has been edited.
    """
    beside = anchors or folder.resolve().parent.parent / "anchors"
    if beside.is_dir() and book_hash(beside) != bundle.book_hash:
        raise BundleError(
            f"The coding book in {beside} has changed since the bundle in {folder} was built. "
            f"Rebuild it (seconds): embedcode build --anchors {beside} --output {folder}"
        )


def load_embedder(bundle: Bundle, model: str | None = None, download: bool = False) -> Embedder:
    """The embedder of a bundle.

    Raises:
        ModelError: The embedder is not on this machine, or is another one.
    """
    if bundle.embedder.kind == STATIC:
        if bundle.static is None:
            raise ModelError("The bundle names a static embedder but holds none. Build it again.")
        if model is not None:
            raise ModelError(
                f"The bundle holds its own embedder; found --model {model}, expected for bundles without one. Leave "
                "it out, or build a bundle with that model: embedcode build --embedder."
            )
        return bundle.static
    from embedcode.transformer import TransformerEmbedder, weights_hash

    name = model or bundle.embedder.name
    embedder = TransformerEmbedder.load(name, download=download)
    found = weights_hash(name)
    if embedder.dimension != bundle.anchor_vectors.shape[1] or (
        found and bundle.embedder.sha256 and found != bundle.embedder.sha256
    ):
        raise ModelError(
            f"The model {name!r} is not the one that the bundle was built with ({bundle.embedder.name}): its "
            "weights differ. Name the right one with --model, or build the bundle again with --embedder."
        )
    return embedder
