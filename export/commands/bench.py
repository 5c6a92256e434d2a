"""`cloformer bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.io.output import say, say_json, tell

from ..formats.work_limit import MOST_WORK
from .count_options import Count, Counter, CountOnly, MaxInstructions, MaxMultiplyAdds, MaxOperators, counting
from .latency_options import (
    PRESET_HELP,
    Files,
    Html,
    MinSeconds,
    Model,
    Output,
    Pin,
    Plots,
    Runners,
    Runs,
    Seed,
    TimeLimit,
    Weights,
    presets,
    stop,
)
from .options import Debug, Json, MaxWork, Quiet
from .phone import Device, Package, bench_on_phone
from .progress import progress
from .timed import timed_artifact

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
    count: Count = False,
    count_only: CountOnly = False,
    counter: Counter = "auto",
    max_instructions: MaxInstructions = None,
    max_operators: MaxOperators = None,
    max_multiply_adds: MaxMultiplyAdds = None,
    output: Output = None,
    html: Html = None,
    plots: Plots = None,
    save_baseline: Annotated[
        Path | None,
        typer.Option(help="Keep the artifact and its report in this folder, for `compare --baseline`."),
    ] = None,
    device: Device = None,
    package: Package = None,
    max_work: MaxWork = MOST_WORK,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how long artifacts take on this machine, one inference after the other, a process for each.

    Exit 1 if one could not be measured, or is not shown to keep a --max-... limit. With --device, an app measures it
    on a phone.
    """
    from dataclasses import replace

    from cloformer.errors import UsageError

    from ..latency.baseline import refuse_place
    from ..latency.baseline import save_baseline as save
    from ..latency.candidates import plan
    from ..latency.counting import plan_counting
    from ..latency.measure import measure
    from ..latency.protocol import parse_threads, protocol

    if device is not None:
        others = {
            "--runner": runners,
            "--runs": runs,
            "--min-seconds": min_seconds,
            "--pin": pin,
            "--cold": cold,
            "--model": model,
            "--weights": weights,
            "--seed": seed,
            "--count": count,
            "--count-only": count_only,
            "--counter": counter != "auto",
            "--max-instructions": max_instructions,
            "--max-operators": max_operators,
            "--max-multiply-adds": max_multiply_adds,
            "--html": html,
            "--plots": plots,
            "--save-baseline": save_baseline,
        }
        bench_on_phone(
            artifacts, device, package, preset, threads, time_limit, output, quiet, as_json, others
        )
        return
    if package is not None:
        raise UsageError("--package names an app on a phone", "add --device adb")
    settings = protocol(
        preset,
        threads=parse_threads(threads),
        runs=runs,
        min_seconds=min_seconds,
        time_limit=time_limit,
        pin=pin,
        cold=cold,
    )
    settings = replace(settings, seed=seed)
    found = [timed_artifact(path, max_work) for path in artifacts]
    candidates = plan(found, runners or [], settings, model=model, weights=weights)
    asked = counting(count, count_only, max_operators, max_multiply_adds, max_instructions)
    if save_baseline is not None:
        if count_only:
            raise UsageError("a baseline has times, and --count-only times nothing", "give --count instead")
        if len(candidates) != 1:
            raise UsageError(
                f"a baseline is one artifact, one runner and one thread count, and here are {len(candidates)} rows",
                "give one of each, or leave --save-baseline out",
            )
        refuse_place(save_baseline, found[0])
    if asked is not None:
        settings = replace(settings, counting=plan_counting(candidates, asked, counter))
    files = Files(output, html, plots)
    files.prepare()
    kept: list[LatencyReport] = []

    def keep(report: LatencyReport) -> None:
        """The last report; in the files, one that ends with a whole row."""
        if not kept:
            files.begin(report)
        elif all(row.load_after for row in report.rows):
            files.keep(report)
        kept[:] = [report]

    try:
        with progress(quiet or as_json) as report_stage:
            report = measure(candidates, settings, report_stage, keep)
    except Exception:
        raise
    except BaseException as error:  # Ctrl-C, or what cli.py makes of SIGTERM
        if not kept:
            raise
        stop(kept[0], error, files, lambda report: _show(report, as_json))
    files.finish(report)
    _show(report, as_json)
    if report.failed or report.gate not in (None, "passed"):
        if save_baseline is not None:
            tell(f"{save_baseline}: no baseline was kept, for this run is none")
        raise typer.Exit(1)
    if save_baseline is not None:
        save(save_baseline, found[0], report)


def _show(report: LatencyReport, as_json: bool) -> None:
    from ..reports.latency import text as latency

    if as_json:
        say_json(report.to_json())
    else:
        say(*latency.render(report).split("\n"))
