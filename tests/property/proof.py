"""The machinery of the proofs: trace a module, apply a pass, compare in float64, export again."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cloformer.export.passes import Exactness, FixSizes, Pass, apply_passes
from cloformer.export.signature import TensorSpec
from cloformer.export.trace import Origin, Trace, lower, trace


def traced(model: nn.Module, *shapes: Sequence[int]) -> Trace:
    """A trace of ``model`` for float inputs of these shapes."""
    specs = [TensorSpec(f"x{index}", tuple(shape)) for index, shape in enumerate(shapes)]
    return trace(model.eval() if not getattr(model, "keep_training", False) else model, specs)


def random_inputs(shapes: Sequence[Sequence[int]], seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator, dtype=torch.float64) for shape in shapes]


def prove(model: nn.Module, rewrite: Pass | Sequence[Pass], *shapes: Sequence[int], sites: int) -> list[str]:
    """Hold the law: equal in float64, the sites that were planted, and a graph that exports again.

    Returns the operators of the rewritten graph.
    """
    passes = [rewrite] if isinstance(rewrite, Pass) else list(rewrite)
    before = traced(model, *shapes)
    fix = FixSizes(before.signature.inputs)
    after, applied = apply_passes(before, [fix, *passes], cast=False)
    found: list[Origin] = [site for item in applied[1:] for site in item.sites]
    assert len(found) == sites, [str(site) for site in found]
    inputs = random_inputs(shapes)
    with torch.no_grad():
        expected = copy.deepcopy(model).double().eval()(*inputs)
        wide = copy.deepcopy(after.graph_module).double()
        got = wide(*inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for want, have in zip(expected, got, strict=True):
            if all(item.exactness is Exactness.BITWISE for item in passes):
                assert torch.equal(want, have)
            else:
                assert (want - have).abs().max() <= 1e-10 * want.abs().max().clamp(min=1e-3)
        single, _ = apply_passes(before, [fix, *passes])
        program = lower(single)
        again = program.module()(*(tensor.float() for tensor in inputs))
        again = again if isinstance(again, tuple) else (again,)
        for want, have in zip(expected, again, strict=True):
            assert (want - have).abs().max() <= 1e-4 * want.abs().max().clamp(min=1e-2)
    return operators(after)


def operators(traced_graph: Trace) -> list[str]:
    """Names of the operators, without namespace and overload."""
    return [
        node.target._schema.name.partition("::")[2] if hasattr(node.target, "_schema") else node.target.__name__
        for node in traced_graph.graph_module.graph.nodes
        if node.op == "call_function"
    ]


def perturbed(model: nn.Module, seed: int = 0) -> nn.Module:
    """``model`` in evaluation mode with every weight and statistic away from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    return model.eval()
