"""Where an ONNX artifact's time goes on this machine: by operator, by type of operator and by PyTorch module.

ONNX Runtime's own profiler times each operator of its optimized model; :mod:`.fused` says which operators of
the file that is, and the artifact's origins which module and line. Timing every operator costs time itself,
so this is a run of its own: what an inference takes is for `cloformer bench` to say.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloformer.errors import InputError, MissingRuntimeError, UnsupportedError, UsageError

from ..artifact.folder import MANIFEST, Artifact
from .environment import environment
from .fused import Region, name_nodes, nested_names, regions
from .operator_work import UNCOUNTED, Operand, Work, bytes_moved, graph_work
from .profile_report import OperatorTime, Profile
from .roofline import Roofline, measure_roofline

if TYPE_CHECKING:
    import onnx

    from ..artifact.origins import Origins
    from ..formats.runners import Array

__all__ = ["Timed", "executed", "profile", "read_events"]

WARM_UP = 10
_MAX_EVENTS = 900_000  # ONNX Runtime keeps a million and drops what comes after in silence
_KERNEL = "_kernel_time"
_ITEM_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "float": 4, "int64": 8, "uint64": 8, "double": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Timed:
    """What the profiler says of one operator: microseconds of each run, and its operands. Those whose type or
    shape it does not tell are left out."""

    operator: str
    us: tuple[int, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]


def profile(
    artifact: Artifact,
    *,
    threads: int = 1,
    runs: int = 50,
    layout: bool = True,
    progress: Callable[[str], None] = lambda _: None,
    roofline: Roofline | None = None,
) -> Profile:
    """Run the artifact ``runs`` times under the profiler, after a warm-up that is thrown away.

    ``layout`` is whether ONNX Runtime may reorder memory for its kernels; ``roofline`` is measured unless it is
    given. Raises :class:`MissingRuntimeError` or :class:`UnsupportedError` for an artifact of another format,
    :class:`InputError` for a model that cannot be run, :class:`UsageError` for more runs than can be recorded,
    :class:`UnsupportedError` if the profiler writes what is not understood.
    """
    _require_onnx(artifact)
    import onnxruntime

    given = _read(artifact)
    if roofline is None:
        progress("measuring the machine's rates")
        roofline = measure_roofline(threads)
    progress(f"running {runs} times under ONNX Runtime's profiler")
    rows, whole_us = _operator_times(artifact, given, threads, runs, layout)
    return Profile(
        artifact=artifact.folder.name,
        model=artifact.manifest.name,
        precision=artifact.manifest.precision.name,
        manifest_sha256=hashlib.sha256((artifact.folder / MANIFEST).read_bytes()).hexdigest(),
        runtime=f"ONNX Runtime {onnxruntime.__version__}",
        threads=threads,
        layout=layout,
        runs=runs,
        warm_up=WARM_UP,
        rows=tuple(rows),
        whole_us=statistics.median(whole_us) if whole_us else None,
        roofline=roofline,
        notes=tuple(_notes(rows, roofline)),
        environment=environment({"onnxruntime": str(onnxruntime.__version__)}),
    )


def executed(artifact: Artifact, threads: int, layout: bool) -> list[OperatorTime]:
    """Every operator that ONNX Runtime executes for an inference. Raises as :func:`profile` does."""
    return _operator_times(artifact, _read(artifact), threads, 1, layout)[0]


def read_events(text: str | bytes, nested: set[str], runs: int) -> tuple[dict[str, Timed], list[int]]:
    """What ONNX Runtime's profiler wrote, by the operator's name, and microseconds of each whole run.

    The warm-up is left out, and ``nested`` operators, whose time is in that of another. Raises
    :class:`UnsupportedError` if the text is not the profile of as many runs.
    """
    try:
        events = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_understood("it is no JSON") from None
    if not isinstance(events, list):
        raise _not_understood("it is no list of events")
    taken: dict[str, list[int]] = {}
    said: dict[str, Mapping[str, Any]] = {}
    whole: list[int] = []
    for event in events:
        if not isinstance(event, dict) or not isinstance(event.get("name"), str):
            continue
        name = event["name"]
        if event.get("cat") == "Session" and name == "model_run":
            whole.append(_duration(event))
        if event.get("cat") != "Node" or not name.endswith(_KERNEL):
            continue
        name = name.removesuffix(_KERNEL)
        if name not in nested:
            taken.setdefault(name, []).append(_duration(event))
            details = event.get("args")
            said[name] = details if isinstance(details, dict) else {}
    if not taken:
        raise _not_understood("it times no operator")
    for name, durations in taken.items():
        if len(durations) != WARM_UP + runs:
            raise _not_understood(
                f"it times {name[:80]} {len(durations)} times in {WARM_UP + runs} runs, warm-up included"
            )
    timed = {
        name: Timed(
            str(said[name].get("op_name", "unknown")),
            tuple(durations[WARM_UP:]),
            _operands(said[name].get("input_type_shape")),
            _operands(said[name].get("output_type_shape")),
        )
        for name, durations in taken.items()
    }
    return timed, whole[WARM_UP:]


def _require_onnx(artifact: Artifact) -> None:
    if artifact.format == "onnx":
        return
    instead = "profile its ONNX export instead (cloformer export --format onnx)"
    if sys.platform != "darwin":
        raise MissingRuntimeError(
            f"{artifact.folder.name} cannot be profiled here: Core ML exists on macOS only",
            f"{instead}, or open the model in Xcode on a Mac and make a performance report",
        )
    raise UnsupportedError(
        f"{artifact.folder.name} is {artifact.format}, and only ONNX Runtime has a profiler that can be read",
        f"{instead}, or open the model in Xcode and make a performance report",
    )


@dataclass(frozen=True)
class _Given:
    """What is run, on what, and where it comes from."""

    model: onnx.ModelProto
    fed: Mapping[str, Array]
    origins: Origins


def _read(artifact: Artifact) -> _Given:
    from ..artifact.origins import read_origins
    from ..formats.onnx.file import read_onnx
    from ..reference.cases import Inputs, noise_case

    inputs = Inputs.of(artifact.function)
    model = read_onnx(artifact.model_path)
    name_nodes(model)
    return _Given(model, noise_case(inputs).for_candidate(inputs), read_origins(artifact))


def _operator_times(
    artifact: Artifact, given: _Given, threads: int, runs: int, layout: bool
) -> tuple[list[OperatorTime], list[int]]:
    """The operators in the order they run, and microseconds of each whole run."""
    optimized, text = _run(artifact, given.model, given.fed, threads, runs, layout)
    timed, whole_us = read_events(text, nested_names(optimized), runs)
    return _rows(given.model, optimized, timed, given.origins), whole_us


def _run(
    artifact: Artifact,
    model: onnx.ModelProto,
    fed: Mapping[str, Array],
    threads: int,
    runs: int,
    layout: bool,
) -> tuple[onnx.ModelProto, bytes]:
    """The optimized model, and what the profiler wrote. Nothing of either stays on the disk."""
    import onnx
    import onnxruntime

    levels = onnxruntime.GraphOptimizationLevel
    with tempfile.TemporaryDirectory(prefix="cloformer-profile-") as folder:
        path = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # The levels above "extended" are about layouts alone.
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if layout else levels.ORT_ENABLE_EXTENDED
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "times")
        options.optimized_model_filepath = str(path)
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            optimized = onnx.load(path)
            _require_room(len(optimized.graph.node), runs)
            for _ in range(WARM_UP + runs):
                session.run(None, dict(fed))
            written = Path(session.end_profiling()).read_bytes()
        except UsageError:
            raise
        except Exception as error:  # the binding raises classes of its own for each status
            raise InputError(
                f"ONNX Runtime cannot profile {artifact.model_path}: {str(error).splitlines()[0][:200]}",
                "see with `cloformer parity` whether it runs at all",
            ) from error
    return optimized, written


def _require_room(nodes: int, runs: int) -> None:
    most = _MAX_EVENTS // max(nodes + 2, 1) - WARM_UP
    if runs > most:
        raise UsageError(
            f"{runs} runs of {nodes} operators are more than ONNX Runtime's profiler records",
            f"--runs takes up to {most:,} for this model",
        )


def _rows(
    model: onnx.ModelProto, optimized: onnx.ModelProto, timed: Mapping[str, Timed], origins: Origins
) -> list[OperatorTime]:
    """One row for every operator that was timed, in the order they run."""
    missing = [node.name for node in optimized.graph.node if node.name not in timed]
    if missing:
        raise _not_understood(
            f"{len(missing)} of {len(optimized.graph.node)} operators have no time: {missing[0][:80]}"
        )
    found, work = regions(model, optimized), graph_work(model)
    return [
        _row(name, item, found.get(name, Region(None, ())), model, work, origins)
        for name, item in timed.items()
    ]


def _row(
    name: str,
    item: Timed,
    region: Region,
    model: onnx.ModelProto,
    work: Sequence[Work],
    origins: Origins,
) -> OperatorTime:
    """Its place is that of the operator with the most multiply-adds among those it stands for."""
    counts = [work[place].multiply_adds for place in region.nodes]
    heaviest = sorted(region.nodes, key=lambda place: -(work[place].multiply_adds or 0))
    candidates = [output for place in heaviest for output in model.graph.node[place].output]
    if region.value is not None:
        candidates.insert(1 if any(counts) else 0, region.value)
    at = next((origins.places[value] for value in candidates if value in origins.places), None)
    return OperatorTime(
        name=name,
        operator=item.operator,
        us=statistics.median(item.us),
        work=Work(
            None if None in counts else sum(count or 0 for count in counts),
            bytes_moved(item.operator, item.inputs, item.outputs),
        ),
        value=region.value,
        stands_for=tuple(model.graph.node[place].op_type for place in region.nodes),
        node=None if at is None else at.name,
        module=None if at is None else at.module,
        location=None if at is None else at.location,
        output=item.outputs[0].shape if item.outputs else None,
    )


def _notes(rows: Sequence[OperatorTime], roofline: Roofline) -> list[str]:
    """What the numbers leave out."""
    notes = []
    unmapped = sorted({row.operator for row in rows if row.module is None})
    if unmapped:
        total = sum(row.module is None for row in rows)
        notes.append(f"{total} operators are not traced to a module: {', '.join(unmapped)}")
    above = sum(roofline.bound_us(row.work) > row.us for row in rows)
    if above:
        notes.append(
            f"{above} operators are above their roofline, most of them because their values were still in a "
            "cache: the share of the roofline that is achieved in all is an upper estimate"
        )
    uncounted = {name for row in rows if row.work.multiply_adds is None for name in row.stands_for}
    if any(row.work.multiply_adds is None for row in rows):
        names = ", ".join(sorted(uncounted & UNCOUNTED)) or "operators without known shapes"
        notes.append(f"multiply-adds are not counted for {names}: the roofline is too low there")
    return notes


def _duration(event: Mapping[str, Any]) -> int:
    value = event.get("dur")
    if type(value) is not int or not 0 <= value < 2**53:
        raise _not_understood(f"{str(event['name'])[:80]} has a duration that is no number of microseconds")
    return value


def _operands(listed: object) -> tuple[Operand, ...]:
    """From ``[{"float": [1, 3, 224, 224]}, ..]``."""
    found = []
    for entry in listed if isinstance(listed, list) else []:
        for kind, shape in entry.items() if isinstance(entry, dict) else []:
            if isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape):
                found.append(Operand(tuple(shape), _ITEM_BYTES.get(kind, 0)))
    return tuple(found)


def _not_understood(why: str) -> UnsupportedError:
    return UnsupportedError(
        f"what ONNX Runtime's profiler wrote is not understood: {why}",
        "install a version of onnxruntime that cloformer was tested with (`cloformer doctor`)",
    )
