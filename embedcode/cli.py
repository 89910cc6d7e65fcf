"""The command line. Each command is a thin shell over a function; only `cli` and its parts `cli_*` print and exit."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from embedcode import cli_anchors, cli_figures
from embedcode._version import __version__
from embedcode.cli_common import (
    Anchors,
    Download,
    Encoding,
    Force,
    IdColumn,
    Index,
    Inputs,
    Json,
    Limit,
    Model,
    TextColumn,
    TitleColumn,
    n_ads,
    new_console,
    progress,
    tell_unread,
    to_json,
)
from embedcode.errors import EmbedcodeError, InputError
from embedcode.threads import one_each

if TYPE_CHECKING:
    from embedcode.coder import Coder
    from embedcode.ray_engine import RayEngine
    from embedcode.run import Bundled

# Imports that take long stand inside the commands, so that each command loads only what it needs.


class _Group(TyperGroup):
    """Turns errors into messages and exit statuses."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EmbedcodeError as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(error.exit_status) from error
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(1) from None
        except Exception as error:
            # What typer raises by itself carries an exit code.
            if ctx.params.get("debug") or hasattr(error, "exit_code") or isinstance(error, typer.Abort):
                raise
            command = " ".join(filter(None, ("embedcode --debug", ctx.invoked_subcommand, "...")))
            typer.echo(
                f"Error: {type(error).__name__}: {str(error).rstrip('.')}. This was not foreseen. "
                f"`{command}` shows where it happened; please report it.",
                err=True,
            )
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Code job advertisements with a coding book, locally, with evidence for every decision.",
)
app.add_typer(cli_anchors.app, name="anchors")

LOCAL = "127.0.0.1"

ALONE = object()
"""Tells a command that its process ends with it."""

Engine = Literal["local", "ray"]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"embedcode {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Code job advertisements with a coding book, locally, with evidence for every decision."""
    one_each()  # before numpy is loaded
    if context.obj is ALONE:
        _spare_pandas()


