"""The phrases in `anchors/` as data: readable rows, and no phrase twice over all files."""

import csv
import re
from pathlib import Path

ANCHORS = Path(__file__).parents[1] / "anchors"


def _files() -> list[Path]:
    return sorted((ANCHORS / "phrases").glob("*.csv")) + sorted(ANCHORS.glob("negatives.csv"))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _folded(phrase: str) -> str:
    """Fold case and punctuation; `+` and `#` stay, for C, C++ and C# are not the same."""
    return " ".join(re.findall(r"[\w+#]+", re.sub(r"['’]", "", phrase.casefold())))


def test_no_phrase_stands_twice() -> None:
    seen: dict[str, str] = {}
    duplicates = []
    for path in _files():
        for row in _rows(path):
            key = _folded(row["phrase"])
            if key in seen:
                duplicates.append(f"{path.name}: {row['phrase']!r}, already in {seen[key]}")
            seen.setdefault(key, path.name)
    assert seen
    assert not duplicates, "\n".join(duplicates)


def test_phrases_have_words_and_a_known_language() -> None:
    for path in _files():
        for row in _rows(path):
            assert _folded(row["phrase"]), f"{path.name}: an empty phrase"
            assert row["phrase"] == row["phrase"].strip(), f"{path.name}: spaces around {row['phrase']!r}"
            assert row["language"] in ("en", "nl"), f"{path.name}: {row['phrase']!r}: {row['language']!r}"
