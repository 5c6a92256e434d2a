"""Each operator's rule alone: relevance is conserved and nowhere negative, and sums are shared as the paper says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from cloformer.export.calibration.relevance import Propagated, propagated

aten = torch.ops.aten


@dataclass(frozen=True, eq=False)
class Computed:
    """An input of the network."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Constant:
    """A weight."""

    shape: tuple[int, ...]
    sign: int = 0  # of all its numbers, or 0 for either


X, Y, ROW, IMAGE = Computed((1, 4, 6)), Computed((1, 4, 6)), Constant((6,)), Computed((1, 4, 6, 6))
OPERATORS = {
    "convolution": (aten.conv2d.default, IMAGE, Constant((6, 2, 3, 3)), Constant((6,)), [2, 2], [1, 1], [1, 1], 2),
    "convolution, bias alone positive": (aten.conv2d.default, IMAGE, Constant((6, 4, 1, 1), -1), Constant((6,), 1)),
    "depthwise": (aten.conv2d.padding, IMAGE, Constant((4, 1, 5, 5)), None, [1, 1], "same", [1, 1], 4),
    "transposed": (aten.conv_transpose2d.input, IMAGE, Constant((4, 3, 2, 2)), Constant((3,)), [2, 2]),
    "linear": (aten.linear.default, X, Constant((5, 6)), Constant((5,))),
    "dynamic weights": (aten.linear.default, X, Computed((5, 6))),
    "addmm": (aten.addmm.default, Constant((5,)), Computed((4, 6)), Constant((6, 5))),
    "product of matrices": (aten.matmul.default, X, Computed((1, 6, 3))),
    "product with a constant": (aten.bmm.default, Constant((1, 5, 4)), X),
    "einsum": (aten.einsum.default, "bij,bkj->bik", [X, Y]),
    "attention": (aten.scaled_dot_product_attention.default, X, Y, Computed((1, 4, 3))),
    "attention of a learned query": (aten.scaled_dot_product_attention.default, Constant((1, 2, 6)), X, Y),
    "add": (aten.add.Tensor, X, Computed((6,))),
    "add a constant": (aten.add.Tensor, X, ROW),
    "a constant without": (aten.rsub.Scalar, X, 2.0),
    "subtract": (aten.sub.Tensor, X, Y),
    "gate": (aten.mul.Tensor, X, Computed((1, 1, 6))),
    "square": (aten.mul.Tensor, X, X),
    "scale": (aten.mul.Tensor, X, ROW),
    "divide": (aten.div.Tensor, X, Computed((1, 4, 1))),
    "layer norm": (aten.layer_norm.default, X, [6], ROW, ROW),
    "group norm": (aten.group_norm.default, IMAGE, 2, Constant((4,)), Constant((4,))),
    "batch norm": (
        aten.batch_norm.default, IMAGE, Constant((4,)), Constant((4,)), Constant((4,)), Constant((4,), 1), False, 0.1, 1e-5, True,
    ),
    "instance norm": (aten.instance_norm.default, IMAGE, None, None, None, None, True, 0.1, 1e-5, True),
    "softmax": (aten.softmax.int, X, -1),
    "gelu": (aten.gelu.default, X),
    "hard swish": (aten.hardswish.default, X),
    "sigmoid": (aten.sigmoid.default, X),
    "clamp": (aten.clamp.default, X, -0.5, 0.5),
    "power": (aten.pow.Tensor_Scalar, X, 2),
    "mean": (aten.mean.dim, X, [1]),
    "sum": (aten.sum.dim_IntList, X, [-1], True),
    "average pool": (aten.avg_pool2d.default, IMAGE, [3, 3], [2, 2], [1, 1]),
    "adaptive pool": (aten.adaptive_avg_pool2d.default, IMAGE, [4, 4]),
    "maximum pool": (aten.max_pool2d.default, IMAGE, [3, 3], [2, 2], [1, 1]),
    "largest": (aten.amax.default, X, [1]),
    "bilinear": (aten.upsample_bilinear2d.vec, IMAGE, [9, 9], False, None),
    "concatenate": (aten.cat.default, [X, Y], 1),
    "permute": (aten.permute.default, X, [2, 0, 1]),
    "slice of all": (aten.slice.Tensor, X, 1, 0, 4),
    "expand": (aten.expand.default, Computed((1, 4, 1)), [3, 4, 5]),
    "pad": (aten.pad.default, IMAGE, [1, 1, 1, 1], "reflect"),
    "shuffle": (aten.pixel_shuffle.default, IMAGE, 2),
    "transpose": (aten.mT.default, X),
    "larger of two": (aten.maximum.default, X, Y),
}  # fmt: skip
WITHOUT_RULE = {
    "glu": (aten.glu.default, X, 2),
    "distance": (aten.cdist.default, X, Y),
    "computed bias": (aten.conv2d.default, Constant((1, 3, 5, 5)), Constant((4, 3, 3, 3)), Computed((4,))),
    "attention of a computed mask": (
        aten.scaled_dot_product_attention.default,
        Constant((1, 4, 6)),
        Constant((1, 4, 6)),
        Constant((1, 4, 6)),
        Computed((1, 4, 4)),
    ),
    "attention of shared keys": (
        aten.scaled_dot_product_attention.default,
        Computed((1, 4, 3, 6)),
        Computed((1, 2, 3, 6)),
        Computed((1, 2, 3, 6)),
        {"enable_gqa": True},
    ),
    "three factors": (aten.einsum.default, "bij,bij,bij->bj", [X, Y, Computed((1, 4, 6))]),
    "no derivative": (aten.histc.default, X, 5),
}


