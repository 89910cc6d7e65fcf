"""Coding: the columns of the contract, offsets that hold for any text, and results that know nothing of batches."""

from __future__ import annotations

import io
import json
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ADS, GENAI, ML, OTHER, gold_rows
from hypothesis import given, settings
from hypothesis import strategies as st

import embedcode
from embedcode.bundle import Bundle, load_bundle
from embedcode.coded import EVIDENCE, CodedAd
from embedcode.coder import CHUNK_ADS, REMEMBERED, Coder
from embedcode.errors import InputError
from embedcode.examples import example_ads
from embedcode.paths import shipped

TEXTS = [r["text"] for r in gold_rows()]
CODES = [f"{g}{i}" for g, n in (("TASK", 5), ("TECH", 11), ("SKILL", 5)) for i in range(1, n + 1)]
PROFILES = [ML, GENAI, OTHER]

TRICKY = [
    "👩🏽‍💻 AI Engineer 🚀\n\n• Build RAG chatbots with LangChain 🦜🔗 and Python 🐍\n• Fine-tune Llama 3 🦙",
    "<p>You will <b>build</b> &amp; deploy models with <i>Python</i>&nbsp;and PyTorch.</p><ul><li>Train LLMs</ul>",
    "# Engineer\n\n**You** build [chatbots](https://example.org/x) in `Python`.\n\n1. Train\n2. Use C++, .NET",
    "Je bouwt datapijplijnen\r\nin Python\ren traint modellen\u2028met PyTorch.\u0085 Ook C#.",
    "Zażółć gęślą jaźń: Python, 日本語で機械学習モデルを構築する, بناء نماذج لغوية باستخدام Python",
    "a\u0300e\u0301 combining Python\u200b zero\u00adwidth \ufeffPython",
    "\x00\x01\x02Python\x00 build\x02 language models with Lang\x00Chain\x01",
    "𝐏𝐲𝐭𝐡𝐨𝐧 and Python; İstanbul ŞIRNAK ß ﬁne-tune language models",
    "&lt;b&gt;Python&lt;/b&gt; &#128640; &#x1F680; &bogus; train models < 5 and > 3",
]


def evidence_holds(ad: CodedAd, text: str, title: str | None = None) -> None:
    """Check all that the contract says of the evidence of one ad."""
    places = []
    for e in ad.codes:
        source = {"text": text, "title": title or ""}[e.field]
        assert 0 <= e.start < e.end <= len(source)
        assert source[e.start : e.end] == e.text
        assert e.text.strip(), "evidence of white space"
        assert e.code in CODES
        assert 0 <= e.score <= 1
        if e.tool is None:
            assert not e.code.startswith("TECH")
            if e.anchor is not None:
                assert e.similarity is not None
                assert -1 <= e.similarity <= 1
                assert e.anchor_id is not None
                assert e.anchor_id.startswith(f"{e.code}-")
        else:
            assert e.code.startswith("TECH")
            assert (e.anchor, e.anchor_id, e.similarity) == (None, None, None)
        places.append((e.field != "title", e.start, e.end))
    assert places == sorted(places), "evidence in text order"


def as_batch(texts: list[Any], **columns: list[Any]) -> pa.RecordBatch:
    arrays = {"text": pa.array(texts, pa.string()), **{k: pa.array(v) for k, v in columns.items()}}
    return pa.record_batch(list(arrays.values()), names=list(arrays))


def in_batches(coder: Coder, batch: pa.RecordBatch, size: int) -> bytes:
    """What comes out when a batch is coded piece by piece, as Parquet bytes."""
    parts = [coder.classify_batch(batch.slice(i, size)) for i in range(0, len(batch), size)]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches(parts).combine_chunks(), sink)
    return sink.getvalue()


# The contract


def test_columns_and_types(coder: Coder) -> None:
    schema = coder.classify_batch(as_batch(TEXTS[:3])).schema
    assert schema.names == [
        *("id", "profile", "confidence", "probabilities", "language", "n_segments", "codes", "strengths"),
        *("duplicate_of", "error"),
    ]
    types = {n: schema.field(n).type for n in schema.names}
    assert all(types[n] == pa.string() for n in ("id", "profile", "language", "duplicate_of", "error"))
    assert types["confidence"] == pa.float32()
    assert types["n_segments"] == pa.int32()
    assert types["probabilities"] == pa.struct([(p, pa.float32()) for p in PROFILES])
    assert set(types["strengths"].names) == set(CODES)
    assert all(f.type == pa.float32() for f in types["strengths"])
    assert types["codes"] == pa.list_(EVIDENCE)
    fields = {f.name: f.type for f in EVIDENCE}
    assert list(fields) == [
        *("code", "start", "end", "field", "text", "score", "anchor", "anchor_id", "similarity", "tool")
    ]
    assert fields["start"] == fields["end"] == pa.int32()
    assert fields["score"] == fields["similarity"] == pa.float32()


