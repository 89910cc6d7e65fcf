"""Where coding books and bundles are found: in the study's folder, else in the package."""

from __future__ import annotations

from pathlib import Path

from embedcode.errors import BookError, BundleError

_PACKAGE = Path(__file__).parent


def shipped() -> Path:
    """The folder that holds the `anchors/` and `indexes/` that come with embedcode."""
    inside = _PACKAGE / "shipped"
    return inside if inside.is_dir() else _PACKAGE.parent


def find_anchors(given: Path | None = None) -> Path:
    """The folder of the coding book: the given one, else `anchors/` here, else the shipped one."""
    if given is not None:
        if not given.is_dir():
            raise BookError(
                f"Found no folder {given}; expected a coding book. Copy the shipped one with "
                "`embedcode anchors copy DIR` to begin with."
            )
        return given
    here = Path("anchors")
    return here if (here / "codes.csv").is_file() else shipped() / "anchors"


def find_index(given: str = "default") -> Path:
    """The folder of a bundle: a path, or a name under `indexes/` here or in the package."""
    for folder in (Path(given), Path("indexes") / given, shipped() / "indexes" / given):
        if (folder / "manifest.json").is_file():
            return folder
    known = sorted(
        {p.parent.name for root in (Path("indexes"), shipped() / "indexes") for p in root.glob("*/manifest.json")}
    )
    raise BundleError(
        f"Found no bundle {given!r}; expected a folder with a manifest.json, or one of: "
        f"{', '.join(known) or '(none)'}. Build one with `embedcode build`."
    )


def is_shipped(folder: Path) -> bool:
    """Whether a folder belongs to the installed package, where nothing should be written."""
    return (_PACKAGE / "shipped").is_dir() and folder.resolve().is_relative_to(_PACKAGE.resolve())
