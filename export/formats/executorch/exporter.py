"""ExecuTorch: a ``.pte`` file, through its own lowering, with XNNPACK as its delegate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.export import ExportedProgram

from cloformer.io.quiet import quiet_natively
from cloformer.io.read import decoding

from ...source.origin import Origin
from ..exporter import GraphFigures, Lowered, Undelegated, Unsupported, Written
from ..stumbled import refusal
from .file import METHOD, Delegated, Kernel, Program, read_program
from .names import Numbered, as_first_of_their_line, numbered, shape_at, values_of
from .session import Threads, opened
from .steps import graph_of, outer_name, outputs_of

__all__ = ["check", "unsupported", "write"]

FILE_NAME = "model.pte"
_LOGGER = "executorch"


def unsupported(_program: ExportedProgram) -> list[Unsupported]:
    """None: what ExecuTorch does not take, it says when it lowers the program."""
    return []


def write(lowered: Lowered, folder: Path) -> Written:
    """Write ``model.pte`` with its weights inside; the bytes depend on the arguments alone."""
    graphs, finished = _lowered(lowered.program)
    path = folder / FILE_NAME
    path.write_bytes(finished.buffer)
    values = values_of(read_program(path), lowered.program, graphs, finished.debug_handle_map[METHOD])
    return Written(FILE_NAME, lowered.signature, preprocessing_inside=False, values=values)


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
            place = outputs_of(step)[0]
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
    """What ExecuTorch made of the program's nodes, and what is written of it."""
    with quiet_natively(_LOGGER):
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

        try:
            with as_first_of_their_line(program):
                edge = to_edge_transform_and_lower(
                    program,
                    partitioner=[XnnpackPartitioner()],
                    compile_config=EdgeCompileConfig(_check_ir_validity=False),
                )
            return numbered(edge.exported_program()), edge.to_executorch()
        except Exception as error:  # the converter raises what it stumbles over
            failed = error
    raise refusal("ExecuTorch", failed, program) from failed
