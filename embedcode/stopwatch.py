"""Adds up the time that stages take."""

from __future__ import annotations

from collections import Counter
from time import perf_counter


class Stopwatch:
    """Adds up seconds by stage; a lap goes to the stage that it ends.

    Attributes:
        seconds: By stage.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        """Begin a lap; the time since the last one belongs to no stage."""
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """End a lap and begin the next."""
        now = perf_counter()
        self.seconds[stage] += now - self._last  # type: ignore[assignment]
        self._last = now
