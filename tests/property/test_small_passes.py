"""Identities, activations, sizes, products, splits and lowerings: each law, and what is left alone."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import operators, prove, random_inputs, traced
from torch import Tensor, nn

from cloformer.export.errors import UnsupportedError
from cloformer.export.passes import (
    AppendSoftmax,
    FixSizes,
    FoldInputScale,
    LowerGroupNorm,
    NormalizeInside,
    RecognizeActivations,
    RemoveIdentities,
    SeparateChunks,
    SplitProjection,
    TransposeProducts,
    apply_passes,
)
from cloformer.export.preprocessing import Preprocessing
from cloformer.export.signature import TensorSpec
from cloformer.export.trace import trace


class Lambda(nn.Module):
    """A module of one expression and, for it, a few layers."""

    def __init__(self, law, **layers: nn.Module) -> None:
        super().__init__()
        self.law = law
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Tensor):
        return self.law(self, *inputs)


# --- RemoveIdentities ---------------------------------------------------------------------------


def test_identities_go() -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        y = F.dropout(x.contiguous().clone() * 1 + 0, 0.5, training=False)
        return torch.relu(y.view(2, 3, 4).permute(0, 1, 2).expand(2, 3, 4) / 1 - 0)

    assert prove(Lambda(law), RemoveIdentities(), (2, 3, 4), sites=9) == ["relu"]


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x * 2 + 1,
        lambda m, x: x + x,
        lambda m, x: x.permute(0, 2, 1),
        lambda m, x: x.reshape(2, 12),
        lambda m, x: x[:, :1].expand(2, 3, 4),
    ],
    ids=["arithmetic", "sum", "permute", "reshape", "expand"],
)
def test_what_does_something_stays(law) -> None:
    prove(Lambda(law), RemoveIdentities(), (2, 3, 4), sites=0)


def test_views_of_what_lies_otherwise_become_reshapes() -> None:
    law = lambda m, x: x.transpose(1, 2).contiguous().view(2, -1)  # noqa: E731
    assert prove(Lambda(law), RemoveIdentities(), (2, 3, 4), sites=1) == ["transpose", "reshape"]


def test_a_cast_that_rounds_stays() -> None:
    before = traced(Lambda(lambda m, x: x.half().float() + x.float()), (2, 3))
    after, applied = apply_passes(before, [FixSizes(before.signature.inputs), RemoveIdentities()])
    assert operators(after).count("to") + operators(after).count("_to_copy") == 2
    assert len(applied[1].sites) <= 1  # at most the cast of float32 to itself


def test_training_dropout_stays() -> None:
    before = traced(Lambda(lambda m, x: F.dropout(x, 0.5, training=True)), (2, 3))
    after, _ = apply_passes(before, [FixSizes(before.signature.inputs), RemoveIdentities()])
    assert operators(after) == ["dropout"]


# --- RecognizeActivations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "operator"),
    [
        (lambda m, x: x * torch.sigmoid(x), "silu"),
        (lambda m, x: torch.sigmoid(x) * x, "silu"),
        (lambda m, x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))), "gelu"),
        (lambda m, x: x * 0.5 * (1.0 + torch.erf(x * math.sqrt(0.5))), "gelu"),
        (lambda m, x: x * (torch.erf(x / 1.4142135623730951) + 1) * 0.5, "gelu"),
    ],
)
def test_activation_recognized(law, operator: str) -> None:
    assert prove(Lambda(law), RecognizeActivations(), (2, 30), sites=1) == [operator]


def test_silu_in_place_of_a_product_leaves_another_reader_of_the_gate_its_own() -> None:
    law = lambda m, x: (x * torch.sigmoid(x), torch.sigmoid(x))  # noqa: E731
    assert sorted(prove(Lambda(law), RecognizeActivations(), (2, 30), sites=1)) == ["sigmoid", "silu"]


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x * torch.sigmoid(2 * x),
        lambda m, x: (x * (gate := torch.sigmoid(x)), gate),
        lambda m, x: 0.5 * x * (1 + torch.erf(x / 1.5)),
        lambda m, x: 0.25 * x * (1 + torch.erf(x / math.sqrt(2))),
        lambda m, x: 0.5 * x * (2 + torch.erf(x / math.sqrt(2))),
        lambda m, x: 0.5 * x * (1 + torch.erf(torch.relu(x) / math.sqrt(2))),
    ],
    ids=["other slope", "gate read twice", "wrong root", "wrong half", "wrong one", "other operand"],
)
def test_other_expressions_stay(law) -> None:
    prove(Lambda(law), RecognizeActivations(), (2, 30), sites=0)


# --- FixSizes and the trace ---------------------------------------------------------------------


def test_sizes_become_numbers() -> None:
    model = Lambda(lambda m, x: x.reshape(x.shape[0], x.shape[1] * x.shape[2]) * x.shape[0])
    before = traced(model, (3, 4, 5))
    assert "sym_size" in " ".join(operators(before))
    after, applied = apply_passes(before, [FixSizes(before.signature.inputs)])
    assert applied[0].sites
    assert operators(after) == ["reshape", "mul"]
    (x,) = random_inputs([(3, 4, 5)])
    assert torch.equal(after.graph_module(x)[0], model(x))


def test_the_trace_is_good_for_any_batch() -> None:
    before = traced(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), (1, 3, 8, 8))
    assert before.graph_module(torch.rand(5, 3, 8, 8))[0].shape == (5, 144)


def test_a_model_for_one_batch_only_is_traced_for_it() -> None:
    before = traced(Lambda(lambda m, x: x.reshape(1, 3, 4) * 2), (1, 12))
    assert before.graph_module(torch.rand(1, 12))[0].shape == (1, 3, 4)


def test_control_flow_on_values_is_refused_with_its_line() -> None:
    with pytest.raises(UnsupportedError) as caught:
        traced(Lambda(lambda m, x: x if x.sum() > 0 else -x), (2, 3))
    assert len(caught.value.lines) <= 3
    assert "test_small_passes.py, line" in str(caught.value)


def test_locations_name_module_class_and_line_and_no_path() -> None:
    before = traced(Lambda(lambda m, x: m.conv(x), conv=nn.Conv2d(3, 4, 1)), (1, 3, 4, 4))
    origins = [node.meta["custom"]["cloformer"] for node in before.graph_module.graph.nodes]
    conv = next(origin for origin in origins if origin.name.startswith("conv2d"))
    assert conv.module == "conv"
    assert conv.location.split(":")[:2] == ["test_small_passes", "Lambda"]
    assert int(conv.location.split(":")[2]) > 0
    assert not any("/" in str(origin) for origin in origins)


# --- TransposeProducts --------------------------------------------------------------------------


def _attention(softmax_dim: int = -1, transposed: bool = True, twice: bool = False):
    def law(m: Lambda, q: Tensor, k: Tensor, v: Tensor):
        attention = (q.transpose(-1, -2) @ k).softmax(softmax_dim)
        out = (attention @ v.transpose(-1, -2)).transpose(-1, -2)
        if not transposed:
            out = attention @ v.transpose(-1, -2)
        return (out, attention) if twice else out

    return Lambda(law)


@pytest.mark.parametrize("keys_first", [True, False])
def test_attention_reads_the_large_tensor_as_it_lies(keys_first: bool) -> None:
    shapes = (2, 3, 4, 9), (2, 3, 4, 5), (2, 3, 4, 5)
    found = prove(_attention(), TransposeProducts(keys_first), *shapes, sites=1)
    assert found.count("transpose") == (1 if keys_first else 2)


@pytest.mark.parametrize(
    "model",
    [_attention(softmax_dim=-2), _attention(transposed=False), _attention(twice=True)],
    ids=["axis", "plain", "read twice"],
)
def test_other_attention_stays(model: nn.Module) -> None:
    shapes = (2, 3, 4, 9), (2, 3, 4, 5), (2, 3, 4, 5)
    prove(model, TransposeProducts(), *shapes, sites=0)


# --- SeparateChunks and SplitProjection ---------------------------------------------------------


def _chunked(count: int, **layers: nn.Module) -> Lambda:
    def law(m: Lambda, x: Tensor) -> Tensor:
        for layer in m.children():
            x = layer(x)
        first, *others = x.chunk(count, 1)
        for index, other in enumerate(others):
            first = torch.tanh(first) * other + index
        return first

    return Lambda(law, **layers)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    count=st.sampled_from([2, 3]), bias=st.booleans(), kernel=st.sampled_from([1, 3]), depthwise=st.booleans()
)
def test_chunks_are_computed_apart(count: int, bias: bool, kernel: int, depthwise: bool) -> None:
    layers = {"a": nn.Conv2d(3, 12, kernel, padding=kernel // 2, bias=bias)}
    if depthwise:
        layers["b"] = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=bias)
    found = prove(fill(_chunked(count, **layers)), SeparateChunks(), (2, 3, 6, 5), sites=1)
    assert "chunk" not in found
    assert found.count("conv2d") == count * len(layers)


def test_a_grouped_layer_whose_input_is_read_twice() -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        y = torch.relu(m.a(x))
        q, k = m.b(y).chunk(2, 1)
        return q * k + y.sum()

    model = fill(Lambda(law, a=nn.Conv2d(3, 8, 1), b=nn.Conv2d(8, 8, 3, padding=1, groups=4)))
    prove(model, SeparateChunks(), (2, 3, 6, 5), sites=1)


@pytest.mark.parametrize(
    ("count", "layer"),
    [(2, nn.Conv2d(3, 6, 1, groups=3)), (5, nn.Conv2d(3, 12, 1))],
    ids=["cuts a group", "unequal chunks"],
)
def test_chunks_that_do_not_fit_stay(count: int, layer: nn.Module) -> None:
    prove(fill(_chunked(count, a=layer)), SeparateChunks(), (2, 3, 6, 5), sites=0)


def test_chunks_along_another_axis_stay() -> None:
    model = Lambda(lambda m, x: math.prod(m.a(x).chunk(2, 2)), a=nn.Conv2d(3, 4, 1))
    prove(fill(model), SeparateChunks(), (2, 3, 6, 5), sites=0)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_projection_of_a_concatenation(kernel: int, bias: bool) -> None:
    model = Lambda(
        lambda m, x, y: m.proj(torch.cat([x, torch.tanh(y), x * 2], 1)),
        proj=nn.Conv2d(8, 5, kernel, padding=kernel // 2, bias=bias),
    )
    assert "cat" not in prove(fill(model), SplitProjection(), (2, 3, 6, 6), (2, 2, 6, 6), sites=1)


@pytest.mark.parametrize(
    "model",
    [
        Lambda(lambda m, x, y: m.proj(torch.cat([x, y], 1)), proj=nn.Conv2d(6, 6, 1, groups=2)),
        Lambda(lambda m, x, y: m.proj(torch.cat([x, y], 2)), proj=nn.Conv2d(3, 6, 1)),
        Lambda(lambda m, x, y: m.proj(c := torch.cat([x, y], 1)).sum() + c, proj=nn.Conv2d(6, 6, 1)),
    ],
    ids=["groups", "other axis", "read twice"],
)
def test_other_concatenations_stay(model: nn.Module) -> None:
    prove(fill(model), SplitProjection(), (2, 3, 6, 6), (2, 3, 6, 6), sites=0)


# --- LowerGroupNorm, NormalizeInside, AppendSoftmax ---------------------------------------------


@pytest.mark.parametrize("operator", ["layer_norm", "instance_norm"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_in_another_operator(operator: str, groups: int, affine: bool) -> None:
    model = fill(nn.Sequential(nn.GroupNorm(groups, 4, eps=1e-3, affine=affine)))
    found = prove(model, LowerGroupNorm(operator), (2, 4, 5, 3), sites=1)
    assert operator in found
    assert "group_norm" not in found


@pytest.mark.parametrize("fold", [True, False])
def test_pixels_in_instead_of_normalized_values(fold: bool) -> None:
    rule = Preprocessing.imagenet(8, 8)
    model = fill(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()))
    before = trace(model, [TensorSpec("image", (1, 3, 8, 8), "float32", "image")])
    passes = [FixSizes(before.signature.inputs), NormalizeInside(before.signature.inputs, {"image": rule})]
    after, applied = apply_passes(before, [*passes, *([FoldInputScale()] if fold else [])], cast=False)
    assert [len(item.sites) for item in applied[1:]] == [1, 1][: 1 + fold]
    pixels = torch.randint(0, 256, (1, 3, 8, 8)).double()
    column = (1, 3, 1, 1)
    normalized = (pixels / 255 - torch.tensor(rule.mean).double().reshape(column)) / torch.tensor(
        rule.std
    ).double().reshape(column)
    want = copy.deepcopy(model).double()(normalized)
    got = copy.deepcopy(after.graph_module).double()(pixels)[0]
    assert (want - got).abs().max() <= 1e-6 * want.abs().max()  # float32 means and deviations above
    assert ("mul" in operators(after)) is not fold


def test_probabilities_instead_of_logits() -> None:
    model = fill(nn.Sequential(nn.Linear(3, 4)))
    before = traced(model, (2, 3))
    after, _ = apply_passes(before, [FixSizes(before.signature.inputs), AppendSoftmax()], cast=False)
    (x,) = random_inputs([(2, 3)])
    want = copy.deepcopy(model).double()(x).softmax(-1)
    torch.testing.assert_close(copy.deepcopy(after.graph_module).double()(x)[0], want, rtol=1e-12, atol=1e-12)
