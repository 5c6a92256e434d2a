"""From a graph back to an exported program of operators that torch's own decomposition leaves as they are.

``run_decompositions({})`` takes apart what torch always takes apart: composite operators that may alias their operand
(``reshape`` is ``view``, or ``clone`` and ``_unsafe_view``), and those that torch marks as unsafe (``batch_norm``,
``dropout``). It traces the whole program twice to do so. Most graphs hold none but the few operators below, which are
replayed here as what they become, so that one trace is enough; every other graph takes torch's own way.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from .gradients import exported

__all__ = ["as_program", "stays_as_it_is", "with_graph"]

_aten: Any = torch.ops.aten  # operators, which torch does not type
_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
# What torch rewrites though its schema says nothing of it: constants on their way in, and checks.
_REWRITTEN = {"lift_fresh", "lift_fresh_copy", "lift", "alias", "native_batch_norm"}


def as_program(graph_module: fx.GraphModule, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """``graph_module`` on ``inputs`` as ``run_decompositions({})`` would leave it; its nodes inherit their origins."""
    with fx.traceback.preserve_node_meta():
        program = exported(_Replay(graph_module), inputs)
    called = [node for node in program.graph.nodes if node.op == "call_function"]
    if all(stays_as_it_is(node.target) for node in called):
        return _inference(program)
    decomposed: ExportedProgram = program.run_decompositions({})
    return decomposed


def stays_as_it_is(target: object) -> bool:
    """Whether ``run_decompositions({})`` leaves an operator alone for certain."""
    if target is operator.getitem:
        return True
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return False
    name = target._schema.name.removeprefix("aten::")
    if name in _REWRITTEN or name.startswith(("_assert", "sym_")):
        return False
    if target._schema.is_mutable or torch.Tag.maybe_aliasing_or_mutating in target.tags:
        return False
    is_composite = target.has_kernel_for_dispatch_key(_COMPOSITE)
    may_alias = any(argument.alias_info is not None for argument in target._schema.arguments)
    return not (is_composite and may_alias)


def _inference(program: ExportedProgram) -> ExportedProgram:
    """The same program in the dialect of decomposed ones, ATen for inference, without what nothing reads."""
    program.graph.eliminate_dead_code()
    return with_graph(ExportedProgram, program, program.graph)


def with_graph(kind: type[ExportedProgram], program: ExportedProgram, graph: fx.Graph) -> ExportedProgram:
    """``program`` with another graph, as a program of that kind; the rest is not copied."""
    return kind(
        root=program.graph_module,
        graph=graph,
        graph_signature=program.graph_signature,
        state_dict=program.state_dict,
        range_constraints=program.range_constraints,
        module_call_graph=program.module_call_graph,
        example_inputs=program.example_inputs,
        constants=program.constants,
    )


class _Replay(nn.Module):
    """Runs a graph node by node, so that a new trace of it inherits each node's origin."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__()
        self.graph_module = graph_module

    def forward(self, *inputs: Tensor) -> object:
        return _TakenApart(self.graph_module).run(*inputs)


class _TakenApart(fx.Interpreter):
    """Runs a graph, and composite operators that have a row here as those that they are made of."""

    def call_function(self, target: Any, args: Any, kwargs: Any) -> object:
        row: Any = _PARTS.get(target)
        return super().call_function(target, args, kwargs) if row is None else row(*args, **kwargs)


def _reshape(value: Tensor, shape: Sequence[int]) -> object:
    """A view where the memory allows one, else a copy: ``at::native::reshape``."""
    if value.is_contiguous():
        return _aten.view.default(value, shape)
    sizes = _sizes(value, shape)
    if _is_viewable(value, sizes):
        return _aten.view.default(value, sizes)
    return _aten._unsafe_view.default(
        _aten.clone.default(value, memory_format=torch.contiguous_format), sizes
    )


def _flatten(value: Tensor, start_dim: int = 0, end_dim: int = -1) -> object:
    """``at::native::flatten``."""
    rank = value.dim()
    if rank == 0:
        return _reshape(value, [1])
    start, end = start_dim % rank, end_dim % rank
    if start == end:
        return value
    joined = 1
    for size in value.shape[start : end + 1]:
        joined *= size
    return _reshape(value, [*value.shape[:start], joined, *value.shape[end + 1 :]])


def _chunk(value: Tensor, chunks: int, dim: int = 0) -> object:
    """``at::native::chunk``, of an axis that is not empty."""
    size = value.shape[dim]
    if size == 0:
        return _aten.chunk.default(value, chunks, dim)
    return _aten.split.Tensor(value, (size + chunks - 1) // chunks, dim)


def _sizes(value: Tensor, shape: Sequence[int]) -> list[int]:
    """The shape with its -1 filled in."""
    rest = 1
    for size in shape:
        rest *= 1 if size == -1 else size
    return [value.numel() // rest if size == -1 and rest else size for size in shape]


def _is_viewable(value: Tensor, sizes: Sequence[int]) -> bool:
    """Whether the numbers, as they lie in memory, have the other shape too: asked of a tensor without data, outside of what
    is being traced."""
    shape, strides = tuple(value.shape), value.stride()
    with torch.utils._python_dispatch._disable_current_modes():
        try:
            torch.empty_strided(shape, strides, device="meta").view(sizes)
        except (RuntimeError, ValueError):  # torch 2.13 raises one or the other
            return False
    return True


_PARTS = {
    _aten.reshape.default: _reshape,
    _aten.flatten.using_ints: _flatten,
    _aten.chunk.default: _chunk,
}
