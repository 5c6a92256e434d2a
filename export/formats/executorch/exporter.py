"""ExecuTorch: a ``.pte`` file, through its own lowering, with XNNPACK as its delegate."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError
from cloformer.io.causes import causes
from cloformer.io.quiet import quiet_natively
from cloformer.io.read import decoding

from ...source.origin import Origin
from ...source.raised import nodes_held
from ...source.trace import lowered_name_of, origin_of
from ..exporter import GraphFigures, Lowered, Undelegated, Unsupported, Written, unsupported_error
from ..stumbled import refusal
from .file import METHOD, Delegated, Kernel, Program, read_program
from .flat import FlatbufferError
from .limits import MOST_AXES
from .names import Numbered, as_first_of_their_line, numbered, shape_at, values_of
from .quantized import as_the_delegate_has_it
from .session import Threads, opened, runtime
from .steps import graph_of, outer_name, results_of

__all__ = ["as_bytes", "check", "unsupported", "write"]

FILE_NAME = "model.pte"
_LOGGER = "executorch"
_DELEGATE = "executorch.backends.xnnpack"


def unsupported(program: ExportedProgram) -> list[Unsupported]:
    """Operators on tensors of more axes than XNNPACK has, which its partitioner takes nevertheless. What else ExecuTorch does not take,
    it says when it lowers the program."""
    reason = f"XNNPACK's tensors have {MOST_AXES} axes at most"
    return [
        Unsupported(str(node.target), origin_of(node), reason)
        for node in program.graph.nodes
        if node.op == "call_function" and _axes(node) > MOST_AXES
    ]


def _axes(node: fx.Node) -> int:
    values = pytree.tree_leaves(node.meta.get("val"))
    return max((item.ndim for item in values if isinstance(item, Tensor)), default=0)


def write(lowered: Lowered, folder: Path) -> Written:
    """Write ``model.pte`` with its weights inside; the bytes depend on the arguments alone."""
    graphs, finished = _lowered(lowered.program)
    path = folder / FILE_NAME
    _refuse_unknown(finished, graphs, lowered.program)
    path.write_bytes(finished.buffer)
    numbers = finished.debug_handle_map[METHOD]
    try:
        values = values_of(read_program(path), lowered.program, graphs, numbers)
    except FlatbufferError as error:
        raise UnsupportedError(
            f"ExecuTorch wrote a program that {error}", "choose another --format"
        ) from error
    return Written(FILE_NAME, lowered.signature, values=values)


def check(path: Path) -> GraphFigures:
    """Read the file back, hand it to the runtime, and count its operators, its delegates, and what is in none."""
    program = read_program(path)
    Threads.take(1)
    try:
        opened(path)
    finally:
        Threads.give_back()
    with decoding(f"{path} as an ExecuTorch program", "export it again"):
        return _counted(program)


def _counted(program: Program) -> GraphFigures:
    kinds: list[str] = []
    ranks: list[int] = []
    outside: list[Undelegated] = []
    for step in program.steps.values():
        if isinstance(step, Kernel):
            place = results_of(program, step)[0]
            kinds.append(step.name)
            ranks.append(len(shape_at(program, place)))
            outside.append(Undelegated(step.name, Origin(outer_name(place), "", "")))
        else:
            graph = graph_of(program, step)
            kinds += [node.kind for node in graph.nodes]
            ranks += [len(graph.values[node.output].shape) for node in graph.nodes]
    figures = GraphFigures.count(kinds, max(ranks, default=0))
    delegates = sum(isinstance(step, Delegated) for step in program.steps.values())
    return replace(figures, partitions=delegates, undelegated=tuple(outside))


def _lowered(program: ExportedProgram) -> tuple[list[list[Numbered]], Any]:
    """What ExecuTorch made of the program's nodes, and what is written of it. An operator that the delegate takes, and then finds
    that it cannot, is left to the runtime's own."""
    left: set[str] = set()
    while True:
        with quiet_natively(_LOGGER):
            try:
                return _attempt(program, left)
            except Exception as error:  # the converter raises what it stumbles over
                failed = error
        stumbled = _stumbled(failed, program) - left
        if not stumbled:
            raise refusal("ExecuTorch", failed, program) from failed
        left |= stumbled


def as_bytes(program: ExportedProgram) -> bytes:
    """The file of a program, in whose values nobody is interested."""
    data: bytes = _lowered(program)[1].buffer
    return data


def _refuse_unknown(finished: Any, graphs: list[list[Numbered]], program: ExportedProgram) -> None:
    """:class:`UnsupportedError` for operators that ExecuTorch writes and that its runtime for Python has no kernel for."""
    known = set(runtime().operator_registry.operator_names)
    (plan,) = finished.executorch_program.execution_plan
    names = [".".join(filter(None, (item.name, item.overload))) for item in plan.operators]
    numbers = finished.debug_handle_map[METHOD]
    nodes = {node.name: node for node in program.graph.nodes}
    places = {item.number: nodes[item.name] for graph in graphs for item in graph if item.name in nodes}
    calls = [
        (place, getattr(item.instr_args, "op_index", None))
        for place, item in enumerate(plan.chains[0].instructions)
    ]
    found = [
        Unsupported(names[index], origin_of(places[numbers[place]]), "the runtime has no kernel for it")
        for place, index in calls
        if index is not None and names[index] not in known and numbers.get(place) in places
    ]
    if found:
        raise unsupported_error(found, "ExecuTorch")
    missing = sorted({names[index] for _, index in calls if index is not None} - known)
    if missing:
        raise UnsupportedError(
            f"ExecuTorch's runtime has no kernel for {missing[0]}", "choose another --format"
        )


def _attempt(program: ExportedProgram, left: Collection[str]) -> tuple[list[list[Numbered]], Any]:
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.config.gemm_configs import GEMMConfig
    from executorch.backends.xnnpack.partition.config.generic_node_configs import (
        DeQuantizedPerTensorConfig,
        QuantizedPerTensorConfig,
    )
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    written = as_the_delegate_has_it(program)
    taken = [config for config in ALL_PARTITIONER_CONFIGS if getattr(config, "target_name", "") not in left]
    partitioner = XnnpackPartitioner(taken)
    for each in partitioner.target_partitioner_configs.values():
        if not isinstance(each, (GEMMConfig, QuantizedPerTensorConfig, DeQuantizedPerTensorConfig)):
            each.set_enabled_precision_types([ConfigPrecisionType.FP32])  # what is no layer stays in float
    config = EdgeCompileConfig(_check_ir_validity=False)
    with as_first_of_their_line(written):
        edge = to_edge_transform_and_lower(written, partitioner=[partitioner], compile_config=config)
    return numbered(edge.exported_program()), edge.to_executorch()


def _stumbled(error: BaseException, program: ExportedProgram) -> set[str]:
    """The operator that the delegate was at when it raised, by its own name and by that of what it was made of; empty if the delegate
    was not it."""
    frames = (frame for item in causes(error) for frame, _ in traceback.walk_tb(item.__traceback__))
    if not any(frame.f_globals.get("__name__", "").startswith(_DELEGATE) for frame in frames):
        return set()
    held = next((item for item in nodes_held(error) if isinstance(item, fx.Node)), None)
    if held is None:
        return set()
    name = lowered_name_of(held)
    targets = [held.target, *(node.target for node in program.graph.nodes if node.name == name)]
    return {str(getattr(item, "__name__", item)).removeprefix("aten.") for item in targets}
