"""Errors of embedcode: each says what was found, what was expected and what to do next."""

from collections.abc import Sequence


class EmbedcodeError(Exception):
    """Something the user can put right; the command line prints it without a traceback.

    Attributes:
        exit_status: What a command exits with: 2 where nothing could be done (bad usage, unreadable
            input), 1 where something went wrong on the way.
    """

    exit_status = 1


class InputError(EmbedcodeError):
    """The ads cannot be read: a missing file or column, a wrong encoding, a broken row."""

    exit_status = 2


class OverlongAdError(InputError):
    """A text that is no ad but many, read as one.

    Attributes:
        ad: Its place among the ads given.
    """

    def __init__(self, ad: int, most: int) -> None:
        super().__init__(
            f"the text has more than {most:,} sentences. Expected one ad; find out why many texts were read as one, a "
            "quote that is never closed perhaps"
        )
        self.ad = ad


class BookError(EmbedcodeError):
    """The coding book in `anchors/` is not sound: an unknown code, a duplicate phrase, a stray wildcard."""

    exit_status = 2


class BundleError(EmbedcodeError):
    """A bundle cannot be loaded: a missing file, a wrong hash, another format."""

    exit_status = 2


class ModelError(EmbedcodeError):
    """An embedder cannot be loaded: no such folder, an extra that is not installed."""

    exit_status = 2


class EngineError(EmbedcodeError):
    """A cluster cannot be used: no answer, another version, too many deaths."""

    exit_status = 2


class OutputError(EmbedcodeError):
    """The output cannot be written: a folder that holds something else, no space, no permission."""

    exit_status = 2


def some(values: Sequence[str], most: int = 3) -> str:
    """The first of several values, for a message."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return (", ".join(map(repr, values[:most])) + more) if values else "none"
