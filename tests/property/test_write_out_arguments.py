from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, in_float64, operators, prove, rewritten, traced
from torch import Tensor, fx, nn

from cloformer.export.passes.rewriter import arguments
from cloformer.export.passes.write_out_arguments import WriteOutArguments


def _norm() -> nn.InstanceNorm2d:
    norm = nn.InstanceNorm2d(3, affine=True, track_running_stats=True).eval()
    with torch.no_grad():
        for part in (norm.weight, norm.bias, norm.running_mean):
            part.normal_()
        norm.running_var.uniform_(0.5, 2)
    return norm


def test_law() -> None:
    found = prove(
        Lambda(
            lambda self, x: [
                torch.add(x, x.exp(), alpha=2),
                torch.sub(x, 3, alpha=0.5),
                torch.rsub(x, x.exp(), alpha=2),
                torch.rsub(x, 3, alpha=2),
                F.softplus(x, 2, 0.3),
                x.clamp(min=0.3),
                x.clamp(max=-0.3),
                self.norm(x),
                x.var() + x.std(),
                torch.where(x > 0, x, 0),
                torch.where(x > 0, 1, x),
                torch.where(x > 0, 1, 2),
                torch.where(x > 0, x, torch.tensor(3)),
            ],
            norm=_norm(),
        ),
        WriteOutArguments(),
        (2, 3, 4, 5),
        sites=14,
    )
    assert {"clamp_min", "clamp_max", "batch_norm", "where"} <= set(found)
    assert not {"clamp", "instance_norm"} & set(found)


@pytest.mark.parametrize("place", [torch.argmax, torch.argmin])
@pytest.mark.parametrize("keepdim", [False, True])
def test_a_place_among_all(place: Callable[..., Tensor], keepdim: bool) -> None:
    model = Lambda(lambda _, x: place(x, None, keepdim))
    after, (applied,) = rewritten(traced(model, (2, 3, 4)), WriteOutArguments())
    x = torch.randn(2, 3, 4)
    (found,) = after.graph_module(x)
    assert len(applied.sites) == 1
    assert found.shape == model(x).shape and torch.equal(found, model(x))
    (place_of,) = (node for node in after.graph_module.graph.nodes if "arg" in str(node.target))
    assert arguments(place_of)["dim"] == 0


def test_infinities_stay_so() -> None:
    class Converted(fx.Interpreter):
        """With bounds where none is given, as coremltools gives them."""

        def call_function(self, target, args, kwargs):
            if target is torch.ops.aten.clamp.default:
                largest = torch.finfo(torch.float32).max
                low, high = (*args[1:], None, None)[:2]
                args = (args[0], -largest if low is None else low, largest if high is None else high)
            return super().call_function(target, args, kwargs)

    x = torch.tensor([float("inf"), float("-inf"), 0.0, 3e38])
    model = Lambda(lambda _, x: [x.clamp(min=1), x.clamp(max=1)])
    before = traced(model, (4,))
    after, _ = rewritten(before, WriteOutArguments())
    for found, want in zip(Converted(after.graph_module).run(x), model(x), strict=True):
        assert torch.equal(found, want)
    assert not torch.equal(Converted(before.graph_module).run(x)[0], model(x)[0])


def test_whole_numbers_have_whole_bounds() -> None:
    model = Lambda(lambda _, x: torch.arange(4).clamp(min=2) * x)
    after, (applied,) = rewritten(traced(model, (4,)), WriteOutArguments())
    assert len(applied.sites) == 1
    (bound,) = (node for node in after.graph_module.graph.nodes if "clamp_min" in str(node.target))
    assert isinstance(bound.args[1], int) and not bound.meta["val"].is_floating_point()


@pytest.mark.parametrize("axes", [(), (1,)])
def test_a_mean_of_whole_numbers_is_of_floats(axes: tuple[int, ...]) -> None:
    model = Lambda(lambda _, x: x.int().mean(*axes, dtype=torch.float32))
    after, (applied,) = rewritten(traced(model, (2, 3)), WriteOutArguments())
    assert len(applied.sites) == 1
    (mean,) = (node for node in after.graph_module.graph.nodes if "mean" in str(node.target))
    assert mean.args[0].meta["val"].dtype is torch.float32
    x = 3 * torch.randn(2, 3)
    assert torch.equal(after.graph_module(x)[0], model(x))


