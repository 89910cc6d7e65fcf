"""Coding in Spark: the rows of the local engine, whoever dies; what is wrong is said before a task runs, or once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ADS
from conftest import Study

from embedcode import __version__, spark
from embedcode.coder import Coder
from embedcode.documents import Columns, Source
from embedcode.errors import BundleError, EmbedcodeError, InputError
from embedcode.run import Bundled, bundle_identity, run
from embedcode.types import NO_TEXT

engines = pytest.mark.engines

ROWS = [
    {
        "id": i,
        "titel": "" if i % 3 else ad.title,
        "text": ad.text,
        "on.date": date(2026, 1, 1) + timedelta(i),
        "tags": ["a"],
    }
    for i, ad in enumerate(ADS)
] + [
    {"id": 1000, "titel": None, "text": None, "on.date": None, "tags": None},
    {"id": 1001, "titel": "AI Engineer", "text": " \n", "on.date": None, "tags": []},
]
SCHEMA = "id long, titel string, text string, `on.date` date, tags array<string>"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Spark with two executors on this machine, each a process with one core."""
    import pyspark

    home = tmp_path_factory.mktemp("spark")  # Spark writes into it
    for path in Path(pyspark.__file__).parent.iterdir():
        (home / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_HOME", str(home))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        options = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "OFF",
            "spark.task.maxFailures": "2",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": str(home / "warehouse"),
        }
        made = pyspark.sql.SparkSession.builder.master("local-cluster[2,1,1024]").config(map=options).getOrCreate()
        yield made
        made.stop()


def ads(session: Any, rows: list[dict[str, Any]] = ROWS, partitions: int = 4) -> Any:
    values = [tuple(row.values()) for row in rows]
    return session.createDataFrame(session.sparkContext.parallelize(values, partitions), SCHEMA)


