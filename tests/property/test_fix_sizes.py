from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
import torch
from proof import Lambda, assert_equal, operators, outputs, prove, random_inputs, rewritten, traced
from torch import Tensor, fx, nn
from torch.export import Dim
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError
from cloformer.export.passes import apply_passes
from cloformer.export.passes.fix_sizes import FixSizes
from cloformer.export.source.signature import Signature, TensorSpec
from cloformer.export.source.trace import Trace, trace

_LAWS: dict[str, Callable[..., object]] = {
    "reshape": lambda m, x: x.reshape(x.shape[0], x.shape[1] * x.shape[2]),
    "reshape of the batch": lambda m, x: x.reshape(-1, x.shape[-1]),
    "a size as a number": lambda m, x: x * x.shape[0] + x.shape[1] / x.shape[0],
    "a root of a size": lambda m, x: x * x.shape[0] ** -0.5,
    "slices": lambda m, x: x[:, x.shape[1] - 2 :, : x.shape[2] - 1] * x[: x.shape[0] + 1, :2, :1],
    "a range": lambda m, x: x + torch.arange(x.shape[0]).reshape(-1, 1, 1),
    "new tensors": lambda m, x: torch.cat([m.token.expand(x.shape[0], -1, -1), x], 1),
    "zeros": lambda m, x: x + torch.zeros(x.shape[0], 1, x.shape[2]) + x.new_ones(x.shape[0], 1, 1),
    "a repetition": lambda m, x: x.repeat(x.shape[0], 1, 1),
    "chunks": lambda m, x: torch.cat(x.split(x.shape[1] // 2, 1)[::-1], 1),
    "checks": lambda m, x: (torch._check(x.shape[0] < 100), x * 2)[1],
    "nothing to fix": lambda m, x: x * 2,
}


def _symbolic(model: nn.Module, shape: tuple[int, ...]) -> Trace:
    """A trace whose leading size is a symbol, where the model allows one: a graph that computes sizes. ``trace`` itself
    makes none, but a module may hold one."""
    try:
        program = torch.export.export(
            model.eval(), (torch.zeros(5, *shape[1:]),), dynamic_shapes=({0: Dim.AUTO},)
        )
    except Exception:  # as in a model that is for one batch only
        return traced(model, shape)
    graph_module = program.module(check_guards=False)
    flat = fx.GraphModule(graph_module, graph_module.graph)
    flat.graph.set_codegen(fx.graph.CodeGen())
    flat.graph.output_node().args = (tuple(pytree.tree_leaves(flat.graph.output_node().args[0])),)
    for node in list(flat.graph.nodes):
        if node.op == "call_module" and not node.users:
            flat.graph.erase_node(node)
    flat.recompile()
    return Trace(flat, Signature((TensorSpec("x", shape),), ()))


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("name", _LAWS)
def test_law(name: str, batch: int) -> None:
    """Every size a number, and the same tensors, bit for bit."""
    model, shape = Lambda(_LAWS[name], token=torch.ones(1, 1, 5)), (batch, 4, 5)
    before = _symbolic(model, shape)
    after, applied = apply_passes(before, [FixSizes(before.signature.inputs)])
    assert not any(name.startswith("sym_") for name in operators(after))
    for node in after.graph_module.graph.nodes:
        assert (
            node.op != "call_function"
            or node.target not in vars(operator).values()
            or node.target is operator.getitem
        )
        assert not isinstance(node.meta.get("val"), (torch.SymInt, torch.SymFloat))
    assert bool(applied[0].sites) == ("sym_size" in operators(before))
    x = random_inputs([shape])[0].float()
    for have, want in zip(after.graph_module(x), outputs(model(x)), strict=True):
        assert_equal(have, want, 0)
    prove(model, [], shape, sites=0)


def test_inputs_of_different_shapes_and_types() -> None:
    def law(m: Lambda, ids: Tensor, scale: Tensor, mask: Tensor) -> Tensor:
        return m.table(ids).reshape(ids.shape[0], -1, 2) * scale + mask.float()[:, None, None]

    specs = [TensorSpec("ids", (2, 3), "int64"), TensorSpec("scale", ()), TensorSpec("mask", (2,), "bool")]
    model = Lambda(law, table=nn.Embedding(5, 4))
    after, _ = apply_passes(trace(model, specs), [FixSizes(tuple(specs))])
    inputs = torch.tensor([[0, 1, 2], [4, 3, 2]]), torch.tensor(0.5), torch.tensor([True, False])
    assert torch.equal(after.graph_module(*inputs)[0], model(*inputs))


def test_other_sizes_than_were_traced_for() -> None:
    """One graph with a symbolic batch serves every batch."""
    before = _symbolic(Lambda(_LAWS["a range"]), (1, 4, 5))
    for batch in (1, 2, 7):
        after, _ = apply_passes(before, [FixSizes((TensorSpec("x", (batch, 4, 5)),))])
        assert after.graph_module(torch.rand(batch, 4, 5))[0].shape == (batch, 4, 5)


def test_the_trace_is_not_touched() -> None:
    before = traced(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), (2, 3, 8, 8))
    state = {key: value.clone() for key, value in before.graph_module.state_dict().items()}
    code = before.graph_module.code
    rewritten(before)
    assert before.graph_module.code == code
    for key, value in before.graph_module.state_dict().items():
        assert torch.equal(value, state[key])


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: m.without_gradients(x),
        lambda m, x: m.without_autocast(x),
        lambda m, x: torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,)),
    ],
    ids=["no_grad", "autocast", "cond"],
)
def test_graphs_within_the_graph(law) -> None:
    class WithoutGradients(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                y = x.reshape(x.shape[0], -1) * 2
            return y + 1

    class WithoutAutocast(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", enabled=False):
                y = x.reshape(x.shape[0], -1) * 2
            return y + 1

    model = Lambda(law, without_gradients=WithoutGradients(), without_autocast=WithoutAutocast())
    prove(model, [], (2, 4, 5), sites=0)


def test_sizes_that_depend_on_values_are_refused() -> None:
    before = traced(Lambda(lambda m, x: x[x > 0].sum()), (2, 3))
    with pytest.raises(UnsupportedError) as caught:
        rewritten(before)
    assert len(caught.value.lines) <= 3
    assert "cannot be planned ahead" in str(caught.value)
    assert "/" not in caught.value.lines[1]
