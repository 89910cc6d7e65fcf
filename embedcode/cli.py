"""The command line. Each command is a thin shell over a function; only this module prints and exits."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from embedcode._version import __version__
from embedcode.errors import EmbedcodeError, InputError
from embedcode.threads import one_each

# Imports that take long stand inside the commands, so that each command loads only what it needs.

# What a command loads stays to its end: looking for garbage among it, every 700 objects and once more before the
# process ends, takes a tenth of a short run.
gc.set_threshold(50_000)
atexit.register(gc.freeze)


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
anchors_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Curate the coding book: check, list, add, copy, suggest tools.",
)
app.add_typer(anchors_app, name="anchors")

LOCAL = "127.0.0.1"

Index = Annotated[str, typer.Option("--index", help="Bundle: a folder, or a name under indexes/.")]
Anchors = Annotated[Path | None, typer.Option("--anchors", help="Folder of the coding book.")]
Model = Annotated[str | None, typer.Option("--model", help="Folder of the embedder, where it is not in the bundle.")]
Download = Annotated[bool, typer.Option("--download", help="Allow the embedder to be fetched from the hub.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column with the text of the ad.")]
TitleColumn = Annotated[str | None, typer.Option("--title-column", help="Column with its title.")]
IdColumn = Annotated[str | None, typer.Option("--id-column", help="Column with its identifier.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Encoding of CSV and JSON Lines.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"embedcode {__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Code job advertisements with a coding book, locally, with evidence for every decision."""
    one_each()  # before numpy is loaded


