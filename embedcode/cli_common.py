"""What the commands share: options, and how they print."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedcode.errors import InputError

if TYPE_CHECKING:
    from embedcode.types import CodingBook

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Parquet, CSV or JSON Lines: files, folders, globs; - for standard input."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N ads.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Index = Annotated[str, typer.Option("--index", help="Bundle: a folder, or a name under indexes/.")]
Anchors = Annotated[Path | None, typer.Option("--anchors", help="Folder of the coding book.")]
Model = Annotated[str | None, typer.Option("--model", help="Folder of the embedder, where it is not in the bundle.")]
Download = Annotated[bool, typer.Option("--download", help="Allow the embedder to be fetched from the hub.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column with the text of the ad.")]
TitleColumn = Annotated[str | None, typer.Option("--title-column", help="Column with its title.")]
IdColumn = Annotated[str | None, typer.Option("--id-column", help="Column with its identifier.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Encoding of CSV and JSON Lines.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")]


def coding_book(anchors: Path | None) -> CodingBook:
    """The coding book in a folder, or the one at hand."""
    from embedcode.book import read_book
    from embedcode.paths import find_anchors

    return read_book(find_anchors(anchors))


def n_ads(count: int) -> str:
    """How many ads, in words."""
    return "1 ad" if count == 1 else f"{count:,} ads"


def tell_unread(problems: Sequence[str]) -> bool:
    """Say what of the input could not be read, and whether anything was."""
    for problem in problems:
        typer.echo(f"Not read: {problem}", err=True)
    return bool(problems)


def new_console() -> Any:
    """What prints styled text; as wide as the terminal, or 100 columns."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)


@contextmanager
def progress(what: str) -> Iterator[Any]:
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


def to_json(value: Any) -> str:
    """A value, or a dataclass, as JSON."""
    import json
    from dataclasses import asdict, is_dataclass

    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(plain, ensure_ascii=False, indent=1)


def named_values(given: str, option: str) -> dict[str, str]:
    """What an option such as `a=b,c=d` says; quotes hold what has commas."""
    import csv

    cells = next(csv.reader([given], skipinitialspace=True), [])
    if wrong := [c for c in cells if "=" not in c[1:]]:
        raise InputError(f"Found {wrong[0]!r} in {option}; expected NAME=VALUE, parted by commas.")
    return {name.strip(): value.strip() for name, _, value in (c.partition("=") for c in cells)}
