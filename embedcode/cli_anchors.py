"""Commands that care for the coding book."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from embedcode.cli_common import (
    Anchors,
    Download,
    Encoding,
    IdColumn,
    Index,
    Inputs,
    Json,
    Limit,
    Model,
    TextColumn,
    TitleColumn,
    coding_book,
    n_ads,
    new_console,
    progress,
    tell_unread,
    to_json,
)
from embedcode.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Curate the coding book: check, list, add, copy, suggest tools.",
)


@app.command("check")
def anchors_check(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the coding book.")] = None,
    anchors: Anchors = None,
    coded: Annotated[
        Path | None, typer.Option("--coded", help="What classify wrote: shows which anchors win evidence.")
    ] = None,
    near: Annotated[
        float, typer.Option("--near", min=0.5, max=1.0, help="Cosine of near duplicates under two codes.")
    ] = 0.9,
    json: Json = False,
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
        typer.echo(to_json(found))
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


@app.command("list")
def anchors_list(
    code: Annotated[str | None, typer.Argument(help="Only this code (TASK3, NEG), facet or TECH code.")] = None,
    anchors: Anchors = None,
    language: Annotated[str | None, typer.Option("--language", help="Only this language.")] = None,
) -> None:
    """List the anchors: a table of counts, or the phrases, terms or tools of one code or facet.

    Example: `embedcode anchors list TASK3`
    """
    from embedcode.curate import listing, overview

    book = coding_book(anchors)
    lines = overview(book) if code is None else listing(book, code, language)
    for line in lines:
        typer.echo(line)


@app.command("add")
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


@app.command("suggest")
def anchors_suggest(
    inputs: Inputs,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Suggestions at most.")] = 20,
    code: Annotated[str | None, typer.Option("--code", help="Only for this code: TASK1 ... SKILL5, or NEG.")] = None,
    min_ads: Annotated[
        int, typer.Option("--min-ads", min=1, help="Ads, and wordings, that a suggestion must rest on.")
    ] = 3,
    max_segments: Annotated[
        int, typer.Option("--max-segments", min=1, help="Different lines to hold; of more, a sample is held.")
    ] = 200_000,
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
    with progress("ads read") as advance:
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
            to_json([{**vars(s), "nearest": vars(s.nearest), "command": s.command(book)} for s in found.suggestions])
        )
    elif found.suggestions:
        new_console().print(show.suggestions(found, book), soft_wrap=True)
    if not found.suggestions:
        typer.echo(
            f"Nothing to suggest: of {found.lines:,} different lines in {n_ads(found.ads)}, {found.open:,} are near a "
            f"threshold, and none of them has {min_ads - 1} like it. Give more ads, or lower --min-ads.",
            err=True,
        )
    if found.held < found.lines:
        typer.echo(
            f"A sample: {found.held:,} of about {found.lines:,} different lines were held (--max-segments).", err=True
        )
    if tell_unread(source.problems):
        raise typer.Exit(1)


@app.command("suggest-tools")
def anchors_suggest_tools(
    inputs: Inputs,
    anchors: Anchors = None,
    least: Annotated[
        int, typer.Option("--least", min=1, help="Known tools near a name; 1 finds more, with more that is wrong.")
    ] = 2,
    min_ads: Annotated[int, typer.Option("--min-ads", min=1, help="Only names that so many ads list.")] = 1,
    limit: Limit = None,
    text_column: TextColumn = None,
    encoding: Encoding = "utf-8",
) -> None:
    """List names that ads put beside known tools and that the lexicon lacks, as CSV, for a person to judge.

    Example: `embedcode anchors suggest-tools ads.parquet > suggested.csv`

    What is a tool goes into `anchors/tools.csv`, what is none into `anchors/not_tools.csv`.
    """
    from embedcode.curate import suggest_tools
    from embedcode.documents import Columns, Source

    book = coding_book(anchors)
    source = Source.open(inputs, Columns(text_column), encoding=encoding, limit=limit)
    texts = (t for batch in source.batches(1000) for t in batch.column("text").to_pylist() if t)
    with progress("ads read") as advance:
        found = suggest_tools(book, _counted(texts, advance), least)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("tool", "code", "ads", "beside", "example"))
    out.writerows((s.name, s.code, s.ads, "|".join(s.beside), s.example) for s in found if s.ads >= min_ads)


@app.command("copy")
def anchors_copy(folder: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Copy the shipped coding book, to edit it.

    Example: `embedcode anchors copy anchors`
    """
    import shutil

    from embedcode.paths import shipped

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already and is not an empty folder. Name another.")
    shutil.copytree(shipped() / "anchors", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    typer.echo(f"coding book: {folder}; edit the CSV files, then: embedcode build --anchors {folder} -o indexes/mine")


def _counted(texts: Iterable[str], advance: Any) -> Iterator[str]:
    for text in texts:
        yield text
        advance(1)
