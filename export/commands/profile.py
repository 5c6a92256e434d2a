"""`cloformer profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloformer.io.output import say, say_json

from ..formats.work_limit import MOST_WORK
from .latency_options import Html, Plots
from .options import Debug, Json, MaxWork, Quiet, Threads
from .progress import progress
from .timed import timed_artifact

__all__ = ["profile"]


def profile(
    artifact: Annotated[
        Path,
        typer.Argument(
            help="An ONNX, LiteRT or ExecuTorch artifact's folder, as `cloformer export` printed it."
        ),
    ],
    threads: Threads = 1,
    runs: Annotated[int, typer.Option(min=1, help="Runs that count, after a warm-up.")] = 50,
    depth: Annotated[int, typer.Option(min=1, help="How deep the tree of modules is shown.")] = 2,
    top: Annotated[int, typer.Option(min=1, help="How many operators are shown, the slowest first.")] = 20,
    layout: Annotated[bool, typer.Option(help="Let ONNX Runtime reorder memory for its kernels.")] = True,
    html: Html = None,
    plots: Plots = None,
    max_work: MaxWork = MOST_WORK,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say where an artifact's time goes on this machine: by operator and by PyTorch module, held to a measured roofline.

    Timing every operator costs time itself: how long an inference takes is for `bench` to say.
    """
    from cloformer.io.write import refuse_unwritable

    from ..latency.operator_times import profile as run_profile
    from ..reports.profile import text as table
    from ..reports.profile.page import write_page
    from ..reports.profile.plots import profile_plots
    from ..reports.shared.plots import prepare, write_plots

    if plots is not None:
        prepare(plots)
    if html is not None:
        refuse_unwritable(html, "choose another --html")
    opened = timed_artifact(artifact, max_work)
    with progress(quiet or as_json) as report_stage:
        found = run_profile(opened, threads=threads, runs=runs, layout=layout, progress=report_stage)
    if html is not None:
        write_page(html, found, depth)
    if plots is not None:
        write_plots(profile_plots(found, depth), plots)
    if as_json:
        say_json({"profile": found.to_json(depth)})
    else:
        say(*table.render(found, depth=depth, top=top).split("\n"))