class Network:
    """An operator of drawn operands, and a linear layer that makes three classes of what it gives."""

    def __init__(self, operator: Sequence[object], seed: int, zeros: float = 0.0) -> None:
        self.drawn, self.zeros = np.random.default_rng(seed), zeros
        self.graph, self.owner = fx.Graph(), nn.Module()
        self.values: dict[fx.Node, Tensor] = {}
        self.inputs: dict[Computed, fx.Node] = {}
        target, *operands = operator
        options = operands.pop() if isinstance(operands[-1], dict) else {}
        nodes = pytree.tree_map(self._operand, operands)
        given = target(*pytree.tree_map(lambda item: self.values.get(item, item), nodes), **options)
        self.node = self.graph.call_function(target, tuple(nodes), options)
        flat = self.graph.call_function(aten.reshape.default, (self.node, [1, -1]))
        weight = self._operand(Constant((3, given.numel())))
        self.graph.output(self.graph.call_function(aten.linear.default, (flat, weight)))

    def propagated(self) -> Propagated:
        module = fx.GraphModule(self.owner, self.graph)
        self.graph = module.graph
        return propagated(module, [self.values[node] for node in self.inputs.values()])

    def _operand(self, item: object) -> object:
        if isinstance(item, Computed) and item in self.inputs:
            return self.inputs[item]
        if isinstance(item, Computed):
            node = self.inputs[item] = self.graph.placeholder(f"x{len(self.inputs)}")
            value = self._draw(item.shape)
            self.values[node] = torch.where(
                torch.from_numpy(self.drawn.random(item.shape) < self.zeros), 0.0, value
            )
            return node
        if not isinstance(item, Constant):
            return item
        name = f"constant{len(self.values)}"
        value = self._draw(item.shape)
        self.owner.register_buffer(name, item.sign * value.abs() if item.sign else value)
        node = self.graph.get_attr(name)
        self.values[node] = self.owner.get_buffer(name)
        return node

    def _draw(self, shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(self.drawn.standard_normal(shape).astype(np.float32))


def conserves(network: Network) -> Propagated:
    """What arrives at the operator, and at all inputs together, is what was predicted; no share is negative."""
    found = network.propagated()
    by_name = {node.name: node for node in found.by_node}
    assert found.total(by_name[network.node.name]) == pytest.approx(1, abs=1e-9)
    inputs = [found.total(by_name[node.name]) for node in network.inputs.values() if node.name in by_name]
    assert sum(inputs) == pytest.approx(1, abs=1e-9)
    assert all(float(each.min()) >= 0 for pieces in found.by_node.values() for each in pieces.values())
    return found


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), zeros=st.sampled_from([0.0, 0.6, 1.0]))
def test_conserves(name: str, seed: int, zeros: float) -> None:
    assert not conserves(Network(OPERATORS[name], seed, zeros)).without_rule


@pytest.mark.parametrize("name", WITHOUT_RULE)
def test_operators_without_a_rule_conserve_and_are_named(name: str) -> None:
    assert conserves(Network(WITHOUT_RULE[name], 0)).without_rule == {name_of(WITHOUT_RULE[name])}


def name_of(operator: Sequence[object]) -> str:
    return str(operator[0]).split(".")[1]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_sums_are_shared_as_written(seed: int) -> None:
    """Of a sum, each term of its own sign takes its part of all such terms: number by number, of a layer and of a product, of which
    each factor takes half."""
    layer = Network((aten.linear.default, Computed((1, 5)), Constant((4, 5)), Constant((4,))), seed)
    (x, weight, bias), arrived, (got,) = parts_of(layer)
    want = np.zeros((1, 5))
    for j in range(4):
        terms = x[0] * weight[j]
        alike = terms if terms.sum() + bias[j] > 0 else -terms
        alike = np.maximum(alike, 0) if (alike > 0).any() else -alike
        want[0] += alike / alike.sum() * arrived[0, j]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)

    product = Network((aten.mm.default, Computed((2, 5)), Computed((5, 3))), seed)
    (a, b), arrived, got = parts_of(product)
    wanted = np.zeros((2, 5)), np.zeros((5, 3))
    for i, j in np.ndindex(2, 3):
        terms = a[i] * b[:, j]
        alike = np.maximum(terms * np.sign(terms.sum()), 0)
        shares = alike / alike.sum() * arrived[i, j] / 2
        wanted[0][i] += shares
        wanted[1][:, j] += shares
    for each, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(each, want, rtol=1e-6, atol=1e-9)


def parts_of(network: Network) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray]]:
    """The operands, what arrived at the operator, and what each input takes of it."""
    arrived = {node.name: pieces[0].numpy() for node, pieces in network.propagated().by_node.items()}
    values = [value.double().numpy() for node, value in network.values.items()][: len(network.node.args)]
    return values, arrived[network.node.name], [arrived[node.name] for node in network.inputs.values()]
