"""Where the time of an ExecuTorch program goes: the operators that its delegate computes, and those of the file that each is.

The runtime notes when each operator begins and ends, and its delegate, by names of its own, what each of its own took (ETDump);
:mod:`..delegate_times` says which of the file's each is. What the delegate makes a part of another has no time by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cloformer.errors import UnsupportedError
from cloformer.io.quiet import quiet_natively
from cloformer.io.words import count

from ..delegate_times import aligned, refuse_layout, refuse_unseen
from ..profiler import ExecutedOperator, ProfiledRuns, Work
from ..runner import Array, runtime_errors
from .file import Delegated, Kernel, Program, Value, read_program
from .operators import operands
from .payload import Graph, Node
from .rates import measure_rates
from .session import Threads, library
from .steps import Made, graph_of, inner_name, outer_name, results_of, steps
from .work_limit import has_products, multiply_adds

__all__ = ["UNCOUNTED", "WARM_UP", "measure_rates", "profile_runs"]

UNCOUNTED: frozenset[str] = frozenset()
WARM_UP = 10  # runs before those that count
_WHOLE, _KERNEL, _RUN = "Method::execute", "OPERATOR_CALL", "Execute"
_SQUARED = "Mean Squared"
# As LiteRT names what the payload has; what is not here has a name of its own.
_KINDS = {
    "Add": "ADD", "AvgPooling2d": "AVERAGE_POOL_2D", "BatchMatrixMultiply": "BATCH_MATMUL", "Concatenate2": "CONCATENATION",
    "Conv2d": "CONV_2D", "Convert": "QUANTIZE", "DepthwiseConv2d": "DEPTHWISE_CONV_2D", "FullyConnected": "FULLY_CONNECTED",
    "GlobalAvgPooling2d": "MEAN", "MaxPooling2d": "MAX_POOL_2D", "Multiply": "MUL", "Softmax": "SOFTMAX", "StaticConstantPad": "PAD",
    "StaticMean": "MEAN", "StaticReshape": "RESHAPE", "StaticSlice": "SLICE", "StaticTranspose": "TRANSPOSE", "Subtract": "SUB",
}  # fmt: skip


@dataclass(frozen=True)
class _Timed:
    """A value of the file, what computes it with what is a part of that, and its time in each run."""

    value: str
    kinds: tuple[str, ...]
    us: tuple[int, ...]


def profile_runs(
    model: Path, inputs: Mapping[str, Array], *, threads: int, runs: int, layout: bool
) -> ProfiledRuns:
    """As :class:`..profiler.Profiler` says; nothing stays on the disk."""
    refuse_layout("ExecuTorch", layout=layout)
    program = read_program(model)
    given = [torch.from_numpy(np.ascontiguousarray(value)) for value in inputs.values()]
    blocks = _noted(model, given, threads, runs)
    rows = list(_joined(program, blocks))
    refuse_unseen("ExecuTorch", model, [item.us for item in rows])
    made = {item.name: item for item in steps(program, _on_no_device(program))}
    name = version("executorch")
    return ProfiledRuns(
        runtime=f"ExecuTorch {name}",
        versions={"executorch": name},
        warm_up=WARM_UP,
        operators=tuple(_operator(item, made) for item in rows),
        whole_us=tuple(_us(event) for events in blocks for event in events if event.name == _WHOLE),
    )


def _not_understood(why: str) -> UnsupportedError:
    """The error of a profile that another version of ExecuTorch writes in another way."""
    return UnsupportedError(
        f"what ExecuTorch's profiler wrote is not understood: {why[:300]}",
        "install a version of executorch that cloformer was tested with (`cloformer doctor`)",
    )


def _on_no_device(program: Program) -> list[torch.Tensor]:
    entries = [program.values[place] for place in program.inputs]
    return [
        torch.empty(item.shape, dtype=item.dtype, device="meta")
        for item in entries
        if isinstance(item, Value)
    ]


def _noted(model: Path, given: Sequence[torch.Tensor], threads: int, runs: int) -> list[list[Any]]:
    """What the runtime noted of each run that counts."""
    Threads.take(threads)
    try:
        with (
            quiet_natively("executorch"),
            runtime_errors(f"ExecuTorch cannot profile {model}"),
            tempfile.TemporaryDirectory(prefix="cloformer-profile-") as folder,
        ):
            loaded = library()._load_for_executorch(str(model), enable_etdump=True)
            for _ in range(WARM_UP + runs):
                loaded.forward(list(given))
            loaded.write_etdump_result_to_file(str(Path(folder) / "times.etdump"))
            del loaded
            return _read(Path(folder) / "times.etdump", runs)
    finally:
        Threads.give_back()


def _read(path: Path, runs: int) -> list[list[Any]]:
    from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

    blocks = [
        item for item in deserialize_from_etdump_flatcc(path.read_bytes()).run_data if item.name == _RUN
    ]
    if len(blocks) != WARM_UP + runs:
        raise _not_understood(f"it has {count(blocks, 'run')} of {WARM_UP + runs}")
    return [
        [entry.profile_event for entry in block.events if entry.profile_event] for block in blocks[WARM_UP:]
    ]


def _us(event: Any) -> int:
    """From nanoseconds."""
    return round(int(event.end_time - event.start_time) / 1000)


def _joined(program: Program, blocks: Sequence[Sequence[Any]]) -> Iterator[_Timed]:
    """Each operator of the file that was timed, in its order."""
    first = blocks[0]
    said = [(event.name, event.delegate_debug_id_str) for event in first]
    if any([(event.name, event.delegate_debug_id_str) for event in block] != said for block in blocks):
        raise _not_understood("one run has other operators than another")
    for number, step in program.steps.items():
        mine = [place for place, event in enumerate(first) if event.instruction_id == number]
        if isinstance(step, Kernel):
            taken = [place for place in mine if first[place].name == _KERNEL]
            if len(taken) != 1:
                raise _not_understood(f"{step.name} is timed {len(taken)} times in a run")
            us = tuple(_us(block[taken[0]]) for block in blocks)
            yield _Timed(outer_name(results_of(program, step)[0]), (step.name,), us)
        else:
            inside = [place for place in mine if first[place].delegate_debug_id_str]
            yield from _inside(program, number, step, blocks, inside)


def _inside(
    program: Program, number: int, step: Delegated, blocks: Sequence[Sequence[Any]], inside: Sequence[int]
) -> Iterator[_Timed]:
    """Those of a delegate, whose events have these places in each run."""
    graph = graph_of(program, step)
    names = [blocks[0][place].delegate_debug_id_str.rpartition(" #")[0] for place in inside]
    squares = any(name.startswith(_SQUARED) for name in names)
    kept = [node for node in graph.nodes if not (squares and _is_squared_for_a_mean(node, graph))]
    joined = aligned([_KINDS.get(node.kind, node.kind) for node in kept], names)
    if joined is None:
        raise _not_understood(f"{count(names, 'operator')} of its delegate are not the file's {len(kept)}")
    for node, events in zip(kept, joined, strict=True):
        if events:
            us = tuple(sum(_us(block[inside[each]]) for each in events) for block in blocks)
            yield _Timed(inner_name(number, node.output), (node.kind,), us)


def _is_squared_for_a_mean(node: Node, graph: Graph) -> bool:
    """Whether the delegate makes it a part of a mean, which alone reads it."""
    if node.kind != "Multiply" or len(set(operands(node))) != 1:
        return False
    readers = [_KINDS.get(other.kind) for other in graph.nodes if node.output in operands(other)]
    return readers == ["MEAN"]


def _operator(item: _Timed, made: Mapping[str, Made]) -> ExecutedOperator:
    found = made[item.value]
    tensors = (*found.operands, found.value)
    return ExecutedOperator(
        name=item.value,
        operator=found.operator,
        taken=item.us,
        work=Work(
            multiply_adds(found) if has_products(found) else 0,
            sum(each.numel() * each.element_size() for each in tensors),
        ),
        value=item.value,
        stands_for=item.kinds,
        origin_values=(item.value,),
        output=tuple(found.value.shape),
    )
