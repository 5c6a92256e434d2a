"""ONNX Runtime's own profiler: each operator of its optimized model, timed, and the operators of the file that it is.

Timing every operator costs time itself. :mod:`.fused` says what the optimizer made of the file, :mod:`.graph_work` what
an operator has to do, :mod:`.rates` how fast this machine does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnxruntime

from cloformer.errors import UsageError
from cloformer.io.words import count

from ..profiler import ExecutedOperator, ProfiledRuns, Work
from ..runner import Array, runtime_errors
from .file import read_onnx, serialized
from .fused import Region, name_nodes, nested_names, regions
from .graph_work import UNCOUNTED, bytes_moved, graph_work
from .profile_events import WARM_UP, TimedOperator, not_understood, read_events
from .rates import measure_rates
from .session import make_session, session_options

__all__ = ["UNCOUNTED", "WARM_UP", "executed_operators", "measure_rates", "profile_runs"]

_MAX_EVENTS = 900_000  # ONNX Runtime keeps a million and drops what comes after in silence


def profile_runs(
    model: Path, inputs: Mapping[str, Array], *, threads: int, runs: int, layout: bool
) -> ProfiledRuns:
    """As :class:`..profiler.Profiler` says; nothing stays on the disk."""
    file = read_onnx(model)
    name_nodes(file)
    with tempfile.TemporaryDirectory(prefix="cloformer-profile-") as folder:
        options = _profiling_options(Path(folder), threads, layout)
        with runtime_errors(
            f"ONNX Runtime cannot profile {model}", "see with `cloformer parity` whether it runs at all"
        ):
            session = make_session(serialized(file), options)
            optimized = onnx.load(options.optimized_model_filepath)
            _require_room(len(optimized.graph.node), runs)
            for _ in range(WARM_UP + runs):
                session.run(None, dict(inputs))
            text = Path(session.end_profiling()).read_bytes()
    timed, whole = read_events(text, nested_names(optimized), runs)
    taken = {name: tuple(span.us for span in item.spans) for name, item in timed.items()}
    version = str(onnxruntime.__version__)
    return ProfiledRuns(
        runtime=f"ONNX Runtime {version}",
        versions={"onnxruntime": version},
        warm_up=WARM_UP,
        operators=tuple(executed_operators(file, optimized, timed, taken)),
        whole_us=tuple(span.us for span in whole),
    )


def _profiling_options(folder: Path, threads: int, layout: bool) -> onnxruntime.SessionOptions:
    """The optimized model and the times are written to ``folder``."""
    levels = onnxruntime.GraphOptimizationLevel
    options = session_options(threads)
    # The levels above "extended" are about layouts alone.
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if layout else levels.ORT_ENABLE_EXTENDED
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "times")
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    return options


def _require_room(nodes: int, runs: int) -> None:
    most = _MAX_EVENTS // max(nodes + 2, 1) - WARM_UP
    if runs > most:
        raise UsageError(
            f"{count(runs, 'run')} of {count(nodes, 'operator')}: more than ONNX Runtime's profiler records",
            f"--runs takes up to {most:,} for this model",
        )


def executed_operators(
    file: onnx.ModelProto,
    optimized: onnx.ModelProto,
    timed: Mapping[str, TimedOperator],
    taken: Mapping[str, tuple[int, ...]],
) -> list[ExecutedOperator]:
    """One for every operator that was timed, in the order they run, with what was ``taken`` by the one of its name.

    ``file`` is what the runtime was given, its operators named by :func:`.fused.name_nodes`, and ``optimized`` what it made
    of it. Raises :class:`UnsupportedError` if an operator has no time.
    """
    missing = [node.name for node in optimized.graph.node if node.name not in timed]
    if missing:
        raise not_understood(
            f"{len(missing)} of {count(optimized.graph.node, 'operator')} without a time: {missing[0][:80]}"
        )
    found, work = regions(file, optimized), graph_work(file)
    return [
        _operator(name, item, taken[name], found.get(name, Region(None, ())), file, work)
        for name, item in timed.items()
    ]


def _operator(
    name: str,
    item: TimedOperator,
    taken: tuple[int, ...],
    region: Region,
    file: onnx.ModelProto,
    work: Sequence[Work],
) -> ExecutedOperator:
    """It comes from where the operator with the most multiply-adds among those it stands for comes from."""
    counts = [work[place].multiply_adds for place in region.nodes]
    heaviest = sorted(region.nodes, key=lambda place: -(work[place].multiply_adds or 0))
    values = [output for place in heaviest for output in file.graph.node[place].output]
    if region.value is not None:
        values.insert(1 if any(counts) else 0, region.value)
    return ExecutedOperator(
        name=name,
        operator=item.operator,
        taken=taken,
        work=Work(
            None if None in counts else sum(count or 0 for count in counts),
            bytes_moved(item.operator, item.inputs, item.outputs),
        ),
        value=region.value,
        stands_for=tuple(file.graph.node[place].op_type for place in region.nodes),
        origin_values=tuple(values),
        output=item.outputs[0].shape if item.outputs else None,
    )