def test_left_alone() -> None:
    """What coremltools reads."""
    same = [
        lambda x: x + 2 * x - 3,
        lambda x: F.softplus(x, 2),
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: x.clamp(-1, 1),
        lambda x: F.instance_norm(x),
        lambda x: x.mean(1).mean() + x.var(correction=0) + x.std(1).mean(),
    ]
    model = Lambda(lambda _, x: [law(x) for law in same])
    prove(model, WriteOutArguments(), (2, 3, 4, 5), sites=0)
    places = traced(Lambda(lambda _, x: x.argmax(1)), (2, 3))
    after, (applied,) = rewritten(places, WriteOutArguments())
    assert not applied.sites and operators(after) == ["argmax"]


@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
def test_a_query_without_keys_gets_zeros(kind: torch.dtype) -> None:
    """Whatever a softmax of nothing is: here it would be no number."""

    class Converted(fx.Interpreter):
        def call_function(self, target, args, kwargs):
            if target is torch.ops.aten.scaled_dot_product_attention.default:
                q, k, v, mask = args[:4]
                hidden = mask.logical_not() if mask.dtype is torch.bool else mask == float("-inf")
                return (q @ k.mT).masked_fill(hidden, float("-inf")).softmax(-1) @ v
            return super().call_function(target, args, kwargs)

    mask = torch.ones(4, 4).tril(-1).bool()
    if kind is not torch.bool:
        mask = torch.zeros(4, 4).masked_fill(~mask, float("-inf"))
    model = Lambda(lambda self, x: F.scaled_dot_product_attention(x, x, x, self.mask, scale=1.0), mask=mask)
    computed = Lambda(
        lambda _, x: F.scaled_dot_product_attention(x, x, x, (x @ x.mT > 0.5) & (x[..., :1] > 0), scale=1.0)
    )
    added = Lambda(
        lambda _, x: F.scaled_dot_product_attention(
            x, x, x, x[..., :1].expand(2, 4, 4).masked_fill(x[..., :1] < 0, float("-inf")), scale=1.0
        )
    )
    x = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1))
    for each in (model, computed, added):
        after, (applied,) = rewritten(traced(each, x.shape), WriteOutArguments())
        (found,) = Converted(after.graph_module).run(x)
        assert len(applied.sites) == 1
        torch.testing.assert_close(found, each(x))
        assert (each(x) == 0).all(-1).any()  # there is such a query


def test_choices_between_single_numbers_are_of_tensors() -> None:
    """Whatever of them is a number in the graph."""
    model = Lambda(
        lambda _, x: [
            torch.where(x.sum() > 0, x.mean(), x.amax()),
            torch.where(x.sum() > 0, x.mean(), 0.5),
            torch.where(x.sum() > 0, 2.0, x.amax()),
        ]
    )
    after, _ = rewritten(traced(model, (2, 3)), WriteOutArguments(), cast=False)
    choices = [node for node in after.graph_module.graph.nodes if "where" in str(node.target)]
    assert [node.meta["val"].shape for node in choices] == [(1,)] * 3
    for x in (torch.rand(2, 3, dtype=torch.float64), -torch.rand(2, 3, dtype=torch.float64)):
        for found, want in zip(in_float64(after.graph_module)(x), model(x), strict=True):
            assert torch.equal(found, want)


def test_a_mask_for_all_keys_is_one_for_each() -> None:
    """Of truths, of numbers, and of what a logarithm may make infinite: each with its query's keys."""
    model = Lambda(
        lambda _, x: [
            F.scaled_dot_product_attention(x, x, x, mask)
            for mask in (x[..., :1] > 0, x[..., :1] / 2, x[..., :1].relu().log(), x[..., :1, :1] / 2)
        ]
    )
    before = traced(model, (2, 4, 4))
    after, (applied,) = rewritten(before, WriteOutArguments(), cast=False)
    attention = [node for node in after.graph_module.graph.nodes if "attention" in str(node.target)]
    assert [arguments(node)["attn_mask"].meta["val"].shape[-1] for node in attention] == [4] * 4
    assert len(applied.sites) == 4 and operators(after).count("where") == 2
    x = torch.randn(2, 4, 4, dtype=torch.float64)
    for found, want in zip(in_float64(after.graph_module)(x), model(x), strict=True):
        torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)


def test_masks_that_leave_every_query_a_key_stay() -> None:
    masks = [
        torch.ones(4, 4).tril().bool(),
        torch.zeros(4, 4).masked_fill(torch.eye(4).bool(), float("-inf")),
    ]
    for mask in masks:
        model = Lambda(lambda self, x: F.scaled_dot_product_attention(x, x, x, self.mask), mask=mask)
        _, (applied,) = rewritten(traced(model, (2, 4, 4)), WriteOutArguments())
        assert not applied.sites
    finite = Lambda(lambda _, x: F.scaled_dot_product_attention(x, x, x, (1 - x) * -1e9))
    _, (applied,) = rewritten(traced(finite, (2, 4, 4)), WriteOutArguments())
    assert not applied.sites
