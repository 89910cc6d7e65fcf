"""The language of an ad: function words for English and Dutch, py3langid for the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ads import ADS

from embedcode.language import PREFIX, detect

ENGLISH = "You will work with us in the lab and build the tools that our users have asked for."
DUTCH = "Je gaat bij ons in het lab werken en bouwt de software waar onze klanten om vragen, met plezier."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (DUTCH, "nl"),
        ("", "en"),
        ("Data Engineer", "en"),
        ("Ontwikkelaar bij het ziekenhuis", "nl"),
        ("Senior Developer (m/v)", "en"),
        ("Wir suchen ab sofort einen erfahrenen Entwickler für unser Team in München und freuen uns auf dich.", "de"),
        ("Nous cherchons une développeuse expérimentée pour rejoindre notre équipe à Lyon dès maintenant.", "fr"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert detect(text) == language


def test_only_the_first_characters_count() -> None:
    padded = (ENGLISH + " ") * 12
    assert len(padded) > PREFIX
    assert detect(padded + DUTCH * 50) == "en"
    assert detect(" " * PREFIX + DUTCH) == "en"


def test_authored_ads() -> None:
    for ad in ADS:
        if ad.language in ("en", "nl") and len(ad.text) > 200:
            assert detect(ad.text) == ad.language, ad.id


def test_clear_cases_load_no_model() -> None:
    script = (
        "import sys; from embedcode.language import detect; "
        f"assert detect({ENGLISH!r}) == 'en' and detect({DUTCH!r}) == 'nl'; "
        "sys.exit('py3langid' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 0
