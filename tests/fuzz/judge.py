"""What must hold of a run, whatever it was given."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .case import Run
from .outside import CANARY
from .process import MEMORY, Outcome
from .written import BREAKS, parse_strictly, strange_files

__all__ = ["Finding", "Verdict", "judge"]

BUG = 70
MAX_LINES = 3
MAX_LENGTH = 400  # characters of a line of an error
_LONGEST = 6000  # of any other line on standard error: a path alone has up to 4096
_MAX_OUTPUT = 32 << 20
_PASSWORDS = "root:x:0:0:"
_TRACEBACK = "Traceback (most recent call last)"
_OF_A_CI = (
    "::error ",
    "::warning ",
    "::notice ",
    "::group::",
    "::endgroup::",
)  # what cloformer itself says to one


@dataclass(frozen=True)
class Finding:
    """``kind`` is the column of the table that it counts in."""

    kind: str
    words: str


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a run; nothing, if all is well."""

    findings: tuple[Finding, ...]

    def has(self, kind: str) -> bool:
        return any(finding.kind == kind for finding in self.findings)


def judge(run: Run, outcome: Outcome, outside: Sequence[str], made: Sequence[Path]) -> Verdict:
    """``outside`` is what was read or changed that should not have been, ``made`` the files that the run wrote."""
    return Verdict(tuple(_findings(run, outcome, outside, made)))


def _findings(run: Run, outcome: Outcome, outside: Sequence[str], made: Sequence[Path]) -> Iterator[Finding]:
    out, err = (_text(data) for data in (outcome.out, outcome.err))
    if outcome.died:
        kind = "hang" if outcome.died.startswith("hung") else "memory" if "GiB" in outcome.died else "crash"
        yield Finding(kind, outcome.died)
    if outcome.memory > MEMORY and not outcome.died:
        yield Finding("memory", f"took {outcome.memory / 2**30:.1f} GiB")
    if outcome.code == BUG:
        yield Finding("exit 70", _last_line(err))
    if _TRACEBACK in out + err:
        yield Finding("traceback", _last_line(err))
    if outcome.code is not None and outcome.code != BUG and outcome.code not in run.codes:
        codes = ", ".join(map(str, sorted(run.codes)))
        yield Finding(
            "exit code", f"exit {outcome.code}, where {codes} is right: {_error(err)[:1] or _last_line(out)}"
        )
    for words in [*outside, *(f"wrote {line}" for line in outcome.wrote), *_leaked(out + err, made)]:
        yield Finding("outside", words)
    if outcome.code is None:
        return
    yield from (Finding("words", words) for words in strange_files(made))
    yield from _of_the_error(outcome.code, err)
    for name, text, data in (("output", out, outcome.out), ("error", err, outcome.err)):
        yield from _of_the_words(name, text, data)
    if "--json" in run.arguments:
        yield from _of_the_json(out)


def _text(data: bytes) -> str:
    return data[:_MAX_OUTPUT].decode("utf-8", "surrogateescape")


def _error(err: str) -> list[str]:
    """The lines from the error on, which come after those of the progress."""
    lines = err.split("\n")
    begin = next((index for index, line in enumerate(lines) if line.startswith("error: ")), None)
    return [] if begin is None else [line for line in lines[begin:] if line]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and "run it again with --debug" not in line]
    return lines[-1][:300] if lines else ""


def _leaked(text: str, made: Sequence[Path]) -> Iterator[str]:
    for words in (CANARY, _PASSWORDS):
        if words in text:
            yield f"{words} is in what it printed"
        for path in made:
            if words.encode() in path.read_bytes():
                yield f"{words} is in {path.name}, which it wrote"


def _of_the_error(code: int, err: str) -> Iterator[Finding]:
    said = _error(err)
    if code not in (0, 1) and not said:
        yield Finding("words", f"exit {code} without a word: {err[-200:]!r}")
    if code != 0 and len(said) > MAX_LINES:
        yield Finding("words", f"an error of {len(said)} lines: {said[0][:80]!r} ... {said[-1][:80]!r}")
    for lines, longest in ((said, MAX_LENGTH), (err.split("\n"), _LONGEST)):
        long = max(lines, key=len, default="")
        if len(long) > longest:
            yield Finding("words", f"a line of {len(long)} characters on standard error: {long[:100]!r}")
            return


def _of_the_words(name: str, text: str, data: bytes) -> Iterator[Finding]:
    if len(data) > _MAX_OUTPUT:
        yield Finding("words", f"{len(data)} bytes of {name}")
    strange = sorted(
        {f"U+{ord(c):04X}" for c in set(text) - {"\n", "\t"} if unicodedata.category(c) in BREAKS}
    )
    if strange:
        where = next(
            line for line in text.split("\n") if any(unicodedata.category(c) in BREAKS for c in line)
        )
        yield Finding("words", f"{', '.join(strange)} in the {name}: {where[:200]!r}")
    for line in text.replace("\r", "\n").split("\n"):
        if line.lstrip().startswith("::") and not line.startswith(_OF_A_CI):
            yield Finding("words", f"a line of the {name} begins with {line.strip()[:60]!r}")
            break


def _of_the_json(out: str) -> Iterator[Finding]:
    try:
        parse_strictly(out)
    except ValueError as error:
        yield Finding("words", f"--json, and standard output is no document: {error}; {out[:100]!r}")
    except RecursionError:
        yield Finding("words", "--json, and standard output is nested too deep to be read")
