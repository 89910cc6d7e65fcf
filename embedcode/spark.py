"""Codes ads in Spark: each Python worker loads the bundle once and codes the rows that Spark hands it.

Spark gives rows no numbers and no order, so each ad must bring its own identifier; and it starts a job that did not
end from its beginning. A task whose worker or machine is lost is Spark's to run again.
"""

from __future__ import annotations

import hashlib
import io
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from embedcode._version import __version__
from embedcode.coded import coded_schema
from embedcode.coder import REMEMBERED, Coder, chunks
from embedcode.documents import ID_NAMES, OUTPUT_NAMES, TEXT_NAMES, TITLE_NAMES, blank, listed
from embedcode.errors import BundleError, EmbedcodeError, InputError
from embedcode.neighbours import use_threads
from embedcode.paths import find_index, shipped
from embedcode.run import Bundled, bundle_identity
from embedcode.types import KEPT
from embedcode.values import identifiers, texts
from embedcode.workers import code

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

_TEXTS = ("string", "char", "varchar", "binary", "void")
_NUMBERS = ("byte", "short", "integer", "long", "decimal", "float", "double")
_IDS = ("string", "char", "varchar", "binary", *_NUMBERS, "boolean", "date", "timestamp", "timestamp_ntz")
"""Spark's names of types."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know.

    Attributes:
        columns: What the columns of the rows are, in order: `id`, `title`, `text`, kept ones as `keep:NAME`.
        bundled: What codes; its `index` is a folder among the shipped bundles, or an archive that Spark sends along.
        sent: Whether Spark sends it along.
        version: Of embedcode, as the driver has it.
        identity: What the bundle must be.
    """

    columns: tuple[str, ...]
    bundled: Bundled
    sent: bool
    version: str
    identity: dict[str, str]


def classify(
    df: DataFrame,
    *,
    id_column: str | None = None,
    text_column: str | None = None,
    title_column: str | None = None,
    keep: Sequence[str] = (),
    index: str | Path = "default",
    anchors: str | Path | None = None,
    model: str | None = None,
    min_confidence: float = 0.0,
    remember: int = REMEMBERED,
) -> DataFrame:
    """Code the ads of a Spark DataFrame, when Spark is asked for the rows; each time it is, unless they are cached.

    embedcode must be installed on each node in the same version. A bundle that did not come with it is sent along.

    Args:
        df: The ads, a row for each.
        id_column: Their identifiers; None: found by name. It is needed, as Spark gives rows no numbers and no order;
            an ad whose identifier is null keeps a null.
        text_column, title_column: Their texts and titles; None: found by name, and titles may be missing.
        keep: Further columns to pass on.
        index: Name or folder of the bundle, on the driver.
        anchors: Folder of the coding book that the bundle must have been built from, on the driver.
        model: Where the bundle's embedder is not in the bundle: folder or name of the model, on each node.
        min_confidence: Ads coded with less confidence get no profile.
        remember: Segments that a worker remembers, for speed.

    Returns:
        A row for each row, with the columns of `coded.coded_schema`. A row that cannot be coded says why in `error`.

    Raises:
        InputError: A column is missing, is there twice, cannot be what it should, or cannot be kept.
        BundleError: There is no such bundle, it is damaged, or the anchors have been edited since.
        ModelError: The embedder cannot be loaded.
    """
    from pyspark.sql import DataFrame
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructType

    if not isinstance(df, DataFrame):
        raise InputError(f"Found a {type(df).__name__}; expected a DataFrame of Spark: spark.createDataFrame(...).")
    columns = _columns(df.schema, id_column, text_column, title_column, keep)
    folder = find_index(str(index))
    bundled = Bundled(str(folder), str(anchors) if anchors else None, model, False, min_confidence, remember)
    coder = bundled.load()
    book = coder.bundle.book
    coded = from_arrow_schema(coded_schema([p.name for p in book.profiles], [c.code for c in book.codes]))
    kept = [df.schema[name] for new, name in columns.items() if new.startswith(KEPT)]
    home = (shipped() / "indexes").resolve()
    sent = not folder.resolve().is_relative_to(home)
    place = _send(df, folder) if sent else str(folder.resolve().relative_to(home))
    bundled = replace(bundled, index=place, anchors=None)
    job = Job(tuple(columns), bundled, sent, __version__, bundle_identity(coder))
    # Numbers for names: mapInArrow knows no names with dots.
    chosen = df.select(*(df[_quoted(name)].alias(str(number)) for number, name in enumerate(columns.values())))
    return chosen.mapInArrow(partial(_code, job), StructType([*coded.fields, *kept]))