def test_authored_ads(coder: Coder) -> None:
    coded = coder.classify(TEXTS)
    assert [c.id for c in coded] == [str(i) for i in range(len(TEXTS))]
    for ad, text in zip(coded, TEXTS, strict=True):
        evidence_holds(ad, text)
        assert ad.profile in PROFILES
        assert ad.probabilities is not None
        assert sum(ad.probabilities.values()) == pytest.approx(1, abs=2e-4)
        assert ad.confidence == ad.probabilities[ad.profile] == max(ad.probabilities.values())
        assert ad.error is None
        assert ad.n_segments > 1


def test_authored_ads_are_coded_sensibly(coder: Coder) -> None:
    """Far below what should come out, and far above what a broken bundle gives."""
    coded = coder.classify(TEXTS)
    right = sum(c.profile == a.profile for c, a in zip(coded, ADS, strict=True))
    assert right >= 0.7 * len(ADS)
    wanted = [(c, code) for c, a in zip(coded, ADS, strict=True) for code in a.expected.split()]
    found = sum(code in {e.code for e in c.codes} for c, code in wanted)
    assert found >= 0.5 * len(wanted)
    tools = [(c, t) for c, a in zip(coded, ADS, strict=True) for t, code in a.tools.items() if code != "OTHER"]
    named = sum(t.lower() in {(e.tool or "").lower() for e in c.codes} for c, t in tools)
    assert named >= 0.8 * len(tools)


def test_languages(coder: Coder) -> None:
    found = [c.language for c in coder.classify([a.text for a in ADS if a.language != "mix"])]
    expected = [a.language for a in ADS if a.language != "mix"]
    assert sum(f == e for f, e in zip(found, expected, strict=True)) >= 0.9 * len(expected)
    german = "Wir suchen eine Entwicklerin, die mit uns Modelle für die Vorhersage von Störungen an Zügen baut."
    assert coder.classify([german])[0].language == "de"
    assert coder.classify([german])[0].profile in PROFILES


def test_a_tool_stands_once_at_its_first_mention(coder: Coder) -> None:
    text = "We use Python. You know Python and PyTorch, and PyTorch again."
    tools = [(e.tool, e.start) for e in coder.classify([text])[0].codes if e.tool]
    assert tools == [("Python", text.index("Python")), ("PyTorch", text.index("PyTorch"))]


def test_strengths_are_what_the_head_saw(coder: Coder) -> None:
    ad = coder.classify([TEXTS[0]])[0]
    features = coder.analyse([TEXTS[0]]).features[0]
    assert ad.strengths is not None
    for code, strength in ad.strengths.items():
        name = f"{code}.tools" if code.startswith("TECH") else f"{code}.best"
        assert strength == pytest.approx(features[coder.space.names.index(name)], abs=1e-4)


def test_evidence_reaches_its_threshold(coder: Coder) -> None:
    thresholds = dict(zip(coder.bundle.codes.codes, coder.bundle.codes.thresholds.tolist(), strict=True))
    for ad in coder.classify(TEXTS):
        for e in ad.codes:
            if e.tool is None:
                assert e.score >= thresholds[e.code] - 1e-4


def test_the_nearest_anchor_by_brute_force(coder: Coder) -> None:
    """The anchor that evidence names is the nearest one of its code."""
    anchors = coder.bundle.book.anchors
    table = coder.bundle.anchor_vectors.astype(np.int64)
    named = 0
    for text in TEXTS[:20]:
        found = coder.analyse([text])
        for e in coder.classify([text])[0].codes:
            if e.tool is not None:
                continue
            segment = int(np.flatnonzero(found.layout.start == e.start)[0])
            products = table @ found.vectors[segment].astype(np.int64)
            near = np.argsort(-products, kind="stable").tolist()
            mine = [i for i in near if anchors[i].code == e.code]
            assert (e.anchor_id, e.anchor) == (anchors[mine[0]].id, anchors[mine[0]].phrase)
            assert e.similarity == pytest.approx(min(1.0, products[mine[0]] / 256**2), abs=1e-4)
            named += 1
    assert named > 20