@app.command()
def classify(
    inputs: Inputs,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder for the coded ads; s3:// and gs:// too.")],
    index: Index = "default",
    anchors: Anchors = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
    keep: Annotated[str, typer.Option("--keep", help="Input columns to pass on, parted by commas; all for all.")] = "",
    limit: Limit = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; one for each processor where not given.")
    ] = None,
    engine: Annotated[Engine, typer.Option("--engine", help="ray: on a cluster (extra embedcode[ray]).")] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="ray: HOST:PORT, or auto; starts one here where not given.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave the profile open below this confidence.")
    ] = 0.0,
    rows_per_part: Annotated[int, typer.Option("--rows-per-part", min=1, help="Rows of each part file.")] = 1000,
    encoding: Encoding = "utf-8",
    restart: Annotated[bool, typer.Option("--restart", help="Delete the coded ads in the folder first.")] = False,
    fail_on_error: Annotated[
        bool, typer.Option("--fail-on-error", help="Exit status 1 where an ad could not be coded.")
    ] = False,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Fill duplicate_of: mark ads that repeat another.")] = False,
    timings: Annotated[bool, typer.Option("--timings", help="Show what each stage took.")] = False,
    segment_cache: Annotated[
        int | None, typer.Option("--segment-cache", min=0, help="Segments that each process remembers; 0 for none.")
    ] = None,
    model: Model = None,
    download: Download = False,
) -> None:
    """Code ads: Parquet, CSV or JSON Lines in, a folder of Parquet parts out.

    A run that was stopped goes on where it stopped when the same command is given again.

    Example: `embedcode classify ads.parquet -o coded --keep date,sector`

    First look: `embedcode classify ads.csv -o look --text-column description --limit 100`

    On a Ray cluster: `embedcode classify 's3://bucket/ads/*.parquet' -o s3://bucket/coded --engine ray --address auto`
    """
    from embedcode import run as running
    from embedcode import show
    from embedcode.coder import REMEMBERED
    from embedcode.documents import Columns, Source
    from embedcode.remote import place

    if address and engine != "ray":
        raise InputError("Found --address without --engine ray. Add it, or leave the address out.")
    kept = tuple(k.strip() for k in keep.split(",") if k.strip())
    to = place(output)
    source = Source.open(inputs, Columns(text_column, title_column, id_column, kept), encoding=encoding, limit=limit)
    remember = REMEMBERED if segment_cache is None else segment_cache
    bundled = running.Bundled(index, str(anchors) if anchors else None, model, download, min_confidence, remember)
    coder = bundled.load()  # first of all: a bundle that cannot be loaded must not cost an earlier run
    if not source.files:
        typer.echo("Standard input cannot be read again: this run cannot be continued if it is stopped.", err=True)
    try:
        with _engine(engine, address, workers, coder, bundled) as chosen, progress("ads coded") as advance:
            done = running.run(
                source,
                to,
                bundled,
                coder=coder,
                workers=workers or os.cpu_count() or 1,
                engine=chosen,
                rows_per_part=rows_per_part,
                restart=restart,
                dedupe=dedupe,
                progress=advance,
            )
    except KeyboardInterrupt:
        typer.echo(f"Stopped. The finished parts in {to} are whole; give the same command again to go on.", err=True)
        raise typer.Exit(130) from None
    console = new_console()
    console.print(
        show.counts(
            f"{n_ads(done.rows)}, {(done.rows - done.before) / max(done.seconds, 1e-9):,.0f} a second → {to}",
            _ordered(done.profiles),
        )
    )
    if done.failed:
        reasons = "; ".join(f"{n:,} × {reason}" for reason, n in done.errors.most_common(5))
        typer.echo(f"{n_ads(done.failed)} could not be coded (column error says why): {reasons}", err=True)
    if done.repeated:
        typer.echo(f"{n_ads(done.repeated)} with an id that an ad before has; all are kept.", err=True)
    if dedupe:
        typer.echo(f"Near-duplicates of an ad before them: {n_ads(done.duplicates)} (column duplicate_of)")
    if done.foreign:
        languages = ", ".join(f"{k} {n:,}" for k, n in done.languages.most_common() if k not in ("en", "nl"))
        typer.echo(
            f"Warning: {n_ads(done.foreign)} in neither English nor Dutch ({languages}); coded all the same.",
            err=True,
        )
    if done.before:
        typer.echo(f"{n_ads(done.before)} had been coded before; the run went on from there.", err=True)
    if done.deaths:
        typer.echo(f"Workers died {done.deaths} times; what they had in hand was coded again.", err=True)
    if timings:
        console.print(show.timings(done.stages, done.rows - done.before, done.found / max(1, done.asked)))
    if tell_unread(done.problems) or (fail_on_error and done.failed):
        raise typer.Exit(1)


