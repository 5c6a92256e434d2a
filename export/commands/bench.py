"""`cloformer bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .latency_options import (
    PRESET_HELP,
    MinSeconds,
    Model,
    Output,
    Pin,
    Runners,
    Runs,
    Seed,
    TimeLimit,
    Weights,
    presets,
    stop,
)
from .options import Debug, Json, print_json
from .progress import progress

if TYPE_CHECKING:
    from ..latency.report import LatencyReport

__all__ = ["bench"]


def bench(
    artifacts: Annotated[list[Path], typer.Argument(help="Folders of artifacts.")],
    preset: Annotated[str, typer.Option(help=PRESET_HELP, autocompletion=presets)] = "normal",
    threads: Annotated[str, typer.Option(help="Threads of the runtime; 1,2,4 gives a row for each.")] = "1",
    runners: Runners = None,
    runs: Runs = None,
    min_seconds: MinSeconds = None,
    pin: Pin = False,
    cold: Annotated[
        bool,
        typer.Option("--cold", help="Also time cold starts: fresh processes, the model's files not cached."),
    ] = False,
    model: Model = None,
    weights: Weights = None,
    seed: Seed = 0,
    time_limit: TimeLimit = None,
    output: Output = None,
    save_baseline: Annotated[
        Path | None,
        typer.Option(help="Keep the artifact and its report in this folder, for `compare --baseline`."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how long artifacts take on this machine, one inference after the other, a process for each.

    Exit 1 if one could not be measured.
    """
    from ..artifact import read_artifact
    from ..errors import UsageError
    from ..latency.baseline import refuse_taken
    from ..latency.baseline import save_baseline as save
    from ..latency.bench import measure
    from ..latency.candidates import plan
    from ..latency.protocol import parse_threads, protocol
    from ..reports.latency_file import write_latency

    settings = protocol(
        preset,
        threads=parse_threads(threads),
        runs=runs,
        min_seconds=min_seconds,
        time_limit=time_limit,
        pin=pin,
        cold=cold,
        seed=seed,
    )
    found = [read_artifact(path) for path in artifacts]
    candidates = plan(found, runners or [], settings, model=model, weights=weights)
    if save_baseline is not None:
        refuse_taken(save_baseline)
        if len(candidates) != 1:
            raise UsageError(
                f"a baseline is one artifact, one runner and one thread count, and here are {len(candidates)} rows",
                "give one of each, or leave --save-baseline out",
            )
    kept: list[LatencyReport] = []

    def keep(report: LatencyReport) -> None:
        """The last report; in the file, one that ends with a whole row."""
        if output is not None and (not kept or all(row.load_after for row in report.rows)):
            write_latency(report, output)
        kept[:] = [report]

    try:
        with progress(as_json) as report_stage:
            report = measure(candidates, settings, report_stage, keep)
    except Exception:
        raise
    except BaseException as error:  # Ctrl-C, or what cli.py makes of SIGTERM
        if not kept:
            raise
        stop(kept[0], error, output, lambda report: _show(report, as_json))
    _show(report, as_json)
    if report.failed:
        raise typer.Exit(1)
    if save_baseline is not None:
        save(save_baseline, found[0], report)


def _show(report: LatencyReport, as_json: bool) -> None:
    from ..reports import latency

    if as_json:
        print_json(report.to_json())
    else:
        print(latency.render(report))
