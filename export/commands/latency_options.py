"""What `bench` and `compare` have in common: options, the files they write, and how they end when they are
stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from cloformer.io.output import tell

from ..latency.candidates import CANDIDATES
from ..latency.protocol import MAX_SECONDS, PRESETS
from .completion import checkpoints, models_and_files

if TYPE_CHECKING:
    from ..latency.comparison import Comparison
    from ..latency.report import LatencyReport

__all__ = [
    "PRESET_HELP",
    "Files",
    "Html",
    "MinSeconds",
    "Model",
    "Output",
    "Pin",
    "Plots",
    "Runners",
    "Runs",
    "Seed",
    "TimeLimit",
    "Weights",
    "presets",
    "stop",
]

_INTERRUPTED, _TERMINATED = 130, 143
_Report = TypeVar("_Report", "LatencyReport", "Comparison")

PRESET_HELP = (
    "At least so many queries and seconds: "
    + "; ".join(f"{name} {row.queries} and {row.seconds:g}" for name, row in PRESETS.items())
    + f"; at most {MAX_SECONDS:g} seconds."
)

Runners = Annotated[
    list[str] | None,
    typer.Option(
        "--runner",
        help=f"{', '.join(CANDIDATES)}; may be given several times.",
        autocompletion=lambda: list(CANDIDATES),
    ),
]
Runs = Annotated[int | None, typer.Option(min=1, help="Queries at least, instead of the preset's.")]
MinSeconds = Annotated[float | None, typer.Option(help="Seconds at least, instead of the preset's.")]
Pin = Annotated[bool, typer.Option("--pin", help="Keep each candidate on as many processors as threads.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="What an artifact was exported from (nets.py:factory, timm:NAME), for pytorch-eager and --naive.",
        autocompletion=models_and_files,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="The checkpoint of the export, for pytorch-eager and --naive.", autocompletion=checkpoints
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the inputs.")]
TimeLimit = Annotated[
    float | None, typer.Option(help="Seconds after which a candidate that does not answer has failed.")
]
Output = Annotated[
    Path | None, typer.Option(help="Write everything measured, all samples included, to this JSON file.")
]
Html = Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")]
Plots = Annotated[
    Path | None,
    typer.Option(help="Write plots as PNG to this folder; needs `pip install 'cloformer[plots]'`."),
]


@dataclass(frozen=True)
class Files:
    """Where a report is written beside standard output; None for what is not asked for."""

    output: Path | None
    html: Path | None
    plots: Path | None

    def prepare(self) -> None:
        """Find out before any time is spent that plots cannot be drawn or written.

        Raises :class:`MissingRuntimeError` without the package for it, and :class:`InputError` for the folder.
        """
        if self.plots is not None:
            from ..reports.shared.plots import prepare

            prepare(self.plots)

    def begin(self, report: LatencyReport | Comparison) -> None:
        """Write what is known before anything is measured: a place that cannot be written is known then."""
        self.keep(report)
        self._write_page(report)

    def keep(self, report: LatencyReport | Comparison) -> None:
        """Write what is measured so far. Nothing is drawn while there is more to be measured."""
        from ..latency.saved import write_latency

        if self.output is not None:
            write_latency(report, self.output)

    def finish(self, report: LatencyReport | Comparison) -> None:
        """Write everything."""
        self.keep(report)
        self._write_page(report)
        if self.plots is not None:
            from ..reports.latency.plots import latency_plots
            from ..reports.shared.plots import write_plots

            write_plots(latency_plots(report), self.plots)

    def _write_page(self, report: LatencyReport | Comparison) -> None:
        from ..reports.latency.page_file import write_latency_page

        if self.html is not None:
            write_latency_page(report, self.html)


def presets() -> list[str]:
    """For completion."""
    return list(PRESETS)


def stop(report: _Report, error: BaseException, files: Files, show: Callable[[_Report], None]) -> NoReturn:
    """Give out what was measured until ``error`` came, marked incomplete, and end."""
    interrupted = isinstance(error, KeyboardInterrupt)
    word = "interrupted" if interrupted else "terminated"
    report = replace(report, stopped=word)
    files.finish(report)
    show(report)
    tell(f"error: {word}; what was measured until then is kept, and marked incomplete")
    # Not as an exception, of which cli.py would print a second JSON document.
    sys.exit(_INTERRUPTED if interrupted else _TERMINATED)
