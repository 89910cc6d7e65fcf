"""The language of an ad: function words where they settle it, py3langid for the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ads import ADS
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedcode import language as languages
from embedcode.language import LANGUAGES, PREFIX, FunctionWords, detect
from embedcode.words import Splitter

ENGLISH = "You will work with us in the lab and build the tools that our users have asked for."
DUTCH = "Je gaat bij ons in het lab werken en bouwt de software waar onze klanten om vragen, met plezier."

ENGLISH_ADS = [
    ENGLISH,
    "We are looking for an engineer who will train models and bring them to our customers, together with the team.",
    "About the role: you design the data pipelines of a growing company, and you talk to the people who need them.",
    "As our first machine learning engineer you will choose the tools, set the standards and hire your colleagues.",
    "The café in our office serves a fine crème brûlée, and you are welcome to it after your work with the team.",
]
DUTCH_ADS = [
    DUTCH,
    "Wij zoeken een ontwikkelaar die met ons modellen bouwt voor de planning van het onderhoud aan bruggen.",
    "Als data engineer zorg je ervoor dat de cijfers op tijd bij onze collega's zijn en dat ze kloppen.",
    "Jij bent nieuwsgierig, je hebt een afgeronde opleiding en je wilt niet alleen maar aan dashboards werken.",
    "Eén keer per jaar komen we met het hele bedrijf naar een eiland om ideeën te delen die we hebben.",
]
DUTCH_FOR_THE_MODEL = (
    "Onze reünie is beroemd: één keer per jaar komen we met het hele bedrijf naar een eiland om ideeën te delen."
)
"""So many letters beyond ASCII in one sentence that its function words do not settle it."""
OTHERS = [
    ("de", "Wir suchen ab sofort einen erfahrenen Entwickler für unser Team in München und freuen uns auf dich."),
    (
        "de",
        "Sie arbeiten mit uns an der Vorhersage von Verspätungen und werden von einem Team von Fachleuten begleitet.",
    ),
    ("fr", "Nous cherchons une développeuse expérimentée pour rejoindre notre équipe à Lyon dès maintenant."),
    ("fr", "Vous allez construire des modèles pour la maintenance des trains avec les ingénieurs de notre atelier."),
    ("es", "Buscamos una ingeniera de datos para nuestro equipo, con ganas de aprender y de trabajar en una oficina."),
    ("es", "Vas a construir los modelos que nuestra empresa usa para la planificación de las rutas de los camiones."),
    ("it", "Cerchiamo una persona che sviluppi con noi il motore di ricerca della biblioteca e che ami la qualità."),
    ("it", "Il nostro gruppo lavora nella sede di Torino e cura gli strumenti per la previsione della domanda."),
    ("pt", "Procuramos uma engenheira de dados para o nosso escritório no Porto, com gosto por uma boa conversa."),
    ("pt", "Você vai criar os modelos que a nossa empresa usa para prever a procura dos produtos em todas as lojas."),
    (
        "da",
        "Vi søger en dygtig udvikler, der kan bygge vores nye løsninger sammen med kollegerne på kontoret i Aarhus.",
    ),
    ("pl", "Szukamy doświadczonej programistki, która zbuduje z nami modele przewidujące opóźnienia pociągów."),
    ("zh", "我们正在寻找一位经验丰富的工程师，与团队一起开发机器学习模型，并负责系统的日常维护。"),
    ("ru", "Мы ищем опытного разработчика, который вместе с нами будет строить модели для прогноза спроса."),
]
HEADINGS = [
    "",
    "Data Engineer",
    "Senior Developer (m/v)",
    "Python\nSQL\nDocker\nKubernetes\nAirflow\nTerraform",
    "Responsibilities\n\nMachine Learning\nModel Serving\n\nRequirements\n\nPython\nPyTorch\nSQL\n\nBenefits",
    "\n".join(["Tech stack", "Backend: Go, Rust", "Frontend: React, TypeScript", "Cloud: AWS, Azure", "CI: Jenkins"]),
]


def counted(texts: list[str], function_words: FunctionWords | None = None) -> NDArray[np.float32]:
    """Function words of texts, by a splitter of their own."""
    splitter = Splitter()
    return (function_words or FunctionWords()).count(splitter, splitter.split(texts))


def language(text: str) -> str:
    (found,) = detect([text], counted([text]))
    return found


@pytest.mark.parametrize("text", ENGLISH_ADS)
def test_english(text: str) -> None:
    assert language(text) == "en"


@pytest.mark.parametrize("text", [*DUTCH_ADS, DUTCH_FOR_THE_MODEL, "Ontwikkelaar bij het ziekenhuis"])
def test_dutch(text: str) -> None:
    assert language(text) == "nl"


@pytest.mark.parametrize(("expected", "text"), OTHERS)
def test_other_languages(expected: str, text: str) -> None:
    assert language(text) == expected


@pytest.mark.parametrize("text", HEADINGS)
def test_headings_without_function_words_are_english(text: str) -> None:
    assert language(text) == "en"


def test_texts_together_are_told_apart_as_alone() -> None:
    texts = [*ENGLISH_ADS, *DUTCH_ADS, *(t for _, t in OTHERS), *HEADINGS]
    assert detect(texts, counted(texts)) == [language(t) for t in texts]
    assert detect([], counted([])) == []


def test_the_whole_text_counts() -> None:
    assert language((ENGLISH + " ") * 12 + DUTCH * 50) == "nl"
    assert language((DUTCH + " ") * 12 + ENGLISH * 50) == "en"
    assert language(" " * PREFIX + DUTCH) == "nl"


def test_py3langid_is_shown_the_first_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        def __init__(self) -> None:
            self.texts: list[str] = []

        def classify(self, text: str) -> tuple[str, float]:
            self.texts.append(text)
            return "ja", 0.0

    told = Told()
    monkeypatch.setattr(languages, "_identifier", lambda: told)
    text = "機械学習 " * PREFIX
    assert detect([ENGLISH, text, DUTCH], counted([ENGLISH, text, DUTCH])) == ["en", "ja", "nl"]
    assert told.texts == [text[:PREFIX]]


def test_authored_ads() -> None:
    for ad in ADS:
        if ad.language in ("en", "nl") and len(ad.text) > 200:
            assert language(ad.text) == ad.language, ad.id


def test_clear_cases_load_no_model() -> None:
    wanted = {**dict.fromkeys([*ENGLISH_ADS, *HEADINGS], "en"), **dict.fromkeys(DUTCH_ADS, "nl")}
    script = (
        "import sys; from embedcode.language import FunctionWords, detect; from embedcode.words import Splitter; "
        f"wanted = {wanted!r}; texts = list(wanted); splitter = Splitter(); "
        "counts = FunctionWords().count(splitter, splitter.split(texts)); "
        "assert detect(texts, counts) == list(wanted.values()); "
        "sys.exit('py3langid' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 0


# Counting


def test_what_is_counted() -> None:
    counts = counted(["The team and you", "het team wij", "", "café is für dich"])
    assert counts.shape == (4, len(LANGUAGES) + 2)
    assert counts.dtype == np.float32
    named = [dict(zip((*LANGUAGES, "beyond ASCII", "all"), row.tolist(), strict=True)) for row in counts]
    assert named[0] == {**dict.fromkeys(named[0], 0), "en": 3, "all": 4}
    assert named[1] == {**dict.fromkeys(named[1], 0), "nl": 2, "all": 3}
    assert not any(named[2].values())
    assert (named[3]["de"], named[3]["beyond ASCII"], named[3]["all"]) == (1, 2, 4)
    assert named[3]["en"] == named[3]["nl"] == 0, "a word of both languages tells nothing"


@pytest.mark.parametrize("text", [*ENGLISH_ADS, *DUTCH_ADS, *(t for _, t in OTHERS)])
def test_counts_add_up_over_the_pieces_of_a_text(text: str) -> None:
    words = text.split(" ")
    for size in (1, 3, 7):
        pieces = [" ".join(words[i : i + size]) for i in range(0, len(words), size)]
        added = counted(pieces).sum(axis=0, keepdims=True)
        assert np.array_equal(added, counted([text]))
        assert detect([text], added) == [language(text)]


WORDS = st.sampled_from(["the", "de", "het", "und", "le", "la", "una", "os", "is", "Python", "café", "für", "c++", "•"])


@given(st.lists(st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=5), max_size=4))
def test_counts_do_not_depend_on_what_was_counted_before(batches: list[list[str]]) -> None:
    one, splitter = FunctionWords(), Splitter()
    for batch in batches:
        found = one.count(splitter, splitter.split(batch))
        assert np.array_equal(found, counted(batch))
        assert np.array_equal(found.sum(axis=0), counted([" ".join(batch)])[0])


def test_a_new_splitter_numbers_words_anew() -> None:
    function_words = FunctionWords()
    for text in (ENGLISH, DUTCH, ENGLISH, "zzz " + DUTCH):
        assert np.array_equal(counted([text], function_words), counted([text]))