@app.command()
def dedupe(
    inputs: Inputs,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Table of the clusters to write: .csv or .parquet.")
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option("--index", help="File that remembers ads: compare with those in it, and add these (.npz)."),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold", min=0.1, max=1.0, help="Share of the smaller ad that two have in common, in five-word runs."
        ),
    ] = 0.75,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
    limit: Limit = None,
    encoding: Encoding = "utf-8",
    force: Force = False,
) -> None:
    """Find near-duplicates: ads that repeat most of an ad before them. Coding them is not needed.

    The table has a row for each ad: its id, the id of the ad that it repeats (`duplicate_of`, empty for the first of
    its kind) and the size of its cluster. With `--index`, ads are also compared with those of earlier inputs; give
    each input once, and ids that tell the ads of all inputs apart.

    Example: `embedcode dedupe ads.parquet -o clusters.csv`

    Month by month: `embedcode dedupe may.parquet -o may-clusters.parquet --index seen.npz`
    """
    from embedcode.dedupe import check_table, find_clusters
    from embedcode.documents import Columns, Source
    from embedcode.duplicates import Duplicates
    from embedcode.originals import Originals

    source = Source.open(inputs, Columns(text_column, title_column, id_column), encoding=encoding, limit=limit)
    if output:
        check_table(output, force, (file for file in source.files if isinstance(file, Path)))
    if index and source.is_numbered:
        raise InputError(
            "Found ads without a column of identifiers; expected one, since row numbers begin anew with each input and "
            "the index keeps the ads of all of them. Name the column with --id-column."
        )
    originals = Originals.load(index) if index and index.exists() else Originals()
    if index and not index.exists():
        originals.save(index)  # before the work is done: it may be that it cannot be written
    seen, before = Duplicates(threshold, originals), len(originals)
    with progress("ads compared") as advance:
        found = find_clusters(source, seen, progress=advance)
    if output:
        found.write(output)
    if index:
        originals.save(index)
    share = found.repeats / max(1, found.ads)
    typer.echo(f"{n_ads(found.ads)} in {found.clusters:,} clusters")
    typer.echo(f"Near-duplicates of an ad before them: {n_ads(found.repeats)} ({share:.1%})")
    for id, size in found.largest:
        typer.echo(f"{size:>9,} × {id}")
    if found.short:
        typer.echo(f"Not compared: {n_ads(found.short)} of fewer than five words, or without text.", err=True)
    if index:
        typer.echo(f"{index}: {len(originals):,} different ads, {len(originals) - before:,} of them new")
    if output:
        typer.echo(f"clusters: {output}")
    if tell_unread(source.problems):
        raise typer.Exit(1)


@contextmanager
def _engine(
    name: str, address: str | None, workers: int | None, coder: Coder, bundled: Bundled
) -> Iterator[RayEngine | None]:
    """The engine that is asked for; None is this machine's."""
    if name == "local":
        yield None
        return
    from embedcode.ray_engine import RayEngine, connected

    with connected(address, workers) as count:
        yield RayEngine(coder, bundled, count)


@app.command()
def serve(
    coded: Annotated[Path | None, typer.Argument(metavar="[CODED]", help="What `classify` wrote.")] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.")] = 8800,
    host: Annotated[str, typer.Option("--host", help="Address; others than this machine's are open to all.")] = LOCAL,
    index: Index = "default",
    anchors: Anchors = None,
    model: Model = None,
) -> None:
    """Look through coded ads, and see why, in a local web page (extra `embedcode[web]`).

    Example: `embedcode serve coded`
    """
    one_each()
    try:
        import uvicorn

        from embedcode.web import application
    except ImportError as error:
        raise InputError(
            f"The workbench needs the package {error.name}, which is not installed: pip install 'embedcode[web]'"
        ) from error
    from embedcode.corpus import Corpus
    from embedcode.draft import editable
    from embedcode.loading import load
    from embedcode.paths import find_anchors, find_index
    from embedcode.workbench import Workbench

    corpus = Corpus(coded) if coded else None
    folder = find_anchors(anchors)
    bundle = find_index(index)
    with editable(folder, bundle, f"the workbench at http://{host}:{port}") as closed:
        bench = Workbench(lambda: load(index, anchors=anchors, model=model), folder, bundle, corpus, closed)
        web = application(bench, () if host == LOCAL else (host,))
        server = uvicorn.Server(uvicorn.Config(web, host=host, port=port, log_level="warning", server_header=False))
        try:
            socket = server.config.bind_socket()
        except SystemExit as error:
            raise InputError(f"Cannot listen on {host}:{port}, as another may. Name a port with --port.") from error
        typer.echo(f"The workbench is at http://{host}:{port}. Ctrl-C ends it.")
        if closed:
            typer.echo(f"The anchors can be looked at only: {closed}", err=True)
        server.run(sockets=[socket])


