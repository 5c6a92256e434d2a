"""What stands in the way of each format, told at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from cloformer.errors import CloformerError, GateError, UnsupportedError

from .request import Job

__all__ = ["of_each"]

Made = TypeVar("Made")
_Refusal = UnsupportedError | GateError


def of_each(jobs: Sequence[Job], make: Callable[[int, Job], Made], told: Callable[[Made], str]) -> list[Made]:
    """What ``make`` makes of each job, by its number.

    A format that cannot be written, or is not the model, does not end the others: all are tried, and then one error tells
    what stands in the way of each, and of the others what was ``told`` of what was made.
    """
    tried = [_tried(make, number, job) for number, job in enumerate(jobs)]
    made = [item for item in tried if not isinstance(item, (UnsupportedError, GateError))]
    refused = [
        (job, item)
        for job, item in zip(jobs, tried, strict=True)
        if isinstance(item, (UnsupportedError, GateError))
    ]
    if len({tuple(item.lines) for _, item in refused}) == 1:  # of one format, or of the model in each
        raise _with_the_others(refused[0][1], list(map(told, made)))
    if refused:
        raise _together(refused, list(map(told, made)))
    return made


def _tried(make: Callable[[int, Job], Made], number: int, job: Job) -> Made | _Refusal:
    try:
        return make(number, job)
    except (UnsupportedError, GateError) as error:
        return error


def _with_the_others(error: CloformerError, others: Sequence[str]) -> CloformerError:
    if not others:
        return error
    *before, last = error.lines
    return type(error)(*before, "; ".join([last, *others]), details=error.details)


def _together(refused: Sequence[tuple[Job, CloformerError]], others: Sequence[str]) -> CloformerError:
    lines = [_of_a_format(job.format.title, "; ".join(error.lines[:2])) for job, error in refused]
    advice = "rewrite these lines with other operators; --format with one of these alone says more, and --json lists all"
    formats = {
        job.format.name: {"message": error.lines[0], "next": error.lines[1:], "exit_code": error.exit_code, **error.details}
        for job, error in refused
    }  # fmt: skip
    kind = type(refused[0][1])
    return kind(*lines, "; ".join([advice, *others]), details={"formats": formats})


def _of_a_format(title: str, line: str) -> str:
    return line if line.startswith(f"{title} ") else f"{title}: {line}"
