"""Lists of checks that a program goes through, one after the other, and says a line about each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from packages import MissingError

__all__ = ["CheckError", "NotOfferedError", "Outcome", "run", "run_checks"]

Project = TypeVar("Project")
Check = Callable[[Project], list[str]]


class CheckError(Exception):
    """What was checked does not hold; the message shows it."""


class NotOfferedError(Exception):
    """What would be checked is not offered here, which the message says; it is neither passed nor failed."""


@dataclass(frozen=True)
class Outcome:
    """``word`` is ok, FAIL or none, for what is not offered; ``lines`` are the figures, or what is wrong."""

    title: str
    word: str
    seconds: float
    lines: tuple[str, ...]


def run(*command: object, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """The standard output; :class:`CheckError` with everything that was printed if the program fails."""
    done = subprocess.run(
        [str(item) for item in command],
        env=os.environ | dict(environment or {}), cwd=cwd, text=True, capture_output=True,
    )  # fmt: skip
    if done.returncode:
        shown = " ".join(Path(str(item)).name for item in command[:3])
        raise CheckError(
            f"{shown} ended with {done.returncode}\n{done.stdout[-30_000:]}\n{done.stderr[-30_000:]}"
        )
    return done.stdout


def run_checks(
    checks: Sequence[Check[Project]], project: Project, needed: Collection[Check[Project]] = ()
) -> list[Outcome]:
    """Prints a line for each check with its seconds, its figures below it, and a count. A check is named by the first paragraph of its
    docstring and returns its figures; after one of ``needed`` that fails, none follows."""
    begin = time.monotonic()
    found: list[Outcome] = []
    for check in checks:
        start = time.monotonic()
        word, lines = _outcome(check, project)
        title = re.sub(r"\s+", " ", (check.__doc__ or "").partition("\n\n")[0])
        found.append(Outcome(title, word, time.monotonic() - start, tuple(lines)))
        _say(f"{word:4} {found[-1].seconds:5.0f} s  {title}", *(f"             {line}" for line in lines))
        if word == "FAIL" and check in needed:
            _say("             the checks that follow need this one")
            break
    counts = {word: sum(item.word == word for item in found) for word in ("ok", "FAIL", "none")}
    absent = f", {counts['none']} not offered here" if counts["none"] else ""
    _say(f"{time.monotonic() - begin:.0f} s", f"{counts['ok']} passed, {counts['FAIL']} failed{absent}")
    return found


def _outcome(check: Check[Project], project: Project) -> tuple[str, list[str]]:
    try:
        return "ok", check(project)
    except NotOfferedError as reason:
        return "none", str(reason).splitlines()
    except (CheckError, MissingError, AssertionError) as error:
        return "FAIL", str(error).splitlines()
    except subprocess.CalledProcessError as error:
        return "FAIL", [f"{error}", *(error.stderr or b"").decode(errors="replace").splitlines()[-20:]]


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
