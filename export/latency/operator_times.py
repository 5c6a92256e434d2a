"""Where an artifact's time goes on this machine: by operator, by type of operator and by PyTorch module.

The format's own profiler times each operator that the runtime executes, and the artifact's origins say which module and
line it comes from. Timing every operator costs time itself, so this is a run of its own: what an inference takes is for
`cloformer bench` to say.
"""

from __future__ import annotations

import statistics
import sys

from cloformer.errors import MissingRuntimeError, UnsupportedError
from cloformer.io.progress import Progress, Stage
from cloformer.io.read import sha256_of
from cloformer.io.words import count

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.origins import Origins, read_origins
from ..formats import FORMATS
from ..formats.profiler import ExecutedOperator, ProfiledRuns, Profiler
from ..formats.runners import RUNNERS
from .environment import environment, explain_load, read_load, usable_processors
from .placed import PlacedOperator, left_out, uncounted
from .profile_report import OperatorTime, Profile
from .roofline import Roofline, measure_roofline

__all__ = ["multiply_adds_executed", "profile"]


def profile(
    artifact: Artifact,
    *,
    threads: int = 1,
    runs: int = 50,
    layout: bool = True,
    progress: Progress = lambda _: None,
    roofline: Roofline | None = None,
) -> Profile:
    """Run the artifact ``runs`` times under its runtime's profiler, after a warm-up that is thrown away.

    ``threads`` is 0 for the runtime's own choice; ``layout`` is whether the runtime may reorder memory for its kernels;
    ``roofline`` is measured, before and after, unless it is given; ``progress`` is told what is being done. The result has one row for each
    operator that was executed. Raises :class:`MissingRuntimeError` or :class:`UnsupportedError` for an artifact of a
    format without a profiler, :class:`InputError` for a model that cannot be run, :class:`UsageError` for more runs than
    can be recorded, :class:`UnsupportedError` if the profiler writes what is not understood.
    """
    profiler = _profiler(artifact)
    origins = read_origins(artifact)
    load_before = read_load()
    before = roofline
    if before is None:
        progress(Stage("measuring the machine's rates", 0.0))
        before = measure_roofline(profiler, threads)
    progress(Stage(f"running {count(runs, 'time')} under the profiler", 0.25))
    found = _profiled(profiler, artifact, threads, runs, layout)
    if roofline is None:
        progress(Stage("measuring the machine's rates again", 0.75))
        roofline = before.and_again(measure_roofline(profiler, threads))
    load_after = read_load()
    rows = tuple(_row(operator, origins) for operator in found.operators)
    return Profile(
        artifact=artifact.folder.name,
        model=artifact.manifest.name,
        format=artifact.format,
        precision=artifact.manifest.precision.name,
        manifest_sha256=sha256_of(artifact.folder / MANIFEST),
        runtime=found.runtime,
        threads=threads,
        layout=layout,
        runs=runs,
        warm_up=found.warm_up,
        rows=rows,
        runs_us=tuple(sum(times) for times in zip(*(operator.taken for operator in found.operators))),
        whole_us=statistics.median(found.whole_us) if found.whole_us else None,
        roofline=roofline,
        notes=tuple(left_out(rows, profiler.UNCOUNTED, "the roofline is too low there")),
        environment=environment(found.versions),
        load_before=load_before,
        load_after=load_after,
        disturbed=explain_load(load_before, load_after, len(usable_processors())),
    )


def multiply_adds_executed(
    artifact: Artifact, threads: int, layout: bool
) -> tuple[int, int | None, list[str]]:
    """How many operators the runtime executes for one inference, their multiply-adds, and the types of those operators
    whose multiply-adds are not known: if there are any, the sum is None. Raises as :func:`profile` does."""
    profiler = _profiler(artifact)
    operators = _profiled(profiler, artifact, threads, 1, layout).operators
    counts = [operator.work.multiply_adds for operator in operators]
    total = None if None in counts else sum(count or 0 for count in counts)
    return len(operators), total, uncounted(operators, profiler.UNCOUNTED)


def _profiler(artifact: Artifact) -> Profiler:
    profiler = FORMATS[artifact.format].profiler()
    if profiler is not None:
        return profiler
    instead = "profile its ONNX export instead (cloformer export --format onnx)"
    runtime = next(row for row in RUNNERS.values() if row.format == artifact.format and row.is_device_runtime)
    if runtime.system not in (None, sys.platform):
        raise MissingRuntimeError(
            f"{artifact.folder.name} cannot be profiled here: {runtime.title} exists on macOS only",
            f"{instead}, or open the model in Xcode on a Mac and make a performance report",
        )
    raise UnsupportedError(
        f"{artifact.folder.name} is {artifact.format}, and {runtime.title} has no profiler that can be read",
        f"{instead}, or open the model in Xcode and make a performance report",
    )


def _profiled(profiler: Profiler, artifact: Artifact, threads: int, runs: int, layout: bool) -> ProfiledRuns:
    from ..reference.cases import Inputs, noise_case

    inputs = Inputs.of(artifact.function)
    noise = noise_case(inputs).for_candidate(inputs)
    return profiler.profile_runs(artifact.model_path, noise, threads=threads, runs=runs, layout=layout)


def _row(operator: ExecutedOperator, origins: Origins) -> OperatorTime:
    """The operator's median time, and its place in the model."""
    return OperatorTime(**vars(PlacedOperator.of(operator, origins)), us=statistics.median(operator.taken))
