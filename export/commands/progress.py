"""Saying how far a long command has come, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloformer.io.output import tell
from cloformer.io.words import harmless

__all__ = ["progress"]


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A spinner with the stage on a terminal, a plain line per stage elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr is None or not sys.stderr.isatty():
        yield tell
    else:
        from rich.console import Console  # given the stream: what silences a framework swaps sys.stderr
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda stage: bar.update(task, description=harmless(stage))
