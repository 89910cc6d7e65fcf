"""The example ads of the package, written for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ExampleAd:
    """An example ad."""

    id: str
    title: str
    text: str


def example_ads() -> list[ExampleAd]:
    """The example ads."""
    lines = (Path(__file__).parent / "example_ads.jsonl").read_text("utf-8").splitlines()
    return [ExampleAd(**json.loads(line)) for line in lines]