def by_id(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata().sort_by("id").combine_chunks()


def locally(rows: list[dict[str, Any]], folder: Path, index: str | Path, keep: tuple[str, ...] = ()) -> pa.Table:
    """The same ads, coded by the local engine."""
    given = folder / "ads.parquet"
    pq.write_table(pa.Table.from_pylist(rows), given)
    source = Source.open([str(given)], Columns(keep=keep))
    run(source, folder / "coded", Bundled(str(index)))
    return by_id(pa.concat_tables(pq.read_table(part) for part in sorted((folder / "coded").glob("*.parquet"))))


@engines
@pytest.mark.parametrize("own", [True, False], ids=["bundle of the study, sent along", "bundle of the package"])
def test_rows_are_those_of_the_local_engine(own: bool, session: Any, built_study: Study, tmp_path: Path) -> None:
    index = built_study.index if own else "default"
    keep = ("on.date", "tags")
    coded = spark.classify(ads(session, partitions=2 * len(ROWS)), keep=keep, index=index)  # half of them empty
    found, expected = by_id(coded.toArrow()), locally(ROWS, tmp_path, index, keep)
    assert found.schema.names == expected.schema.names
    assert found.equals(expected.cast(found.schema))
    errors = {row["id"]: row["error"] for row in found.to_pylist() if row["error"]}
    assert errors == {"1000": NO_TEXT, "1001": NO_TEXT}


@engines
def test_no_rows_and_other_names(session: Any, built_study: Study) -> None:
    df = ads(session).withColumnsRenamed({"id": "number", "text": "what.it says", "tags": "id"})
    names = {"id_column": "number", "text_column": "what.it says", "index": built_study.index}
    nothing = spark.classify(df.limit(0), **names)
    assert nothing.count() == 0
    assert nothing.columns[:2] == ["id", "profile"]
    some = spark.classify(df.where("number < 3"), **names).select("id", "error").toArrow()
    assert sorted(some["id"].to_pylist()) == ["0", "1", "2"]
    with pytest.raises(InputError, match="The columns id cannot be kept"):
        spark.classify(df, keep=["id"], **names)


def parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            found[int(folder.name)] = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
    return found


def workers_beside(worker: int) -> list[int]:
    """All Python workers of the executor that a Python worker belongs to."""
    known = parents()
    return [pid for pid, parent in known.items() if parent == known[worker]]


def executor_of(worker: int) -> list[int]:
    """The executor that a Python worker belongs to; what forks the workers stands between the two."""
    known = parents()
    return [known[known[worker]]]


@engines
@pytest.mark.parametrize("victims", [workers_beside, executor_of])
def test_who_is_killed_in_the_middle_costs_time_not_rows(
    victims: Callable[[int], list[int]], session: Any, built_study: Study, tmp_path: Path
) -> None:
    rows = [{**row, "id": i} for i, row in enumerate(10 * ROWS)]
    partitions, begun = 12, tmp_path / "begun"
    begun.mkdir()

    def slowly(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import os
        import time

        for batch in batches:
            (begun / f"{time.time()} {os.getpid()}").touch()
            time.sleep(0.5)
            yield batch

    df = ads(session, rows, partitions).select("id", "titel", "text")
    coded = spark.classify(df.mapInArrow(slowly, df.schema), index=built_study.index)
    with ThreadPoolExecutor(1) as pool:
        table = pool.submit(coded.toArrow)
        while len(names := sorted(path.name for path in begun.iterdir())) < partitions // 2 and not table.done():
            time.sleep(0.01)
        for pid in victims(int(names[-1].split()[1])):
            os.kill(pid, signal.SIGKILL)
        assert not table.done()
        found = by_id(table.result())
    assert len(list(begun.iterdir())) > partitions, "nothing was done again"
    expected = locally(rows, tmp_path, built_study.index)
    assert found.equals(expected.cast(found.schema))


def job(coder: Coder, **changes: Any) -> spark.Job:
    return replace(spark.Job(("id", "text"), Bundled(), False, __version__, bundle_identity(coder)), **changes)


@engines
def test_a_worker_unlike_the_driver_says_so(session: Any, coder: Coder) -> None:
    from pyspark.errors import PythonException

    chosen = ads(session).select("id", "text")
    for changes, said in (
        ({"version": "0.0.1"}, "Expected 0.0.1 as on the driver: install it on each node"),
        ({"bundled": Bundled("elsewhere")}, "The bundle cannot be loaded on the node"),
        ({"identity": {"book": "another"}}, "The bundle default is another one on the node"),
    ):
        with pytest.raises(PythonException, match=said):
            chosen.mapInArrow(partial(spark._code, job(coder, **changes)), "id string").count()


def test_a_worker_loads_once_and_says_what_is_wrong(coder: Coder) -> None:
    assert spark._coder(job(coder)) is spark._coder(job(coder))
    with pytest.raises(EmbedcodeError, match=f"Found embedcode {__version__} on the node .* Expected 0.0.1"):
        spark._coder(job(coder, version="0.0.1"))
    with pytest.raises(BundleError, match="cannot be loaded on the node .*elsewhere"):
        spark._coder(job(coder, bundled=Bundled("elsewhere")))
    with pytest.raises(BundleError, match="another one on the node"):
        spark._coder(job(coder, identity={"book": "another"}))


def test_a_block_of_huge_texts_is_coded_in_pieces(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedcode.coder.CHUNK_CHARACTERS", 1000)
    text = pa.array(["Build chatbots\n" * 50] * 5, pa.large_string())
    block = pa.record_batch({"id": pa.array(range(5)), "text": text})
    coded = list(spark._code(job(coder), iter([block.slice(0, 0), block])))
    assert [len(batch) for batch in coded] == [1] * 5
    assert [batch["id"][0].as_py() for batch in coded] == list("01234")


def test_strings_that_are_no_utf_8_cost_their_row(coder: Coder) -> None:
    texts = pa.array([b"Build chatbots with LangChain", b"Build \xff"]).view(pa.string())
    block = pa.record_batch({"id": pa.array(["a", None]), "title": texts, "text": texts, "keep:x": pa.array([1, 2])})
    (coded,) = spark._code(job(coder, columns=tuple(block.schema.names)), iter([block]))
    assert coded["error"].to_pylist() == [None, "the text is not UTF-8: byte 0xFF at offset 6"]
    assert coded["id"].to_pylist() == ["a", None]
    assert coded["x"].to_pylist() == [1, 2]


@engines
@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ("*", {"id_column": "nr"}, "no column `nr` .id_column.. Found: id, titel, text, on.date, tags"),
        ("text", {}, "no column called id, .* Spark gives rows no numbers and no order.* id_column"),
        ("tags AS id, text", {}, "no column called id, .* can be an identifier, but id, text"),
        ("id", {}, "no column called text, .* Name the column with text_column"),
        ("id, tags AS text", {}, "no column called text, .* that holds texts"),
        ("*", {"text_column": "tags"}, "`tags` cannot be the text: it holds array<string>"),
        ("*", {"id_column": "tags"}, "`tags` cannot be the id: it holds array<string>"),
        ("*", {"title_column": "id"}, "`id` cannot be the title: it holds bigint"),
        ("*, text AS Text", {}, "2 columns called `text` for Spark. Expected one"),
        ("*", {"keep": ["city"]}, "no column `city` .keep."),
        ("*", {"keep": "tags"}, r"a string. Expected a list of names: keep=\['tags'\]"),
        ("*, 1 AS Profile", {"keep": ["Profile", "tags"]}, "The columns Profile cannot be kept"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(session: Any, change: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        spark.classify(ads(session).selectExpr(*change.split(", ")), **options)


@engines
def test_a_bundle_that_is_not_there_and_a_frame_that_is_none(session: Any) -> None:
    with pytest.raises(BundleError, match="Found no bundle 'elsewhere'"):
        spark.classify(ads(session), index="elsewhere")
    with pytest.raises(InputError, match="Found a Table; expected a DataFrame of Spark"):
        spark.classify(pa.table({"id": [1], "text": ["ad"]}))  # type: ignore[arg-type]
