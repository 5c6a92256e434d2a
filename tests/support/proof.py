"""The machinery of the proofs: trace a module, apply a pass, compare in float64, export again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from cloformer.export.passes import Applied, Exactness, Pass, apply_passes
from cloformer.export.passes.fix_sizes import FixSizes
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import Trace, lower, trace

TOLERANCE = (
    1e-10  # of the largest value: float64 rounds at 1e-16, and a network of twenty layers adds up to 1e-14
)


class Lambda(nn.Module):
    """A module of one expression and, for it, a few layers and constants."""

    def __init__(self, law: Callable[..., Any], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.law = law
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.law(self, *inputs)


def prove(
    model: nn.Module,
    rewrite: Pass | Sequence[Pass],
    *shapes: Sequence[int],
    sites: int,
    exports: bool = True,
) -> list[str]:
    """Hold the law: equal in float64, the sites that were planted, one rounding, a graph that exports again; where there
    are no sites, the graph as it was. Without ``exports``, the graph is not exported again: one of hundreds of operators takes
    seconds.

    Returns the operators of the rewritten graph.
    """
    passes = [rewrite] if isinstance(rewrite, Pass) else list(rewrite)
    before = traced(model, *shapes)
    wide, applied = rewritten(before, *passes, cast=False)
    found = [str(site) for item in applied for site in item.sites]
    assert len(found) == sites, found

    inputs = random_inputs(shapes)
    with torch.no_grad():
        expected = outputs(copy.deepcopy(model).double()(*inputs))
        got = in_float64(wide.graph_module)(*inputs)
    exact = all(item.exactness is Exactness.BITWISE for item in passes)
    for want, have in zip(expected, got, strict=True):
        assert_equal(have, want, 0 if exact else TOLERANCE)

    single, _ = rewritten(before, *passes)
    assert_rounded_once(wide, single)
    if sites and exports:
        assert_exports_again(single, [tensor.float() for tensor in inputs])
    elif not sites:
        assert single.graph_module.code == rewritten(before)[0].graph_module.code
    return operators(wide)


def traced(model: nn.Module, *shapes: Sequence[int]) -> Trace:
    """A trace of ``model`` for float inputs of these shapes."""
    return trace(model, [TensorSpec(f"x{index}", tuple(shape)) for index, shape in enumerate(shapes)])


def rewritten(before: Trace, *passes: Pass, cast: bool = True) -> tuple[Trace, list[Applied]]:
    """``before`` with its sizes fixed, then ``passes``; and what those did."""
    after, applied = apply_passes(before, [FixSizes(before.signature.inputs), *passes], cast=cast)
    return after, applied[1:]


def in_float64(graph_module: fx.GraphModule) -> fx.GraphModule:
    """A copy that computes in float64 throughout: its constants, and the types that operators name."""
    wide = copy.deepcopy(graph_module).double()
    for node in wide.graph.nodes:
        node.args, node.kwargs = pytree.tree_map(
            lambda item: torch.float64 if item is torch.float32 else item, (node.args, node.kwargs)
        )
    wide.recompile()
    return wide


def outputs(result: Any) -> list[Tensor]:
    """The tensors that a module returned, in order."""
    return pytree.tree_leaves(result)


def assert_equal(got: Tensor, want: Tensor, tolerance: float = TOLERANCE) -> None:
    """Within ``tolerance`` of the largest value (of 1e-3 where that is larger: a mean of what was centred)."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if tolerance == 0:
        assert torch.equal(got, want)
    else:
        assert (got - want).abs().max() <= tolerance * want.abs().max().clamp(min=1e-3)


def assert_rounded_once(wide: Trace, single: Trace) -> None:
    """Each constant is the float64 folding rounded to float32, and nothing was rounded on the way."""
    folded, state = wide.graph_module.state_dict(), single.graph_module.state_dict()
    assert folded.keys() == state.keys()
    for key, value in folded.items():
        assert torch.equal(value.to(state[key].dtype), state[key]), key
        assert not key.startswith("folded_") or (value.dtype, state[key].dtype) in (
            (torch.float64, torch.float32),
            (torch.int64, torch.int64),
            (torch.bool, torch.bool),
        )


_LOWERED: set[object] = set()  # the operators of the graphs that were lowered


def assert_exports_again(single: Trace, inputs: Sequence[Tensor]) -> None:
    """torch.export takes the graph, and what it makes of it computes the same, bit for bit.

    After it, ``lower`` replaces operators one by one, each by the same rule in every graph; two thirds of a proof's time
    is torch's preparation for that. So only graphs with an operator that none before them had go through it.
    """
    kinds = {node.target for node in single.graph_module.graph.nodes if node.op == "call_function"}
    with torch.no_grad():
        if kinds <= _LOWERED:
            program = torch.export.export(single.graph_module, tuple(inputs), strict=False)
        else:
            program = lower(single)
            _LOWERED.update(kinds)
        again = outputs(program.module()(*inputs))
        for have, want in zip(again, single.graph_module(*inputs), strict=True):
            assert_equal(have, want, 0)


def operators(trace_or_graph: Trace) -> list[str]:
    """Names of the operators, without namespace and overload."""
    return [
        node.target._schema.name.partition("::")[2]
        if hasattr(node.target, "_schema")
        else node.target.__name__
        for node in trace_or_graph.graph_module.graph.nodes
        if node.op == "call_function"
    ]


def random_inputs(shapes: Sequence[Sequence[int]], seed: int = 1) -> list[Tensor]:
    """Normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator, dtype=torch.float64) for shape in shapes]
