"""Coverage-guided fuzzing: texts and files that nobody would think of, for hours where there are any.

    python tests/fuzz.py segments --seconds 600        # goes on with the inputs that earlier runs kept
    python tests/fuzz.py segments --input crash-0123   # one input again

With `--folder` in memory, targets that write files are many times as fast.

libFuzzer, by way of atheris (`embedcode[fuzz]`), changes inputs and keeps those that reach new code. It stops with a
status other than 0 at a finding, and writes the input to the folder that it works in: an error that a user should
never see, a text that breaks what is promised of texts, or an input that takes more than a second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import atheris

# atheris never frees the result of comparing arrays, so modules that compute with them are not watched.
ARRAYS = [
    f"embedcode.{path.stem}"
    for path in Path(__file__).parent.parent.glob("embedcode/*.py")
    if path.stem != "bundle" and "import numpy" in path.read_text("utf-8")
]

with atheris.instrument_imports(include=["embedcode"], exclude=ARRAYS):
    from ads import gold_rows
    from conftest import BOOK, Study, make_study
    from test_bundle import ODD, codes_ads, file_of, places, put, rewrite
    from test_coder import TRICKY
    from test_markup import PIECES as MARKUP
    from test_segments import PIECES as TEXT
    from test_segments import check
    from test_wild_input import UNITS, WILD

    from embedcode.analysis import Reader
    from embedcode.book import read_book, read_glossary
    from embedcode.bundle import MANIFEST
    from embedcode.errors import EmbedcodeError
    from embedcode.markup import mask
    from embedcode.segments import segment

SLOW = 1.0
"""Seconds of processor time that no input may take; a busy machine makes no finding."""

HANGS = 20
"""Seconds after which libFuzzer ends an input that does not end by itself."""

MEMORY = 8_192
"""MB that a run may take: results of comparing arrays stay, see `ARRAYS`, and the parser of bundles compares some."""

LONG = 20_000
"""Code points that a unit is repeated to: work that grows with the square of the length shows in long texts only."""

SEPARATOR = "\x1e"
"""Stands between the files of a coding book, and around the unit of a text that is repeated."""

LARGEST_WORD = 64
"""Bytes of the longest word that libFuzzer takes into its dictionary."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        run: Reads one input, and raises what is a finding.
        seeds: Inputs to begin with.
        words: What inputs are made of.
        mutate: Changes an input, given the largest size and a random number; none: libFuzzer's ways.
    """

    run: Callable[[bytes], None]
    seeds: list[bytes]
    words: Iterable[str]
    mutate: Callable[[bytes, int, int], bytes] | None = None


def text_of(data: bytes) -> str:
    """The text of an input; what stands between two separators is repeated."""
    text = data.decode("utf-8", "ignore")
    if text.count(SEPARATOR) < 2:
        return text
    head, unit, tail = text.split(SEPARATOR, 2)
    return head + unit * (LONG // max(len(unit), 1)) + tail


def texts(run: Callable[[str], None]) -> Target:
    """A target that reads texts."""
    repeated = [f"Ab [{SEPARATOR}{unit}{SEPARATOR} end." for unit in UNITS]
    seeds = [t.encode() for t in (*WILD, *TRICKY, *(row["text"] for row in gold_rows()), *repeated)]
    return Target(lambda data: run(text_of(data)), seeds, [SEPARATOR, *MARKUP, *TEXT, *UNITS])


def cut(text: str) -> None:
    check(text, segment(text))


def blank(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text) == len(mask(masked))
    assert not set(masked) & {"\x07", "\x0b", "\x95", "\u200b", "\xad"}
    check(masked, segment(masked))


def anchors(root: Path) -> Target:
    """A target that writes the files of a coding book, and reads it."""
    study = make_study(root)

    def run(data: bytes) -> None:
        parts = dict(zip(BOOK, data.split(SEPARATOR.encode()), strict=False))
        for name in BOOK:
            if name in parts:
                (study.anchors / name).write_bytes(parts[name])
            else:
                (study.anchors / name).unlink(missing_ok=True)
        for read in (lambda folder: Reader(read_book(folder)), read_glossary):
            try:
                read(study.anchors)
            except EmbedcodeError as error:
                assert str(error)

    cells = re.split(r"[,\n|+]", "\n".join(BOOK.values()))
    return Target(run, [SEPARATOR.join(BOOK.values()).encode()], [SEPARATOR, *',|+*!~#\n\r\ufeff"\0', *cells])


def manifest(root: Path) -> Target:
    """A target that replaces a file of a bundle, makes its hash fit, and codes an ad with what is let in.

    The first byte of an input says which file, and its JSON ends at the first line break. That of safetensors is their
    header, and the length before it is made to fit as well.
    """
    study = make_study(root)
    listing = (study.index / MANIFEST).read_bytes()
    keys = [MANIFEST, *json.loads(listing)["files"]]
    whole = {key: file_of(study.index, key).read_bytes() for key in keys[1:]}

    def run(data: bytes) -> None:
        key, data = keys[data[0] % len(keys)] if data else MANIFEST, data[1:]
        if key == MANIFEST:
            (study.index / MANIFEST).write_bytes(data)
        else:
            rewrite(study.index, key, with_length(data) if is_tensors(study, key) else data)
        try:
            bundle = study.bundle()
            if bundle.static:  # else there is no embedder to code ads with
                codes_ads(bundle)
        except EmbedcodeError as error:
            assert str(error)
        finally:
            (study.index / MANIFEST).write_bytes(listing)
            if key != MANIFEST:
                file_of(study.index, key).write_bytes(whole[key])

    parts = [without_length(data) if is_tensors(study, key) else data for key, data in whole.items()]
    seeds = [bytes([n]) + seed for n, seed in enumerate([json.dumps(json.loads(listing)).encode(), *parts])]
    first_lines = b"".join(seed.partition(b"\n")[0] for seed in seeds)
    json_words = re.findall(r'"[^"]*"', first_lines.decode("utf-8", "ignore"))
    odd = ["null", "true", "-1", "1e300", "1e999", "NaN", "9" * 30, '"\\ud800"', "[]", "{}", "[[", "I64", "BOOL", "F16"]

    def mutate(data: bytes, largest: int, number: int) -> bytes:
        """Put something odd into the JSON, that of a seed where the input holds none any more; or change bytes."""
        chance = random.Random(number)
        if chance.random() < 0.3:
            return bytes(atheris.Mutate(data, largest))
        for start in (data, chance.choice(seeds)):
            text, end, rest = start[1:].partition(b"\n")
            try:
                value = json.loads(text)
                changed = json.dumps(put(value, chance.choice(places(value)[1:]), chance.choice(ODD)))
                return (start[:1] + changed.encode() + end + rest)[:largest]
            except (ValueError, IndexError, RecursionError):
                pass
        return bytes(atheris.Mutate(data, largest))

    return Target(run, seeds, [*odd, *json_words], mutate)


def is_tensors(study: Study, key: str) -> bool:
    return file_of(study.index, key).suffix == ".safetensors"


def without_length(data: bytes) -> bytes:
    """Safetensors as an input: the header, a line break, the numbers."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end] + b"\n" + data[end:]