# Offsets


@pytest.mark.parametrize("text", TRICKY)
def test_offsets_count_code_points(coder: Coder, text: str) -> None:
    ad = coder.classify([text])[0]
    evidence_holds(ad, text)
    if "Python" in text:
        assert "Python" in {e.tool for e in ad.codes}


def test_evidence_behind_emoji_lies_where_it_should(coder: Coder) -> None:
    text = TRICKY[0]
    found = {e.tool: e for e in coder.classify([text])[0].codes if e.tool}
    assert (found["Python"].start, found["Python"].text) == (text.index("Python"), "Python")
    assert len(text.encode()) > len(text) + 20


@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                [
                    "Python",
                    "LangChain",
                    "C++",
                    ".NET",
                    "Node.js",
                    "build chatbots with RAG",
                    "train models. ",
                    "\n- ",
                    "• ",
                ]
            ),
            st.sampled_from(
                ["<p>", "</p>", "<li>", "&amp;", "&nbsp;", "**", "\r\n", "\n\n", "\x00", "🚀", "# ", "e.g. "]
            ),
            st.sampled_from(
                ["werk samen met collega's", "Je bouwt modellen; je traint ze", "\u00a0", "\u2028", "   ", "1) "]
            ),
        ),
        max_size=25,
    ).map("".join),
    st.one_of(
        st.none(), st.text(max_size=20), st.sampled_from(["Python Engineer", "<b>AI</b> &amp; Python", " 🚀 Go "])
    ),
)
@settings(max_examples=150)
def test_every_evidence_slice_equals_the_text_it_names(coder: Coder, text: str, title: str | None) -> None:
    ad = coder.classify([text], [title])[0]
    evidence_holds(ad, text, title)
    assert (ad.profile is None) == (ad.error is not None)
    alone = coder.classify([text])[0]
    evidence_holds(alone, text)


@given(st.lists(st.text(max_size=60), max_size=6))
@settings(max_examples=40)
def test_any_texts_give_as_many_rows(coder: Coder, texts: list[str]) -> None:
    coded = coder.classify(texts)
    assert [c.id for c in coded] == [str(i) for i in range(len(texts))]
    for ad, text in zip(coded, texts, strict=True):
        evidence_holds(ad, text)


# Titles


def test_a_title_given_apart(coder: Coder) -> None:
    title, text = (
        "Senior Python Engineer (LLM)",
        "You build chatbots with LangChain and retrieval-augmented generation.",
    )
    ad = coder.classify([text], [title])[0]
    evidence_holds(ad, text, title)
    python = next(e for e in ad.codes if e.tool == "Python")
    assert (python.field, python.start, python.end) == ("title", 7, 13)
    assert ad.codes[0].field == "title", "the title is the first segment"
    assert next(e for e in ad.codes if e.tool == "LangChain").field == "text"
    assert ad.n_segments == coder.classify([text])[0].n_segments + 1


def test_a_title_with_which_the_text_begins(coder: Coder) -> None:
    title = "Python Engineer"
    text = f"\n  {title}\n\nYou build chatbots with LangChain."
    ad = coder.classify([text], [title])[0]
    evidence_holds(ad, text, title)
    assert {e.field for e in ad.codes} == {"text"}
    assert sum(e.tool == "Python" for e in ad.codes) == 1
    assert ad == coder.classify([text])[0]


def test_no_title_and_an_empty_one_are_the_same(coder: Coder) -> None:
    text = TEXTS[0]
    results = [coder.classify([text], [t])[0] for t in (None, "", "  \n ")]
    assert results[0] == results[1] == results[2] == coder.classify([text])[0]


def test_the_first_line_serves_as_the_title(coder: Coder) -> None:
    body = "You build chatbots with LangChain and retrieval-augmented generation for lawyers."
    layout = coder.analyse([f"AI Engineer\n\n{body}"]).layout
    assert layout.title.tolist() == [True, False]
    assert coder.analyse([f"{body} You test them.\n\n{body}"]).layout.title.tolist()[0] is False


def test_titles_carry_no_codes_but_tools(coder: Coder) -> None:
    for title in ("Fine-tuning large language models in Python", "Building machine learning pipelines with Airflow"):
        ad = coder.classify(["A job."], [title])[0]
        assert {e.code[:4] for e in ad.codes if e.field == "title"} == {"TECH"}


# Rows that cannot be coded