@app.command()
def explain(
    source: Annotated[
        str, typer.Argument(metavar="AD", help="A text file, a file of ads (with --id), or - for standard input.")
    ],
    id: Annotated[str | None, typer.Option("--id", help="Which ad of a file of ads.")] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Title of the ad, where it is not its first line.")
    ] = None,
    json: Json = False,
    index: Index = "default",
    anchors: Anchors = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
    encoding: Encoding = "utf-8",
    model: Model = None,
    download: Download = False,
) -> None:
    """Explain one ad: its profile, its coded segments with their nearest anchors, and what decided.

    Example: `embedcode explain ad.txt`

    One ad of a file: `embedcode explain ads.parquet --id 4711 --json`
    """
    from embedcode import show
    from embedcode.explain import explain as explained
    from embedcode.loading import load

    text, given = _one_ad(source, id, encoding, text_column, title_column, id_column)
    coder = load(index, anchors=anchors, model=model, download=download)
    found = explained(coder, text, title if title is not None else given)
    if json:
        typer.echo(to_json(found))
    else:
        new_console().print(show.explanation(found, {c.code: c.name for c in coder.bundle.book.codes}))


def _one_ad(
    source: str, wanted: str | None, encoding: str, text: str | None, title: str | None, id: str | None
) -> tuple[str, str | None]:
    """The text and title of the ad that is asked for."""
    from embedcode.documents import Columns, Source, is_ads

    path = Path(source)
    if wanted is None and (source == "-" or not is_ads(path)):
        try:
            data = sys.stdin.buffer.read() if source == "-" else path.read_bytes()
            return data.decode(encoding), None
        except OSError as error:
            raise InputError(
                f"Cannot read {source}: {error.strerror}. Expected a text file, or a file of ads with --id."
            ) from error
        except LookupError as error:
            raise InputError(f"No encoding is called {encoding!r}. Expected utf-8, cp1252 or the like.") from error
        except UnicodeError as error:
            where = (
                f": byte {error.start} is 0x{error.object[error.start]:02x}"
                if isinstance(error, UnicodeDecodeError)
                else ""
            )
            raise InputError(
                f"{'Standard input' if source == '-' else source} is not {encoding}{where}. Name its encoding with "
                "--encoding, such as --encoding cp1252."
            ) from error
    ads = Source.open([source], Columns(text, title, id), encoding=encoding)
    ids: list[str] = []
    for batch in ads.batches(1000):
        found = batch.column("id").to_pylist()
        if wanted is None and len(found) > 1:
            ids += found[:5]
            break
        if wanted is None or wanted in found:
            row = batch.slice(0 if wanted is None else found.index(wanted), 1).to_pylist()[0]
            if row["error"]:
                raise InputError(f"Ad {row['id']!r} cannot be coded: {row['error']}. Choose another with --id.")
            return row["text"], row["title"]
        ids += found[: max(0, 5 - len(ids))]
    listed = ", ".join(ids[:5])
    if not ids:
        raise InputError(f"{source} holds no ads. Check the file, or give a text file.")
    if wanted is None:
        raise InputError(f"{source} holds many ads; say which with --id (the first are {listed}).")
    raise InputError(f"Found no ad {wanted!r} in {source}; its first ids are {listed}.")


@app.command()
def build(
    anchors: Anchors = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder of the bundle; indexes/default beside the coding book where none is named."
        ),
    ] = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="Coded ads with their texts (Parquet).")] = None,
    embedder: Annotated[
        str | None, typer.Option("--embedder", help="Folder or name of a sentence-transformers model.")
    ] = None,
    download: Download = False,
    diff: Annotated[bool, typer.Option("--diff", help="Only show what a build would change; write nothing.")] = False,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="What classify wrote: also show which of its ads change profile.")
    ] = None,
) -> None:
    """Build a bundle from the coding book; after an edit of anchors or terms this takes seconds.

    Example: `embedcode anchors add TASK3 "fine-tune speech models" && embedcode build`

    What that would change: `embedcode build --diff --corpus coded`

    With an embedder of your own: `embedcode build --embedder my-model/ --gold coded.parquet -o indexes/mine`
    """
    from embedcode import show
    from embedcode.building import base_of, rebuild
    from embedcode.paths import find_anchors, is_shipped

    book = find_anchors(anchors)
    # A bundle belongs beside its coding book.
    folder = output or find_anchors(anchors).parent / "indexes" / "default"
    if is_shipped(folder) and not diff:
        raise InputError(f"{folder} belongs to the installed package. Name a folder of your own: --output indexes/mine")
    with progress("ads of the corpus coded") as advance:
        found = rebuild(
            book,
            folder,
            gold=gold,
            embedder=embedder,
            download=download,
            corpus=corpus,
            write=not diff,
            progress=advance,
        )
    console = new_console()
    show.report(found, console)
    last = f"nothing written; compared with the bundle {base_of(folder)}" if diff else f"bundle: {folder}"
    console.print(last, markup=False, highlight=False)


