"""Commands on coded ads: agreement, shares, a report, and tables for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from embedcode.cli_common import (
    Anchors,
    Encoding,
    Force,
    Json,
    coding_book,
    n_ads,
    named_values,
    to_json,
)
from embedcode.errors import InputError


def evaluate(
    coded: Annotated[Path, typer.Argument(help="Coded ads: what classify wrote, or any other coder's file.")],
    gold: Annotated[
        list[Path] | None,
        typer.Argument(metavar="GOLD", help="The reference, then further coders: Parquet, CSV, JSON Lines."),
    ] = None,
    column: Annotated[
        str,
        typer.Option(
            "--columns", help="Columns of files that lack the standard ones: profile=label,id=ad_id,coder=annotator."
        ),
    ] = "",
    labels: Annotated[str, typer.Option("--labels", help="Profiles of labels: 'ML=ML Engineer,unsure='.")] = "",
    reference: Annotated[
        str | None, typer.Option("--reference", help="The coder taken for right, where not that of GOLD.")
    ] = None,
    cluster_column: Annotated[
        str | None, typer.Option("--cluster-column", help="Column that joins near-duplicates, for the intervals.")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Only the ads that all coders have.")] = False,
    iou: Annotated[
        float, typer.Option("--iou", min=0.01, max=1.0, help="Least intersection over union of spans that match.")
    ] = 0.5,
    disagreements: Annotated[int, typer.Option("--disagreements", min=0, help="How many to show.")] = 5,
    disagreements_to: Annotated[
        Path | None, typer.Option("--disagreements-to", help="CSV file for all disagreements.")
    ] = None,
    force: Force = False,
    json: Json = False,
    encoding: Encoding = "utf-8",
    anchors: Anchors = None,
) -> None:
    """Agreement of coded ads with ads coded by people, and of any number of coders with each other.

    Columns of a coder's file: id, profile; also confidence, codes, coder (who, for several in one file), cluster.

    Example: `embedcode evaluate coded gold.parquet`

    With an LLM's runs: `embedcode evaluate coded gold.parquet runs.parquet --columns coder=run,codes=phrases --shared`
    """
    from embedcode import evaluate as evaluation
    from embedcode.disagreements import write_disagreements
    from embedcode.evaluation_text import text
    from embedcode.folder import check_output

    files = gold or []
    if disagreements_to:
        check_output(disagreements_to, coded, force, files)
    book = coding_book(anchors)
    found = evaluation.evaluate(
        coded,
        files[0] if files else None,
        [p.name for p in book.profiles],
        [c.code for c in book.codes],
        others=files[1:],
        columns=named_values(column, "--columns"),
        labels=named_values(labels, "--labels"),
        reference=reference,
        cluster_column=cluster_column,
        encoding=encoding,
        shared=shared,
        iou=iou,
    )
    typer.echo(to_json(evaluation.as_json(found)) if json else text(found, disagreements))
    if disagreements_to:
        write_disagreements(disagreements_to, found.disagreements)
        typer.echo(f"{n_ads(len(found.disagreements))} → {disagreements_to}", err=json)


def prevalence(
    coded: Annotated[Path, typer.Argument(help="Coded ads: what classify wrote.")],
    sample: Annotated[Path, typer.Argument(help="Random sample of them that people coded blind: a review (Parquet).")],
    by: Annotated[str | None, typer.Option("--by", help="Group by a kept column, or by language.")] = None,
    period: Annotated[
        str | None, typer.Option("--period", help="month, quarter or year, where --by holds dates.")
    ] = None,
    only: Annotated[
        str, typer.Option("--only", help="Only these profiles, codes and tools, parted by commas; lists every tool.")
    ] = "",
    level: Annotated[float, typer.Option("--level", help="Confidence level of the intervals.")] = 0.95,
    random_sample: Annotated[
        bool,
        typer.Option("--random-sample", help="The sample, no review, was drawn at random and coded blind: I vouch."),
    ] = False,
    json: Json = False,
    anchors: Anchors = None,
) -> None:
    """Shares of profiles, codes and tools, corrected for the machine's errors by a random sample that people coded.

    Example: `embedcode prevalence coded reviews/ann.random.blind.200.0.parquet`

    Over time: `embedcode prevalence coded sample.parquet --by date --period quarter --only "GenAI Engineer,TASK3"`
    """
    from embedcode import prevalence as estimation
    from embedcode.coded_files import is_finished
    from embedcode.prevalence_text import text
    from embedcode.sample import read_sample

    book = coding_book(anchors)
    read = read_sample(sample, [p.name for p in book.profiles], [c.code for c in book.codes], vouched=random_sample)
    names = [n.strip() for n in only.split(",") if n.strip()]
    found = estimation.prevalence(coded, read, book, by=by, period=period, level=level, only=names)
    if not is_finished(coded):
        typer.echo(f"Warning: {coded} holds a run that is not finished; counted is what it has coded so far.", err=True)
    typer.echo(to_json(found) if json else text(found, {c.code: c.name for c in book.codes}, every=bool(names)))


def export(
    coded: Annotated[Path, typer.Argument(help="Coded ads: what classify wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    format: Annotated[
        str | None,
        typer.Option("--format", help="csv, jsonl or refi-qda; by the ending of the file's name where not given."),
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="One row per piece of evidence instead of one per ad.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, max=10_000, help="refi-qda: so many ads, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="refi-qda: decides the sample.")] = 0,
    blind: Annotated[
        bool, typer.Option("--blind", help="refi-qda: without what the machine found, for coding by hand.")
    ] = False,
    gold: Annotated[
        list[Path] | None, typer.Option("--gold", help="refi-qda: labelled ads, as one more coder; may come again.")
    ] = None,
    anchors: Anchors = None,
    force: Force = False,
) -> None:
    """Write coded ads as one file: CSV for spreadsheets, JSON Lines, or a REFI-QDA project.

    In CSV, a cell that a spreadsheet would take for a formula gets a leading apostrophe.

    Example: `embedcode export coded -o coded.csv`

    The evidence, a row for each piece: `embedcode export coded -o evidence.csv --evidence`

    For ATLAS.ti, MAXQDA, NVivo or QualCoder: `embedcode export coded -o study.qdpx --sample 200`
    """
    from embedcode.coded_files import is_finished
    from embedcode.errors import some
    from embedcode.tables import export_coded

    if format == "refi-qda" or (format is None and output.suffix.lower() in (".qdpx", ".qdc")):
        if evidence:
            raise InputError("Found --evidence; a REFI-QDA project always has the evidence. Leave it out.")
        _export_qda(coded, output, anchors, sample=sample, seed=seed, blind=blind, gold=gold or (), force=force)
        return
    given = {"--sample": sample, "--seed": seed, "--blind": blind, "--gold": gold, "--anchors": anchors}
    if surplus := [option for option, value in given.items() if value]:
        raise InputError(
            f"Found {some(surplus)} for a table; expected such options for REFI-QDA only. Name a file that ends with "
            ".qdpx, or leave them out."
        )
    rows = export_coded(coded, output, format=format, evidence=evidence, force=force)
    if not is_finished(coded):
        typer.echo(f"Warning: {coded} holds a run that is not finished; written is what it has coded so far.", err=True)
    what = f"{rows:,} pieces of evidence" if evidence else n_ads(rows)
    typer.echo(f"{what} → {output}")


def _export_qda(coded: Path, output: Path, anchors: Path | None, **options: Any) -> None:
    from embedcode.qda import export_qda

    done = export_qda(coded, output, coding_book(anchors), **options)
    if output.suffix.lower() == ".qdc":
        typer.echo(f"code book → {output}")
        return
    typer.echo(
        f"{n_ads(done.ads)}, {done.selections:,} selections → {output}, code book → {output.with_suffix('.qdc')}"
    )
    for name, coder in done.gold.items():
        typer.echo(f"{name}: {n_ads(coder.ads)}")
        if not coder.ads and not coder.other:
            typer.echo(f"{name}: none of its ids is among the ads of the project. Compare the ids.", err=True)
        if coder.other:
            typer.echo(f"{name}: {n_ads(coder.other)} left out, whose text is not that of the coded ad.", err=True)
        if coder.lost:
            typer.echo(f"{name}: {coder.lost:,} tools left out, whose name is not in the text.", err=True)
    if done.open:
        typer.echo(f"Left out: {n_ads(done.open)} without a profile.", err=True)
    if done.untitled:
        typer.echo(
            f"{done.untitled:,} pieces of evidence left out, which stand in titles that were not kept: code the ads "
            "again with --keep text,title to have them.",
            err=True,
        )


def import_(
    study: Annotated[Path, typer.Argument(help="REFI-QDA project (.qdpx) that people worked on.")],
    coded: Annotated[Path, typer.Argument(help="The coded ads that it was exported from.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the labelled ads (Parquet).")],
    reviewer: Annotated[
        str | None, typer.Option("--reviewer", help="Whose codings count, where several people coded.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every ad was reviewed, not only those changed or marked as reviewed.")
    ] = False,
    anchors: Anchors = None,
    force: Force = False,
) -> None:
    """Read what people changed in a REFI-QDA project, as labelled ads.

    An ad counts as reviewed where codings or its profile were changed, or its variable `reviewed` was set to true.

    Example: `embedcode import study.qdpx coded -o labelled.parquet`

    Then: `embedcode build --gold labelled.parquet`
    """
    from embedcode.errors import some
    from embedcode.qda_corrections import import_corrections

    found = import_corrections(
        study,
        coded,
        output,
        coding_book(anchors),
        reviewer=reviewer,
        everything=everything,
        force=force,
    )
    typer.echo(f"{n_ads(len(found.ads))} by {found.reviewer} ({found.sample}, {found.mode}) → {output}")
    if found.untouched:
        typer.echo(f"Left out: {n_ads(found.untouched)} that nobody changed or marked as reviewed (--all takes them).")
    if found.unknown:
        typer.echo(f"Not among the coded ads, or with another text: {some(found.unknown)}.", err=True)
    if found.undecided:
        typer.echo(f"Left out, since their profile is not clear: {some(found.undecided)}.", err=True)
    if found.foreign:
        codes = some([f"{code} ({n})" for code, n in found.foreign.most_common()])
        typer.echo(f"Codings left out, whose code is not in the coding book: {codes}.", err=True)
    if found.outside:
        typer.echo(f"{found.outside:,} selections left out, which are not in their text.", err=True)
    if found.titled:
        typer.echo(f"{found.titled:,} codings in titles left out: labelled ads have no place for them.", err=True)


def report_(
    coded: Annotated[Path, typer.Argument(help="Coded ads: what classify wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    title: Annotated[str, typer.Option("--title", help="Title of the report.")] = "Coded job advertisements",
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="Column to compare ads by: a kept one, or language; may come again."),
    ] = None,
    date_column: Annotated[
        str | None, typer.Option("--date-column", help="Kept column of dates; date where it is called so.")
    ] = None,
    period: Annotated[str, typer.Option("--period", help="month, quarter or year.")] = "month",
    gold: Annotated[Path | None, typer.Option("--gold", help="Ads coded by people, for agreement.")] = None,
    anchors: Anchors = None,
    force: Force = False,
) -> None:
    """Write a report on coded ads as one HTML file that opens offline (extra `embedcode[report]`).

    Profiles, codes and tools, overall, by profile and over time; tests of association with other columns; agreement;
    and a paragraph for the paper's methods section. It needs no JavaScript, and prints.

    Example: `embedcode report coded -o report.html`

    By sector, with agreement: `embedcode report coded -o report.html --by sector --gold gold.parquet`
    """
    from embedcode.folder import check_output
    from embedcode.report import report
    from embedcode.report_page import check_installed, write

    check_installed()
    check_output(output, coded, force, [gold] if gold else [])
    found = report(coded, title=title, by=by or (), date=date_column, period=period, gold=gold, anchors=anchors)
    write(found, output)
    flow = found.counts.flow
    typer.echo(f"{n_ads(flow.counted)} of {flow.rows:,} rows → {output}")
    if not found.method.finished:
        typer.echo(f"Warning: {coded} holds a run that is not finished; reported is what it has coded.", err=True)