def test_rows_with_errors(coder: Coder) -> None:
    texts = [None, "", " \n\t\u00a0", "Build models in Python.", None]
    out = coder.classify_batch(as_batch(texts, error=[None, None, None, None, "the text is a number"])).to_pylist()
    assert [r["error"] for r in out] == [
        *["no text: null, empty or white space only"] * 3,
        None,
        "the text is a number",
    ]
    for row in (*out[:3], out[4]):
        assert (
            row["profile"] is row["confidence"] is row["probabilities"] is row["language"] is row["strengths"] is None
        )
        assert row["codes"] == []
        assert row["n_segments"] == 0
    assert out[3]["profile"] in PROFILES


def test_an_error_that_came_along_wins(coder: Coder) -> None:
    out = coder.classify_batch(as_batch(["Build models."], error=["broken row"])).to_pylist()
    assert (out[0]["profile"], out[0]["error"]) == (None, "broken row")


def test_only_errors(coder: Coder) -> None:
    out = coder.classify_batch(as_batch([None, ""], id=["a", "b"]))
    assert out.column("id").to_pylist() == ["a", "b"]
    assert out.column("profile").null_count == 2
    assert out.schema == coder.classify_batch(as_batch(TEXTS[:1])).schema


def test_an_empty_batch(coder: Coder) -> None:
    out = coder.classify_batch(as_batch([], **{"keep:n": []}))
    assert len(out) == 0
    assert out.schema.names[:-1] == coder.classify_batch(as_batch(TEXTS[:1])).schema.names
    assert coder.classify([]) == []


@pytest.mark.parametrize(
    "text", ["...", "1234 5678", "🚀🚀", "-", "\x00", "<br><br>", "&nbsp;", "\u200b", "]]>", "•\n•\n•"]
)
def test_a_text_without_a_letter(coder: Coder, text: str) -> None:
    ad = coder.classify([text])[0]
    assert (ad.profile is None) == (ad.error is not None)
    evidence_holds(ad, text)
    assert [e for e in ad.codes if e.tool is None] == []


def test_a_batch_without_text_column(coder: Coder) -> None:
    batch = pa.record_batch([pa.array(["x"])], names=["description"])
    with pytest.raises(InputError, match="Found the columns description; expected one named 'text'"):
        coder.classify_batch(batch)


def test_one_string_is_not_taken_for_many_texts(coder: Coder) -> None:
    with pytest.raises(TypeError, match=r"classify\(\[text\]\)"):
        coder.classify("Build models.")


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_other_string_types(coder: Coder, kind: pa.DataType) -> None:
    plain = as_batch(TEXTS[:3])
    batch = pa.record_batch([plain.column("text").cast(kind)], names=["text"])
    assert coder.classify_batch(batch).equals(coder.classify_batch(plain))


def test_a_column_of_nulls(coder: Coder) -> None:
    out = coder.classify_batch(pa.record_batch([pa.nulls(2)], names=["text"]))
    assert out.column("error").null_count == 0


# Kept columns, ids, batches


def test_kept_columns_are_passed_on(coder: Coder) -> None:
    columns: dict[str, list[Any]] = {
        "keep:date": [1, None],
        "keep:text": ["x", "y"],
        "keep:keep:odd": [[1], []],
        "other": ["not", "kept"],
    }
    out = coder.classify_batch(as_batch([TEXTS[0], ""], **columns))
    assert out.schema.names[-3:] == ["date", "text", "keep:odd"]
    assert out.column("date").to_pylist() == [1, None]
    assert out.column("text").to_pylist() == ["x", "y"]
    assert out.column("keep:odd").to_pylist() == [[1], []]


def test_ids_are_strings(coder: Coder) -> None:
    assert coder.classify_batch(as_batch(["x", "y"], id=[17, None])).column("id").to_pylist() == ["17", None]
    assert coder.classify_batch(as_batch(["x"])).column("id").to_pylist() == [None]


@pytest.fixture(scope="module")
def mixed() -> pa.RecordBatch:
    """Ads, tricky texts, titles and rows with errors, repeated until there are several chunks."""
    examples = example_ads()
    texts = [*TEXTS, *TRICKY, None, "", *(e.text for e in examples)]
    titles = [*([None] * len(TEXTS)), *(["Python 🚀"] * len(TRICKY)), None, "x", *(e.title for e in examples)]
    ids = [f"ad-{i}" for i in range(len(texts))]
    times = 5
    return as_batch(texts * times, title=titles * times, id=ids * times, **{"keep:n": list(range(len(texts) * times))})


