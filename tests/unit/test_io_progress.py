"""How far a long command is: shares of shares, a line per stage, and the time that is left."""

from __future__ import annotations

import pytest
from rich.progress import Task, TaskID

from cloformer.export.commands.progress import _left, progress
from cloformer.io.progress import Stage, part


def test_a_part_counts_its_own_shares() -> None:
    told: list[tuple[str, float | None]] = []
    second = part(lambda stage: told.append((stage, getattr(stage, "done", None))), 0.5, 1.0)
    inner = part(second, 0.0, 0.5)
    for stage in (Stage("begun", 0.0), Stage("half", 0.5), "nobody knows", Stage("too much", 7.0)):
        inner(stage)
    assert told == [("begun", 0.5), ("half", 0.625), ("nobody knows", None), ("too much", 0.75)]


@pytest.mark.parametrize(("quiet", "lines"), [(False, ["one", "two", "one"]), (True, [])])
def test_a_line_per_stage_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str], quiet: bool, lines: list[str]
) -> None:
    with progress(quiet) as report:
        for stage in (Stage("one", 0.1), Stage("one", 0.2), Stage("two", 0.5), "one"):
            report(stage)
    shown = capsys.readouterr()
    assert (shown.out, shown.err.splitlines()) == ("", lines)


@pytest.mark.parametrize(
    ("done", "now", "words"),
    [
        (None, 30.0, "0:30 so far"),
        (0.01, 30.0, "0:30 so far"),  # too soon to tell
        (0.25, 30.0, "1:30 left"),
        (0.25, 50.0, "1:10 left"),  # 20 seconds after it was told
        (0.25, 500.0, "0:00 left"),
        (0.002 * 25, 600.0, "3:10:00 left"),
    ],
)
def test_the_time_that_is_left(done: float | None, now: float, words: str) -> None:
    task = Task(TaskID(0), "x", None if done is None else 1.0, done or 0.0, _get_time=lambda: now)
    task.start_time = 0.0
    if done is not None:
        task.fields["told"] = 30.0 if now < 600 else 600.0
    assert _left(task) == words
