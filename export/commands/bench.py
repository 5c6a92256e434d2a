"""`cloformer bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..latency.candidates import CANDIDATES
from ..latency.protocol import MAX_SECONDS, PRESETS
from .options import Debug, Json, print_json
from .progress import progress

if TYPE_CHECKING:
    from ..latency.report import LatencyReport

__all__ = ["bench"]

_INTERRUPTED, _TERMINATED = 130, 143


def bench(
    artifacts: Annotated[list[Path], typer.Argument(help="Folders of artifacts.")],
    preset: Annotated[
        str,
        typer.Option(
            help="At least so many queries and seconds: "
            + "; ".join(f"{name} {row.queries} and {row.seconds:g}" for name, row in PRESETS.items())
            + f"; at most {MAX_SECONDS:g} seconds.",
            autocompletion=lambda: list(PRESETS),
        ),
    ] = "normal",
    threads: Annotated[str, typer.Option(help="Threads of the runtime; 1,2,4 gives a row for each.")] = "1",
    runners: Annotated[
        list[str] | None,
        typer.Option(
            "--runner",
            help=f"{', '.join(CANDIDATES)}; may be given several times; the artifact's own runtime if not given.",
            autocompletion=lambda: list(CANDIDATES),
        ),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Queries at least, instead of the preset's.")
    ] = None,
    min_seconds: Annotated[
        float | None, typer.Option(help="Seconds at least, instead of the preset's.")
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep each candidate on as many processors as threads.")
    ] = False,
    cold: Annotated[
        bool,
        typer.Option("--cold", help="Also time cold starts: fresh processes, the model's files not cached."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="The package.module:factory an artifact was exported from, for pytorch-eager."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The checkpoint of the export, for pytorch-eager.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the inputs.")] = 0,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds after which a candidate that does not answer has failed.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write everything measured, all samples included, to this JSON file.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how long artifacts take on this machine, one inference after the other, a process for each.

    Exit 1 if one could not be measured.
    """
    from ..artifact import read_artifact
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
        _stop(kept[0], isinstance(error, KeyboardInterrupt), output, as_json)
    _show(report, as_json)
    if report.failed:
        raise typer.Exit(1)


def _stop(report: LatencyReport, interrupted: bool, output: Path | None, as_json: bool) -> None:
    """Give out what was measured until then, and end."""
    from dataclasses import replace

    from ..reports.latency_file import write_latency

    word = "interrupted" if interrupted else "terminated"
    report = replace(report, stopped=word)
    if output is not None:
        write_latency(report, output)
    _show(report, as_json)
    print(f"error: {word}; what was measured until then is kept, and marked incomplete", file=sys.stderr)
    # Not as an exception, of which cli.py would print a second JSON document.
    sys.exit(_INTERRUPTED if interrupted else _TERMINATED)


def _show(report: LatencyReport, as_json: bool) -> None:
    from ..reports import latency

    if as_json:
        print_json(report.to_json())
    else:
        print(latency.render(report))
