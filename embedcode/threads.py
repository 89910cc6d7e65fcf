"""One thread for each process: workers are processes."""

from __future__ import annotations

import os

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_each() -> None:
    """Let numeric libraries that are loaded from now on, also by processes that are started, use one thread."""
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
