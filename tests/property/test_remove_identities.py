from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, in_float64, operators, prove, random_inputs, rewritten, traced
from torch import Tensor, fx, nn

from cloformer.export.passes.remove_identities import RemoveIdentities


def test_identities_go() -> None:
    def law(_: Lambda, x: Tensor) -> Tensor:
        y = F.dropout(x.contiguous().clone() * 1 + 0, 0.5, training=False)
        return torch.relu(y.view(2, 3, 4).permute(0, 1, 2).expand(2, 3, 4) / 1 - 0)

    assert prove(Lambda(law), RemoveIdentities(), (2, 3, 4), sites=9) == ["relu"]


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: F.dropout(x, 0.5, training=False),
        lambda m, x: F.dropout1d(x, 0.5, training=False),
        lambda m, x: F.alpha_dropout(x, 0.5, training=False),
        lambda m, x: x.clone(),
        lambda m, x: x.detach(),
        lambda m, x: x.to(x.dtype),
        lambda m, x: x.to("cpu"),
        lambda m, x: x.reshape(x.shape),
        lambda m, x: x.view(x.shape[0], -1, 4),
        lambda m, x: x.flatten(1, 1),
        lambda m, x: x.unflatten(1, (3,)),
        lambda m, x: x.flatten(0, 1).reshape(2, 3, 4),
        lambda m, x: x.expand(-1, 3, -1),
        lambda m, x: x.permute(0, 1, 2),
        lambda m, x: 1 * x,
        lambda m, x: x / 1.0,
        lambda m, x: sum([x]),
        lambda m, x: torch.add(x, 0, alpha=3),
        lambda m, x: m.dropout(x),
    ],
)
def test_each_identity_goes(law) -> None:
    found = prove(Lambda(law, dropout=nn.Dropout(0.5)), RemoveIdentities(), (2, 3, 4), sites=1)
    assert found == []


def test_the_assertion_beside_a_cast_goes_too() -> None:
    """It would count as a reader of the tensor, and keep a norm from being folded."""
    before = traced(Lambda(lambda m, x: x.float() * 2), (2, 3))
    assert "_assert_tensor_metadata" in operators(before)
    after, applied = rewritten(before, RemoveIdentities())
    assert (operators(after), len(applied[0].sites)) == (["mul"], 1)


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x * 2 + 1,
        lambda m, x: x + x,
        lambda m, x: 0 - x,
        lambda m, x: torch.add(1, x, alpha=0) * 2,
        lambda m, x: x.permute(0, 2, 1),
        lambda m, x: x.reshape(2, 12),
        lambda m, x: x[:, :1].expand(2, 3, 4),
        lambda m, x: x * torch.ones_like(x),
        lambda m, x: torch.add(x, m.row),
        lambda m, x: x[:, 0] * m.column,
        lambda m, x: torch.div(x, 1, rounding_mode="floor"),
        lambda m, x: (x > 0) * 1,
        lambda m, x: (x > 0) + 0,
    ],
)
def test_what_does_something_stays(law) -> None:
    model = Lambda(law, row=torch.zeros(4), column=torch.ones(3, 2, 4))
    prove(model, RemoveIdentities(), (2, 3, 4), sites=0)


def test_an_identity_that_is_returned() -> None:
    assert prove(Lambda(lambda m, x: (x.clone(), x * 1, x)), RemoveIdentities(), (2, 3), sites=2) == []


@pytest.mark.parametrize(
    ("law", "left"),
    [
        (lambda m, x: x.transpose(1, 2).contiguous().view(2, -1), ["transpose", "reshape"]),
        (lambda m, x: x.transpose(1, 2).contiguous().flatten(1), ["transpose", "reshape"]),
        (lambda m, x: x.clone().unflatten(-1, (2, 2)), ["reshape"]),
        (lambda m, x: x.clone().reshape_as(m.row), ["reshape"]),
    ],
)
def test_views_of_what_lies_otherwise_become_reshapes(law, left: list[str]) -> None:
    model = Lambda(law, row=torch.zeros(24))
    assert prove(model, RemoveIdentities(), (2, 3, 4), sites=1) == left


def test_a_cast_that_rounds_stays() -> None:
    before = traced(Lambda(lambda m, x: x.half().float() + x.float()), (2, 3))
    after, applied = rewritten(before, RemoveIdentities())
    assert operators(after).count("to") + operators(after).count("_to_copy") == 2
    assert len(applied[0].sites) <= 1  # at most the cast of float32 to itself
    (x,) = random_inputs([(2, 3)])
    x = x.float()
    assert torch.equal(after.graph_module(x)[0], x.half().float() + x)


def test_training_dropout_stays() -> None:
    """Of a graph from elsewhere: a model that draws it in evaluation mode is refused before any pass."""
    model = Lambda(lambda m, x: F.dropout(x, 0.5, training=True))
    graph_module = torch.export.export(model, (torch.zeros(2, 3),)).module()
    assert isinstance(graph_module, fx.GraphModule)
    result = RemoveIdentities()(graph_module)
    assert not result.sites
    assert torch.ops.aten.dropout.default in {node.target for node in result.graph_module.graph.nodes}


def test_the_order_in_memory_changes_no_value() -> None:
    law = lambda m, x: m.conv(x.contiguous(memory_format=torch.channels_last)).contiguous()  # noqa: E731
    model = Lambda(law, conv=nn.Conv2d(3, 4, 3))
    after, applied = rewritten(traced(model, (2, 3, 5, 5)), RemoveIdentities(), cast=False)
    assert (operators(after), len(applied[0].sites)) == (["conv2d"], 2)
    (x,) = random_inputs([(2, 3, 5, 5)])
    torch.testing.assert_close(
        in_float64(after.graph_module)(x)[0], model.double()(x), rtol=1e-12, atol=1e-12
    )
