"""Coded ads as a corpus: what a filter keeps, in which order, and where the texts come from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study

from embedcode.coded import coded_ads
from embedcode.corpus import NAME, Corpus, Document, Filter
from embedcode.documents import Columns, Source
from embedcode.errors import InputError
from embedcode.folder import MANIFEST
from embedcode.run import Bundled, run

TEXTS = [str(r["text"]) for r in gold_rows()]


def code(study: Study, folder: Path, keep: tuple[str, ...] = ()) -> Path:
    ads = [{"id": f"ad {i}", "title": None, "text": t} for i, t in enumerate(TEXTS)]
    ads[1]["title"] = "Zebra keeper"
    ads[3]["text"] = " "
    ads[5] = {"id": "ad 5", "title": None, "text": "Werk met Python.\n" + "Één regel. " * 30}
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    source = Source.open([str(folder / "ads.parquet")], Columns(keep=keep))
    run(source, folder / "out", Bundled(str(study.index)), rows_per_part=7)
    return folder / "out"


@pytest.fixture(scope="module")
def folder(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return code(built_study, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return Corpus(folder)


def test_filters_agree_with_the_rows(corpus: Corpus, folder: Path) -> None:
    table = pa.concat_tables([pq.read_table(p) for p in sorted(folder.glob("part-*.parquet"))])
    ads = coded_ads(table.combine_chunks().to_batches()[0])
    assert len(corpus) == len(ads) == len(TEXTS)
    for wanted, passes in (
        (Filter(), lambda a: True),
        (Filter(profile="GenAI Engineer"), lambda a: a.profile == "GenAI Engineer"),
        (Filter(profile="error"), lambda a: a.error is not None),
        (Filter(code="TASK3"), lambda a: any(e.code == "TASK3" for e in a.codes)),
        (Filter(tool="Python"), lambda a: any(e.tool == "Python" for e in a.codes)),
        (Filter(language="nl"), lambda a: a.language == "nl"),
        (Filter(least=0.4, most=0.8), lambda a: a.confidence is not None and 0.4 <= a.confidence <= 0.8),
        (Filter(code="TASK3", tool="Python"), lambda a: {"TASK3", "TECH1"} <= {e.code for e in a.codes}),
        (Filter(code="none of these"), lambda a: False),
    ):
        expected = [i for i, a in enumerate(ads) if passes(a)]
        assert corpus.find(wanted).tolist() == expected, wanted
    assert corpus.coded([9, 2, 8]) == [ads[9], ads[2], ads[8]]
    for code, count in corpus.codes.items():
        assert count == sum(any(e.code == code for e in a.codes) for a in ads)
    assert sum(corpus.profiles().values()) == len(ads)
    assert sum(corpus.confidences(corpus.find(Filter()))) == len(ads) - 1
    assert corpus.row_of("ad 8") == 8
    assert corpus.row_of("none") is None


def test_orders(corpus: Corpus) -> None:
    confidence = corpus.ads["confidence"].to_pylist()
    unsure = corpus.find(Filter(order="unsure")).tolist()
    known = [confidence[r] for r in unsure if confidence[r] is not None]
    assert known == sorted(known)
    assert unsure[-1] == 3
    sure = corpus.find(Filter(order="sure")).tolist()
    assert [confidence[r] for r in sure[:-1]] == known[::-1]
    assert sure[-1] == 3


def test_words_are_found_in_texts_and_titles(corpus: Corpus) -> None:
    assert corpus.find(Filter(words="ZEBRA")).tolist() == [1]
    assert corpus.find(Filter(words="één regel")).tolist() == [5]
    assert corpus.find(Filter(words="[")).tolist() == [i for i, t in enumerate(TEXTS) if "[" in t]
    assert corpus.names([1, 5]) == ["Zebra keeper", "Werk met Python."]
    assert all(len(name) <= NAME + 1 for name in corpus.names(range(len(corpus))))
    assert corpus.document(1).title == "Zebra keeper"


def test_kept_texts_need_no_input(built_study: Study, tmp_path: Path) -> None:
    folder = code(built_study, tmp_path, keep=("text", "title"))
    (tmp_path / "ads.parquet").unlink()
    corpus = Corpus(folder)
    assert corpus.document(1).title == "Zebra keeper"
    assert corpus.document(2).text == TEXTS[2]


def test_titles_that_were_not_kept_come_from_the_input(built_study: Study, tmp_path: Path) -> None:
    folder = code(built_study, tmp_path, keep=("text",))
    assert Corpus(folder).document(1) == Document(TEXTS[1], "Zebra keeper")
    (tmp_path / "ads.parquet").unlink()
    assert Corpus(folder).document(1) == Document(TEXTS[1], None)


def test_an_input_that_is_gone_or_changed(built_study: Study, tmp_path: Path) -> None:
    folder = code(built_study, tmp_path)
    ads = tmp_path / "ads.parquet"
    table = pq.read_table(ads)
    pq.write_table(table.slice(0, 3), ads)
    with pytest.raises(InputError, match="has changed since it was coded"):
        Corpus(folder).find(Filter(words="a"))
    ads.unlink()
    with pytest.raises(InputError, match="no text was kept. Code the ads again with --keep text"):
        Corpus(folder).document(0)
    assert Corpus(folder).names([0, 1]) == ["", ""]
    assert len(Corpus(folder).find(Filter(code="TASK3")))


def test_folders_that_are_no_corpus(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected coded ads"):
        Corpus(tmp_path / "none")
    with pytest.raises(InputError, match="Found no part"):
        Corpus(tmp_path)
    half = shutil.copytree(folder, tmp_path / "half")
    (half / MANIFEST).unlink()
    with pytest.raises(InputError, match="has not come to its end"):
        Corpus(half)
    lost = shutil.copytree(folder, tmp_path / "lost")
    (lost / "part-00001.parquet").unlink()
    with pytest.raises(InputError, match="lacks part-00001"):
        Corpus(lost)
    other = shutil.copytree(folder, tmp_path / "other")
    table = pq.read_table(other / "part-00000.parquet").drop_columns(["codes"])
    pq.write_table(table, other / "part-00000.parquet")
    with pytest.raises(InputError, match="has no column codes"):
        Corpus(other)
    table = pq.read_table(folder / "part-00000.parquet")
    spans = table["codes"].combine_chunks()
    less = pa.StructArray.from_arrays([spans.values.field(n) for n in ("code", "start")], ["code", "start"])
    older = pa.ListArray.from_arrays(spans.offsets, less)
    pq.write_table(table.set_column(table.column_names.index("codes"), "codes", older), other / "part-00000.parquet")
    with pytest.raises(InputError, match="holds other evidence in the column codes than this version writes"):
        Corpus(other)
    (other / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        Corpus(other)
    nothing = shutil.copytree(folder, tmp_path / "nothing")
    (nothing / MANIFEST).write_text(json.dumps({"rows": 1}))
    with pytest.raises(InputError, match="lists no parts"):
        Corpus(nothing)