def test_batches_of_any_size_give_identical_bytes(coder: Coder, mixed: pa.RecordBatch) -> None:
    assert len(mixed) > CHUNK_ADS
    whole = in_batches(coder, mixed, 1000)
    assert in_batches(coder, mixed, 7) == whole
    head = mixed.slice(0, 80)
    assert in_batches(coder, head, 1) == in_batches(coder, head, 1000)


def test_a_fresh_coder_gives_the_same(coder: Coder, mixed: pa.RecordBatch) -> None:
    fresh = Coder(load_bundle(shipped() / "indexes" / "default"))
    backwards = mixed.take(pa.array(range(79, -1, -1)))
    out = fresh.classify_batch(backwards).take(pa.array(range(79, -1, -1)))
    assert out.equals(coder.classify_batch(mixed.slice(0, 80)))


def test_what_is_remembered_does_not_matter(coder: Coder, mixed: pa.RecordBatch) -> None:
    """However many segments are remembered, and whether they were met before: the same bytes."""
    whole = in_batches(coder, mixed, 1000)
    for remember in (0, 10, REMEMBERED):
        fresh = Coder(coder.bundle) if remember == REMEMBERED else Coder(coder.bundle, remember=remember)
        for size in (1000, 40):
            assert in_batches(fresh, mixed, size) == whole, (remember, size)
        memo = fresh.memo
        assert memo.asked > 2 * len(mixed)
        assert (memo.found > 0) == (remember != 0)
        if remember == REMEMBERED:
            assert memo.found > 0.8 * memo.asked, "the ads are there ten times"
        assert fresh.clock.seconds["terms"] > 0


def test_the_limits_of_chunks_do_not_matter(
    coder: Coder, mixed: pa.RecordBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = coder.classify_batch(mixed.slice(0, 80))
    monkeypatch.setattr("embedcode.coder.CHUNK_ADS", 3)
    monkeypatch.setattr("embedcode.coder.CHUNK_CHARACTERS", 500)
    monkeypatch.setattr("embedcode.analysis.MAX_TOKENS", 10)
    assert coder.classify_batch(mixed.slice(0, 80)).equals(before)


# Size


def test_an_ad_of_five_megabytes(coder: Coder) -> None:
    one = TEXTS[0] + "\n\n"
    text = one * (5_000_000 // len(one) + 1)
    began = time.perf_counter()
    ad = coder.classify([text])[0]
    assert time.perf_counter() - began < 15
    assert ad.error is None
    assert ad.n_segments > 10_000
    assert all(a.start <= b.start for a, b in pairwise(ad.codes))
    for e in ad.codes[:: max(1, len(ad.codes) // 1000)]:
        assert text[e.start : e.end] == e.text


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "Python " * 150_000, "a.b " * 200_000, "<" * 300_000, "\n" * 500_000 + "x"]
)
def test_long_texts_of_odd_kinds(coder: Coder, text: str) -> None:
    began = time.perf_counter()
    evidence_holds(coder.classify([text])[0], text)
    assert time.perf_counter() - began < 10


# The Python interface


def test_load(built_study: Any) -> None:
    coder = embedcode.load(built_study.index)
    assert isinstance(coder, embedcode.Coder)
    assert isinstance(coder.bundle, Bundle)
    ad = coder.classify(["Make software.\n\nYou build language models with LangChain."])[0]
    assert isinstance(ad, embedcode.CodedAd)
    assert isinstance(ad.codes[0], embedcode.Evidence)


def test_a_bundle_without_embedder(coder: Coder) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="no embedder"):
        Coder(replace(coder.bundle, static=None))


def test_the_parameters_of_evidence_are_plain(coder: Coder) -> None:
    from dataclasses import asdict

    ad = coder.classify(TEXTS[:1])[0]
    assert json.loads(json.dumps(asdict(ad)))["profile"] == ad.profile


def test_min_confidence_leaves_the_profile_open(coder: Coder) -> None:
    whole = coder.classify(TEXTS)
    limit = float(np.median([ad.confidence for ad in whole]))
    careful = Coder(coder.bundle, min_confidence=limit).classify(TEXTS)
    left_open = 0
    for free, bound in zip(whole, careful, strict=True):
        assert (bound.confidence, bound.probabilities, bound.codes) == (free.confidence, free.probabilities, free.codes)
        if np.float32(free.confidence) < np.float32(limit):
            left_open += 1
            assert bound.profile is None
            assert bound.error == f"the confidence is below the minimum of {limit:g}"
        else:
            assert (bound.profile, bound.error) == (free.profile, None)
    assert 0 < left_open < len(TEXTS)
