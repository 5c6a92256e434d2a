"""`cloformer profile`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.io.output import say, say_json

from ..formats.work_limit import MOST_WORK
from .device_options import Device, refuse_with_device
from .latency_options import Html, Plots
from .options import Debug, Json, MaxWork, Quiet, Threads
from .progress import progress
from .timed import timed_artifact

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["profile"]

_RUNS = 50


@dataclass(frozen=True)
class Shown:
    """How much is shown, and where."""

    depth: int
    top: int
    html: Path | None
    plots: Path | None
    quiet: bool
    as_json: bool


def profile(
    artifact: Annotated[
        Path,
        typer.Argument(
            help="An ONNX, LiteRT or ExecuTorch artifact's folder, as `cloformer export` printed it."
        ),
    ],
    threads: Threads = 1,
    runs: Annotated[int, typer.Option(min=1, help="Runs that count, after a warm-up.")] = _RUNS,
    depth: Annotated[int, typer.Option(min=1, help="How deep the tree of modules is shown.")] = 2,
    top: Annotated[
        int, typer.Option(min=1, help="How many operators are shown, those that take most first.")
    ] = 20,
    layout: Annotated[bool, typer.Option(help="Let ONNX Runtime reorder memory for its kernels.")] = True,
    device: Device = None,
    html: Html = None,
    plots: Plots = None,
    max_work: MaxWork = MOST_WORK,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say where an artifact's time goes on this machine: by operator and by PyTorch module, held to a measured roofline.

    Timing every operator costs time itself: how long an inference takes is for `bench` to say. With --device arm64,
    operators are not timed: their instructions on an emulated core are counted, which are the same every time.
    """
    from cloformer.io.write import refuse_unwritable

    if html is not None:
        refuse_unwritable(html, "choose another --html")
    if device is not None:
        others = {
            "--threads": threads != 1,
            "--runs": runs != _RUNS,
            "--no-layout": not layout,
            "--plots": plots,
        }
        refuse_with_device(device, others, "instructions are counted, of one thread")
        _counted(timed_artifact(artifact, max_work), device, Shown(depth, top, html, None, quiet, as_json))
        return
    _timed(artifact, max_work, threads, runs, layout, Shown(depth, top, html, plots, quiet, as_json))


def _timed(artifact: Path, max_work: int, threads: int, runs: int, layout: bool, shown: Shown) -> None:
    """By this machine's clock."""
    from ..latency.operator_times import profile as run_profile
    from ..reports.profile.page import write_page
    from ..reports.profile.plots import profile_plots
    from ..reports.profile.text import render
    from ..reports.shared.plots import prepare, write_plots

    if shown.plots is not None:
        prepare(shown.plots)
    opened = timed_artifact(artifact, max_work)
    with progress(shown.quiet or shown.as_json) as report_stage:
        found = run_profile(opened, threads=threads, runs=runs, layout=layout, progress=report_stage)
    if shown.html is not None:
        write_page(shown.html, found, shown.depth)
    if shown.plots is not None:
        write_plots(profile_plots(found, shown.depth), shown.plots)
    if shown.as_json:
        say_json({"profile": found.to_json(shown.depth)})
    else:
        say(*render(found, depth=shown.depth, top=shown.top).split("\n"))


def _counted(artifact: Artifact, device: str, shown: Shown) -> None:
    """By the emulated device's instructions."""
    from ..device.arm64 import Arm64Device
    from ..device.arm64_profile import profile_on_device
    from ..reports.profile.counts import render
    from ..reports.profile.counts_page import write_page

    with progress(shown.quiet or shown.as_json) as report_stage:
        found = profile_on_device(artifact, Arm64Device(kind=device), report_stage)
    if shown.html is not None:
        write_page(shown.html, found, shown.depth)
    if shown.as_json:
        say_json({"profile": found.to_json(shown.depth)})
    else:
        say(*render(found, depth=shown.depth, top=shown.top).split("\n"))