@app.command()
def train(
    gold: Annotated[Path, typer.Argument(help="Coded ads with their texts (Parquet).")],
    texts: Annotated[list[str], typer.Option("--texts", help="Uncoded ads, for the vocabulary.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the bundle.")],
    anchors: Anchors = None,
    teacher: Annotated[
        str, typer.Option("--teacher", help="Folder or name of the sentence-transformers teacher.")
    ] = "all-MiniLM-L6-v2",
    seed: Annotated[int, typer.Option("--seed", help="Of the fine-tuning.")] = 0,
) -> None:
    """Train the static word embedder and build a bundle with it (extra embedcode[train], minutes).

    Example: `embedcode train coded.parquet --texts ads.parquet -o indexes/mine`
    """
    from embedcode import show
    from embedcode.building import train_bundle
    from embedcode.paths import find_anchors

    found = train_bundle(
        find_anchors(anchors), output, gold, texts, teacher, seed, say=lambda m: typer.echo(m, err=True)
    )
    show.report(found, new_console())


for command in (cli_figures.evaluate, cli_figures.prevalence, cli_figures.export):
    app.command()(command)
app.command("import")(cli_figures.import_)
app.command("report")(cli_figures.report_)


@app.command("export-model")
def export_model(
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    index: Index = "default",
) -> None:
    """Write the static embedder in the sentence-transformers StaticEmbedding layout.

    Example: `embedcode export-model my-model` and then `SentenceTransformer("my-model")`
    """
    from embedcode.bundle import load_bundle
    from embedcode.export import export_static
    from embedcode.paths import find_index

    export_static(load_bundle(find_index(index)), output)
    typer.echo(f"model: {output}")


@app.command()
def demo() -> None:
    """Code the example ads of the package and explain one.

    Example: `embedcode demo`
    """
    from embedcode import show
    from embedcode.examples import example_ads
    from embedcode.explain import explain as explained
    from embedcode.loading import load

    ads = example_ads()
    coder = load()
    coded = coder.classify([a.text for a in ads], [a.title for a in ads])
    console = new_console()
    console.print(show.coded_ads([a.title for a in ads], coded))
    ad = ads[0]
    console.print(f"\nWhy '{ad.title}' is coded as it is (embedcode explain):\n", markup=False)
    console.print(
        show.explanation(explained(coder, ad.text, ad.title), {c.code: c.name for c in coder.bundle.book.codes})
    )


def _ordered(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda x: -x[1]))


def run() -> None:
    """Run a command in a process that ends with it."""
    # What a command loads stays to its end: looking for garbage among it, every 700 objects and once more before the
    # process ends, takes a tenth of a short run.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    app(obj=ALONE)


class _NoPandas:
    """Finds no pandas."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _spare_pandas() -> None:
    """Keep Arrow from loading pandas, which takes it 0.1 s, to recognise values from there: no command has any."""
    if "pandas" not in sys.modules:
        finder: Any = _NoPandas
        sys.meta_path.insert(0, finder)
        import pyarrow as pa

        pa.array([0])  # looks for pandas, once and for all
        sys.meta_path.remove(finder)


if __name__ == "__main__":
    run()
