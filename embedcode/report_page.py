"""A report as one HTML file: charts as SVG, a table behind each, no script, nothing to fetch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from embedcode.association import PERMUTATIONS
from embedcode.errors import InputError
from embedcode.figure import count
from embedcode.folder import output_file
from embedcode.report import Report, paragraph
from embedcode.report_comparisons import LEAST_ADS
from embedcode.report_figures import figures

_TEMPLATES = Path(__file__).parent / "templates"


def check_installed() -> None:
    """Check that what a report is made with is there.

    Raises:
        InputError: The extra `embedcode[report]` is not installed.
    """
    for name in ("jinja2", "vl_convert"):
        if find_spec(name) is None:
            raise InputError(
                f"A report needs the package {name}, which is not installed: pip install 'embedcode[report]'"
            )


def render(found: Report) -> str:
    """A report as HTML; see `check_installed`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(_TEMPLATES)
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters |= {"n": count, "svg": Markup}
    return pages.get_template("report.html").render(
        report=found,
        counts=found.counts,
        paragraph=paragraph(found),
        permutations=PERMUTATIONS,
        least=LEAST_ADS,
        **figures(found),
    )


def write(found: Report, output: Path) -> None:
    """Write a report; the file is whole or not there.

    Raises:
        OutputError: It cannot be written.
    """
    page = render(found).encode()
    with output_file(output) as out:
        out.write(page)
