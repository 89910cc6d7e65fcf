"""Gold ads of two segments and rows as coded, for tests of agreement."""

from __future__ import annotations

from typing import Any

from ads import GENAI, ML, OTHER

from embedcode.codings import CodedRow, CodedSpan
from embedcode.gold import GoldAd

PROFILES = (ML, GENAI, OTHER)
PHRASE_CODES = tuple(f"{group}{i}" for group in ("TASK", "SKILL") for i in range(1, 6))
CODES = (*PHRASE_CODES, *(f"TECH{i}" for i in range(1, 12)))


def gold_ad(number: int = 0, profile: str = ML, **fields: Any) -> GoldAd:
    """An ad of two segments of ten code points each."""
    plain: dict[str, Any] = {
        "id": f"ad-{number}",
        "text": "Train them\nServe them",
        "profile": profile,
        "segments": ((0, 10), (11, 21)),
        "codes": (),
        "tools": (),
        "cluster": f"ad-{number}",
        "source": "authored",
        "language": "en",
        "confidence": 3.0,
        "coders": 2,
        "locked": False,
    }
    return GoldAd(**{**plain, **fields})


def span(
    code: str, start: int = 0, end: int = 10, text: str = "", tool: str | None = None, field: str = "text"
) -> CodedSpan:
    return CodedSpan(code, start, end, field, text, tool)


def coded_row(profile: str | None = ML, *spans: CodedSpan, confidence: float | None = 0.9) -> CodedRow:
    return CodedRow(profile, confidence, spans, None if profile else "the text is empty")