@app.command()
def classify(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Parquet, CSV or JSON Lines: files, folders, globs; - for standard input."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the coded ads.")],
    index: Index = "default",
    anchors: Anchors = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
    keep: Annotated[str, typer.Option("--keep", help="Input columns to pass on, parted by commas; all for all.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N ads.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = max(1, os.cpu_count() or 1),
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave the profile open below this confidence.")
    ] = 0.0,
    rows_per_part: Annotated[int, typer.Option("--rows-per-part", min=1, help="Rows of each part file.")] = 1000,
    encoding: Encoding = "utf-8",
    restart: Annotated[bool, typer.Option("--restart", help="Delete the coded ads in the folder first.")] = False,
    fail_on_error: Annotated[
        bool, typer.Option("--fail-on-error", help="Exit status 1 where an ad could not be coded.")
    ] = False,
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
    """
    from embedcode import run as running
    from embedcode import show
    from embedcode.coder import REMEMBERED
    from embedcode.documents import Columns, Source

    kept = tuple(k.strip() for k in keep.split(",") if k.strip())
    source = Source.open(inputs, Columns(text_column, title_column, id_column, kept), encoding=encoding, limit=limit)
    remember = REMEMBERED if segment_cache is None else segment_cache
    bundled = running.Bundled(index, str(anchors) if anchors else None, model, download, min_confidence, remember)
    coder = bundled.load()  # first of all: a bundle that cannot be loaded must not cost an earlier run
    if not source.files:
        typer.echo("Standard input cannot be read again: this run cannot be continued if it is stopped.", err=True)
    try:
        with _progress("ads coded") as advance:
            done = running.run(
                source,
                output,
                bundled,
                coder=coder,
                workers=workers,
                rows_per_part=rows_per_part,
                restart=restart,
                progress=advance,
            )
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped. The finished parts in {output} are whole; give the same command again to go on.", err=True
        )
        raise typer.Exit(130) from None
    console = _console()
    console.print(
        show.counts(
            f"{_ads(done.rows)}, {(done.rows - done.before) / max(done.seconds, 1e-9):,.0f} a second → {output}",
            _ordered(done.profiles),
        )
    )
    if done.failed:
        reasons = "; ".join(f"{n:,} × {reason}" for reason, n in done.errors.most_common(5))
        typer.echo(f"{_ads(done.failed)} could not be coded (column error says why): {reasons}", err=True)
    if done.repeated:
        typer.echo(f"{_ads(done.repeated)} with an id that an ad before has; all are kept.", err=True)
    if done.foreign:
        languages = ", ".join(f"{k} {n:,}" for k, n in done.languages.most_common() if k not in ("en", "nl"))
        typer.echo(
            f"Warning: {_ads(done.foreign)} in neither English nor Dutch ({languages}); coded all the same.",
            err=True,
        )
    if done.before:
        typer.echo(f"{_ads(done.before)} had been coded before; the run went on from there.", err=True)
    if done.deaths:
        typer.echo(f"Workers died {done.deaths} times; what they had in hand was coded again.", err=True)
    if timings:
        console.print(show.timings(done.stages, done.rows - done.before, done.found / max(1, done.asked)))
    if done.problems:
        for problem in done.problems:
            typer.echo(f"Not read: {problem}", err=True)
    if done.problems or (fail_on_error and done.failed):
        raise typer.Exit(1)


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
    from embedcode.loading import load
    from embedcode.paths import find_anchors, find_index
    from embedcode.workbench import Workbench

    corpus = Corpus(coded) if coded else None
    folder = find_anchors(anchors)
    bench = Workbench(lambda: load(index, anchors=anchors, model=model), folder, find_index(index), corpus)
    web = application(bench, () if host == LOCAL else (host,))
    typer.echo(f"The workbench is at http://{host}:{port}. Ctrl-C ends it.")
    uvicorn.run(web, host=host, port=port, log_level="warning", server_header=False)


@app.command()
def explain(
    source: Annotated[
        str, typer.Argument(metavar="AD", help="A text file, a file of ads (with --id), or - for standard input.")
    ],
    id: Annotated[str | None, typer.Option("--id", help="Which ad of a file of ads.")] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Title of the ad, where it is not its first line.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
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
        typer.echo(_json(found))
    else:
        _console().print(show.explanation(found, {c.code: c.name for c in coder.bundle.book.codes}))


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
    with _progress("ads of the corpus coded") as advance:
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
    console = _console()
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
    show.report(found, _console())


@app.command()
def evaluate(
    coded: Annotated[Path, typer.Argument(help="Coded ads: what classify wrote.")],
    gold: Annotated[Path, typer.Argument(help="Ads coded by people (Parquet).")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    anchors: Anchors = None,
) -> None:
    """Agreement of coded ads with ads coded by people.

    Example: `embedcode evaluate coded/ gold.parquet`
    """
    from embedcode import evaluate as evaluation
    from embedcode import show
    from embedcode.agreement import as_dict
    from embedcode.book import read_book
    from embedcode.paths import find_anchors

    book = read_book(find_anchors(anchors))
    found = evaluation.evaluate(coded, gold, [p.name for p in book.profiles], [c.code for c in book.codes])
    if json:
        typer.echo(_json(as_dict(found)))
    else:
        typer.echo(show.agreement(found))


@app.command()
def export(
    coded: Annotated[Path, typer.Argument(help="Coded ads: what classify wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    format: Annotated[
        str | None, typer.Option("--format", help="csv or jsonl; by the ending of the file's name where not given.")
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="One row per piece of evidence instead of one per ad.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")] = False,
) -> None:
    """Write coded ads as one flat file: CSV for spreadsheets, or JSON Lines.

    In CSV, a cell that a spreadsheet would take for a formula gets a leading apostrophe.

    Example: `embedcode export coded -o coded.csv`

    The evidence, a row for each piece: `embedcode export coded -o evidence.csv --evidence`
    """
    from embedcode.tables import export_coded, is_finished

    rows = export_coded(coded, output, format=format, evidence=evidence, force=force)
    if not is_finished(coded):
        typer.echo(f"Warning: {coded} holds a run that is not finished; written is what it has coded so far.", err=True)
    what = f"{rows:,} pieces of evidence" if evidence else _ads(rows)
    typer.echo(f"{what} → {output}")


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
    console = _console()
    console.print(show.coded_ads([a.title for a in ads], coded))
    ad = ads[0]
    console.print(f"\nWhy '{ad.title}' is coded as it is (embedcode explain):\n", markup=False)
    console.print(
        show.explanation(explained(coder, ad.text, ad.title), {c.code: c.name for c in coder.bundle.book.codes})
    )


@anchors_app.command("check")
def anchors_check(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the coding book.")] = None,
    anchors: Anchors = None,
    coded: Annotated[
        Path | None, typer.Option("--coded", help="What classify wrote: shows which anchors win evidence.")
    ] = None,
    near: Annotated[
        float, typer.Option("--near", min=0.5, max=1.0, help="Cosine of near duplicates under two codes.")
    ] = 0.9,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    index: Index = "default",
    model: Model = None,
    download: Download = False,
) -> None:
    """Check the coding book: every problem in its files is named with file and line, and what is worth a look listed.

    Worth a look are duplicates, anchors nearer to another code than to their own, thin codes, languages missing and,
    with coded ads, anchors that win nothing. They do not change the exit status; problems do.

    Example: `embedcode anchors check`

    With your own ads: `embedcode anchors check --coded coded`
    """
    from embedcode import show
    from embedcode.curate import check
    from embedcode.paths import find_anchors

    if folder and anchors and folder != anchors:
        raise InputError(f"Found two coding books, {folder} and {anchors}; expected one. Leave --anchors out.")
    book = find_anchors(folder or anchors)
    found = check(book, index, coded=coded, near=near, model=model, download=download)
    if json:
        typer.echo(_json(found))
    else:
        for line in show.findings(found):
            typer.echo(line)
    for problem in found.problems:
        typer.echo(str(problem), err=True)
    if found.problems:
        typer.echo(f"{len(found.problems)} problem(s) in {book}", err=True)
        raise typer.Exit(1)
    if not json:
        count = found.findings.count if found.findings else 0
        typer.echo(f"{book}: sound{f'; {count} findings worth a look' if count else ''}")


@anchors_app.command("list")
def anchors_list(
    code: Annotated[str | None, typer.Argument(help="Only this code (TASK3, NEG), facet or TECH code.")] = None,
    anchors: Anchors = None,
    language: Annotated[str | None, typer.Option("--language", help="Only this language.")] = None,
) -> None:
    """List the anchors: a table of counts, or the phrases, terms or tools of one code or facet.

    Example: `embedcode anchors list TASK3`
    """
    from embedcode.book import read_book
    from embedcode.curate import listing, overview
    from embedcode.paths import find_anchors

    book = read_book(find_anchors(anchors))
    lines = overview(book) if code is None else listing(book, code, language)
    for line in lines:
        typer.echo(line)


@anchors_app.command("add")
def anchors_add(
    code: Annotated[str, typer.Argument(help="TASK1 ... SKILL5, NEG, or a facet of terms.")],
    phrase: Annotated[str, typer.Argument(help="The phrase or term.")],
    facet: Annotated[str | None, typer.Option("--facet", help="Facet of a phrase, kind of a negative.")] = None,
    language: Annotated[str, typer.Option("--language", help="en or nl.")] = "en",
    note: Annotated[str, typer.Option("--note", help="Why it is there.")] = "",
    anchors: Anchors = None,
) -> None:
    """Add an anchor phrase, a negative anchor or a term to the coding book.

    Example: `embedcode anchors add TASK3 "distil a language model" --facet generative`
    """
    from embedcode.curate import add
    from embedcode.paths import find_anchors, is_shipped

    folder = find_anchors(anchors)
    if is_shipped(folder):
        raise InputError(f"{folder} belongs to the installed package. Copy it first: embedcode anchors copy anchors")
    typer.echo(add(folder, code, phrase, facet, language, note))
    typer.echo(f"Rebuild to see what that changes: embedcode build{f' --anchors {anchors}' if anchors else ''}")


@anchors_app.command("suggest")
def anchors_suggest(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Parquet, CSV or JSON Lines: files, folders, globs; - for standard input."
        ),
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Suggestions at most.")] = 20,
    code: Annotated[str | None, typer.Option("--code", help="Only for this code: TASK1 ... SKILL5, or NEG.")] = None,
    min_ads: Annotated[
        int, typer.Option("--min-ads", min=1, help="Ads, and wordings, that a suggestion must rest on.")
    ] = 3,
    max_segments: Annotated[
        int, typer.Option("--max-segments", min=1, help="Different lines to hold; of more, a sample is held.")
    ] = 200_000,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    index: Index = "default",
    anchors: Anchors = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
    encoding: Encoding = "utf-8",
    model: Model = None,
    download: Download = False,
) -> None:
    """Suggest anchor phrases: what many ads say and the coding book is unsure of, with the command that adds it.

    Example: `embedcode anchors suggest ads.parquet`

    What carries no code after all: `embedcode anchors suggest ads.parquet --code NEG --min-ads 5`
    """
    from embedcode import show
    from embedcode.documents import Columns, Source
    from embedcode.loading import load
    from embedcode.suggest import suggest

    source = Source.open(inputs, Columns(text_column, title_column, id_column), encoding=encoding)
    coder = load(index, anchors=anchors, model=model, download=download)
    book = str(anchors) if anchors else None
    with _progress("ads read") as advance:
        found = suggest(
            coder,
            source.batches(1000),
            limit=limit,
            code=code,
            min_ads=min_ads,
            max_segments=max_segments,
            progress=advance,
        )
    if json:
        typer.echo(
            _json([{**vars(s), "nearest": vars(s.nearest), "command": s.command(book)} for s in found.suggestions])
        )
    elif found.suggestions:
        _console().print(show.suggestions(found, book), soft_wrap=True)
    if not found.suggestions:
        typer.echo(
            f"Nothing to suggest: of {found.lines:,} different lines in {_ads(found.ads)}, {found.open:,} are near a "
            f"threshold, and none of them has {min_ads - 1} like it. Give more ads, or lower --min-ads.",
            err=True,
        )
    if found.held < found.lines:
        typer.echo(
            f"A sample: {found.held:,} of about {found.lines:,} different lines were held (--max-segments).", err=True
        )
    for problem in source.problems:
        typer.echo(f"Not read: {problem}", err=True)
    if source.problems:
        raise typer.Exit(1)


@anchors_app.command("suggest-tools")
def anchors_suggest_tools(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Parquet, CSV or JSON Lines: files, folders, globs; - for standard input."
        ),
    ],
    anchors: Anchors = None,
    least: Annotated[
        int, typer.Option("--least", min=1, help="Known tools near a name; 1 finds more, with more that is wrong.")
    ] = 2,
    min_ads: Annotated[int, typer.Option("--min-ads", min=1, help="Only names that so many ads list.")] = 1,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N ads.")] = None,
    text_column: TextColumn = None,
    encoding: Encoding = "utf-8",
) -> None:
    """List names that ads put beside known tools and that the lexicon lacks, as CSV, for a person to judge.

    Example: `embedcode anchors suggest-tools ads.parquet > suggested.csv`

    What is a tool goes into `anchors/tools.csv`, what is none into `anchors/not_tools.csv`.
    """
    import csv

    from embedcode.book import read_book
    from embedcode.curate import suggest_tools
    from embedcode.documents import Columns, Source
    from embedcode.paths import find_anchors

    book = read_book(find_anchors(anchors))
    source = Source.open(inputs, Columns(text_column), encoding=encoding, limit=limit)
    texts = (t for batch in source.batches(1000) for t in batch.column("text").to_pylist() if t)
    with _progress("ads read") as advance:
        found = suggest_tools(book, _counted(texts, advance), least)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("tool", "code", "ads", "beside", "example"))
    out.writerows((s.name, s.code, s.ads, "|".join(s.beside), s.example) for s in found if s.ads >= min_ads)


def _counted(texts: Iterable[str], advance: Any) -> Iterator[str]:
    for text in texts:
        yield text
        advance(1)


@anchors_app.command("copy")
def anchors_copy(folder: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Copy the shipped coding book, to edit it.

    Example: `embedcode anchors copy anchors`
    """
    import shutil

    from embedcode.paths import shipped

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already and is not an empty folder. Name another.")
    shutil.copytree(shipped() / "anchors", folder, dirs_exist_ok=True)
    typer.echo(f"coding book: {folder}; edit the CSV files, then: embedcode build --anchors {folder} -o indexes/mine")


def _ads(count: int) -> str:
    return "1 ad" if count == 1 else f"{count:,} ads"


def _ordered(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda x: -x[1]))


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)


@contextmanager
def _progress(what: str) -> Iterator[Any]:
    """A progress display on a terminal; nothing where the output goes elsewhere."""
    if not sys.stderr.isatty():
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,} " + what),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def advance(n: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0
            done = bar.tasks[0].completed + n
            bar.update(task, advance=n, rate=f"{done / elapsed:,.0f} a second" if elapsed > 0 else "")

        yield advance


def _json(value: Any) -> str:
    import json
    from dataclasses import asdict, is_dataclass

    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(plain, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    app()
