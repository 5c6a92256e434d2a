"""Saying how far a long command has come, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloformer.io.output import tell
from cloformer.io.progress import Progress, done_of
from cloformer.io.words import harmless

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task

__all__ = ["bars", "progress"]

_SOON = 0.02  # of the whole: before that nothing is said of the time that is left


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A bar with the stage and the time left on a terminal, a plain line per stage elsewhere, nothing if ``quiet``."""
    if quiet:
        yield lambda _: None
    elif sys.stderr is None or not sys.stderr.isatty():
        last = [""]

        def line(stage: str) -> None:
            if stage != last[0]:
                tell(stage)
            last[0] = stage

        yield line
    else:
        with bars() as bar:
            task = bar.add_task("starting", total=None)

            def show(stage: str) -> None:
                done = done_of(stage)
                bar.update(task, description=harmless(stage))
                if done is not None:
                    bar.update(task, total=1.0, completed=done, told=bar.get_time())

            yield show


def bars() -> Bars:
    """Bars on standard error, each of a task whose field ``told`` is when its share was last told, and which is gone when
    all is done. In a narrow terminal the words give way to the bar."""
    from rich.console import Console  # given the stream: what silences a framework swaps sys.stderr
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Left(ProgressColumn):
        """The time left, if the rest takes as long as what is done did; the time spent, where nobody knows."""

        def render(self, task: Task) -> Text:
            return Text(_left(task), style="progress.remaining")

    words = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    columns = SpinnerColumn(), words, BarColumn(bar_width=16), Left()
    return Progress(*columns, console=Console(file=sys.stderr), transient=True, expand=True)


def _left(task: Task) -> str:
    spent, told = task.elapsed or 0.0, task.fields.get("told")
    if task.total is None or told is None or task.completed / task.total < _SOON:
        return f"{_clock(spent)} so far"
    share = task.completed / task.total
    until_told = spent - (task.get_time() - told)
    return f"{_clock(max(until_told / share - spent, 0))} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
