"""Starts the workbench as its users do."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE = 20.0
"""Seconds until a server must answer."""


@contextmanager
def served(*command: str | Path, cwd: Path, **variables: str) -> Iterator[str]:
    """Run `embedcode serve ...` on a free port.

    Args:
        command: The command.
        cwd: The folder to run it in.
        variables: Of the environment, beside those of this process.

    Yields:
        The address at which it answers.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = (*command, "--port", str(port))
    with subprocess.Popen(command, cwd=cwd, env=os.environ | variables, stdout=subprocess.DEVNULL) as server:
        try:
            _wait(server, f"{address}/paste")
            yield address
        finally:
            server.terminate()


def page(address: str) -> str:
    """The page at an address."""
    with closing(urllib.request.urlopen(address)) as found:
        return str(found.read().decode())


def _wait(server: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, f"the server ended with {server.returncode}"
        try:
            page(address)
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