def with_length(data: bytes) -> bytes:
    """An input as safetensors."""
    header, _, numbers = data.partition(b"\n")
    return len(header).to_bytes(8, "little") + header + numbers


TARGETS: dict[str, Callable[[Path], Target]] = {
    "segments": lambda _: texts(cut),
    "markup": lambda _: texts(blank),
    "anchors": anchors,
    "manifest": manifest,
}


def timed(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Make slowness a finding."""

    def run_timed(data: bytes) -> None:
        began = time.process_time()
        run(data)
        took = time.process_time() - began
        if took > SLOW:
            raise TimeoutError(f"an input of {len(data)} bytes took {took:.1f} s")

    return run_timed


def write_dictionary(path: Path, words: Iterable[str]) -> None:
    """Words as libFuzzer reads them: a line each, in quotes, every byte escaped."""
    known = {w.encode() for w in words} - {b""}
    lines = ["".join(f"\\x{byte:02x}" for byte in w) for w in sorted(known) if len(w) <= LARGEST_WORD]
    path.write_text("".join(f'"{line}"\n' for line in lines), "ascii")


def main() -> None:
    """Fuzz a target; libFuzzer ends the process."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzzing.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600, help="how long")
    parser.add_argument("--input", type=Path, help="run this input alone")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "embedcode-fuzz"), help="to work in")
    asked = parser.parse_args()
    home = asked.folder / asked.target
    corpus, seeds, study = home / "corpus", home / "seeds", home / "study"
    shutil.rmtree(study, ignore_errors=True)
    for folder in (corpus, seeds, study):
        folder.mkdir(parents=True, exist_ok=True)
    target = TARGETS[asked.target](study)
    for seed in target.seeds:
        (seeds / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    write_dictionary(home / "words.dict", target.words)
    options = [f"-dict={home / 'words.dict'}", f"-artifact_prefix={home}/", f"-timeout={HANGS}"]
    options.append(f"-rss_limit_mb={MEMORY}")
    if asked.input:
        options.append(str(asked.input))
    else:
        longest = 2 * max(map(len, target.seeds))
        # Seeds that reach the same code, such as the files of one bundle, are all worth changing.
        options += [f"-max_len={longest}", f"-max_total_time={asked.seconds}", "-keep_seed=1", "-print_final_stats=1"]
        options += [str(corpus), str(seeds)]
    ways = {"custom_mutator": target.mutate} if target.mutate else {}
    atheris.Setup([sys.argv[0], *options], timed(target.run), **ways)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