def _columns(
    schema: StructType, id: str | None, text: str | None, title: str | None, keep: Sequence[str]
) -> dict[str, str]:
    """The columns of a batch of ads, and what each is called in the DataFrame.

    Raises:
        InputError: As `classify`.
    """
    if isinstance(keep, str):
        raise InputError(f"Found keep={keep!r}, a string. Expected a list of names: keep=[{keep!r}].")
    columns = {
        "id": _column(schema, "id", id, ID_NAMES, _IDS),
        "title": _column(schema, "title", title, TITLE_NAMES, _TEXTS),
        "text": _column(schema, "text", text, TEXT_NAMES, _TEXTS),
    }
    if columns["id"] is None:
        raise InputError(
            f"Found no column called {listed(ID_NAMES)} that can be an identifier, but {listed(schema.names)}. Spark "
            "gives rows no numbers and no order, so each ad needs its own: name the column with id_column."
        )
    if columns["text"] is None:
        raise InputError(
            f"Found no column called {listed(TEXT_NAMES)} that holds texts, but {listed(schema.names)}. Name the "
            "column with text_column."
        )
    kept = dict.fromkeys(keep)
    if columns["id"] == "id":
        kept.pop("id", None)  # it is in the output as it is
    for name in kept:
        _check_once(schema, name, "keep")
    # Spark does not tell upper from lower case.
    if clashes := [name for name in kept if name.casefold() in OUTPUT_NAMES]:
        raise InputError(
            f"The columns {listed(clashes)} cannot be kept: the coded ads have such columns. Rename them first: "
            "df.withColumnRenamed(...)."
        )
    return {new: name for new, name in columns.items() if name} | {KEPT + name: name for name in kept}


def _column(schema: StructType, role: str, asked: str | None, known: Sequence[str], types: Sequence[str]) -> str | None:
    """The column asked for, or the first one that is known by name and suits by type, or None."""
    if asked is not None:
        _check_once(schema, asked, f"{role}_column")
    found = [name for obvious in known for name in schema.names if name.casefold() == obvious]
    for name in [asked] if asked is not None else found:
        _check_once(schema, name, f"{role}_column")
        type = schema[name].dataType
        if type.typeName() in types:
            return name
        if asked is not None:
            raise InputError(f"Column `{name}` cannot be the {role}: it holds {type.simpleString()}. Name another.")
    return None


def _check_once(schema: StructType, name: str, argument: str) -> None:
    """Raise an `InputError` unless there is one column of a name."""
    if name not in schema.names:
        raise InputError(f"The DataFrame has no column `{name}` ({argument}). Found: {listed(schema.names)}.")
    if (count := sum(other.casefold() == name.casefold() for other in schema.names)) > 1:
        raise InputError(
            f"The DataFrame has {count} columns called `{name}` for Spark. Expected one: rename the others."
        )


def _quoted(name: str) -> str:
    """A name as Spark takes it, with dots and all."""
    return "`" + name.replace("`", "``") + "`"


def _send(df: DataFrame, folder: Path) -> str:
    """Have Spark send a bundle to the workers; returns the name of its archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())  # without times: same files, same bytes
    name = f"embedcode-{hashlib.sha256(packed.getbuffer()).hexdigest()[:16]}.zip"
    sent = Path(_outgoing().name) / name
    if not sent.exists():  # else it may be on its way
        sent.write_bytes(packed.getbuffer())
    df.sparkSession.addArtifacts(str(sent), file=True)
    return name


@cache
def _outgoing() -> tempfile.TemporaryDirectory[str]:
    """A folder that is there as long as this process, as Spark fetches what it sends when a task needs it."""
    return tempfile.TemporaryDirectory(prefix="embedcode-")


def _code(job: Job, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Code the rows of a partition, in pieces, so that what is in memory does not depend on Spark's batches."""
    coder = _coder(job)
    for batch in batches:
        ads = _ads(job.columns, batch)
        for first, last in chunks(ads):
            yield code(coder, ads.slice(first, last - first)).batch


def _ads(names: Sequence[str], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows as Spark has them, whose strings may be no UTF-8, as a batch of ads."""
    columns = dict(zip(names, batch.columns, strict=True))
    columns["id"] = identifiers(columns["id"])
    columns["text"], error = texts(columns["text"], "text")
    if "title" in columns:
        title, title_error = texts(columns["title"], "title")
        columns["title"] = pc.if_else(blank(title), None, title)
        error = error.fill_null(title_error)
    return pa.record_batch({**columns, "error": error})


def _coder(job: Job) -> Coder:
    """The coder of this process.

    Raises:
        EmbedcodeError: embedcode or the bundle is another one than on the driver.
    """
    here = f"on the node {platform.node()}"
    if __version__ != job.version:
        raise EmbedcodeError(
            f"Found embedcode {__version__} {here}. Expected {job.version} as on the driver: install it on each node."
        )
    try:
        coder = _loaded(job.bundled, job.sent)
    except EmbedcodeError as error:
        raise BundleError(f"The bundle cannot be loaded {here}: {error}") from None
    if bundle_identity(coder) != job.identity:
        raise BundleError(
            f"The bundle {job.bundled.index} is another one {here}. Expected the same files as on the driver: install "
            "the same embedcode, or copy the bundle out of it and name the copy with index, so that it is sent along."
        )
    return coder


@lru_cache(maxsize=2)
def _loaded(bundled: Bundled, sent: bool) -> Coder:
    """Load a coder once for each process; Spark has each run its numeric libraries in one thread (OMP_NUM_THREADS)."""
    pa.set_cpu_count(1)
    use_threads(1)
    if not sent:
        return replace(bundled, index=str(shipped() / "indexes" / bundled.index)).load()
    from pyspark import SparkFiles

    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "indexes" / "sent"
        shutil.unpack_archive(SparkFiles.get(bundled.index), index)
        return replace(bundled, index=str(index)).load()
