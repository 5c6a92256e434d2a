from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.fold_batch_norm import FoldBatchNorm
from cloformer.export.passes.remove_identities import RemoveIdentities


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([1, 2, 3, 5]),
    stride=st.integers(1, 3),
    padding=st.sampled_from([0, 1, 2, "same", "valid"]),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    affine=st.booleans(),
    eps=st.sampled_from([1e-5, 1e-3, 0.1]),
    size=st.integers(9, 13),
)
def test_law(
    kernel: int,
    stride: int,
    padding: int | str,
    dilation: int,
    groups: int,
    bias: bool,
    affine: bool,
    eps: float,
    size: int,
) -> None:
    stride = 1 if padding == "same" else stride
    conv = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, bias)
    model = fill(nn.Sequential(conv, nn.BatchNorm2d(8, eps, affine=affine), nn.ReLU()))
    assert "batch_norm" not in prove(model, FoldBatchNorm(), (2, 4, size, size + 1), sites=1)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ((nn.Conv1d(4, 4, 3, padding=1, groups=2), nn.BatchNorm1d(4)), (2, 4, 9)),
        ((nn.Conv3d(3, 4, 3, stride=2, padding=1), nn.BatchNorm3d(4)), (2, 3, 4, 5, 6)),
        ((nn.Linear(3, 4), nn.BatchNorm1d(4)), (5, 3)),
        ((nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4, affine=False)), (5, 3)),
        ((nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), (2, 3, 7, 7)),
    ],
    ids=["conv1d", "conv3d", "linear", "linear, no constants", "in place"],
)
def test_other_layers(layers: tuple[nn.Module, ...], shape: tuple[int, ...]) -> None:
    found = prove(fill(nn.Sequential(*layers)), FoldBatchNorm(), shape, sites=1)
    assert not any("batch_norm" in name for name in found)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    axes=st.integers(1, 3),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
)
def test_transposed_convolutions(axes: int, kernel: int, stride: int, groups: int, bias: bool) -> None:
    convolution = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes - 1]
    model = nn.Sequential(
        convolution(4, 8, kernel, stride, kernel // 2, groups=groups, bias=bias, dilation=2), norm(8)
    )
    assert len(prove(fill(model), FoldBatchNorm(), (2, 4, *[5] * axes), sites=1)) == 1


@pytest.mark.parametrize(
    ("law", "left"),
    [
        (lambda m, x: m.norm(m.first(x) + m.second(x.relu())), ["conv2d", "relu", "conv2d", "add"]),
        (
            lambda m, x: m.norm(m.first(x) - torch.add(m.second(x), m.up(x), alpha=0.5)),
            ["conv2d", "conv2d", "conv_transpose2d", "add", "sub"],
        ),
        (lambda m, x: m.both(torch.cat([m.first(x), m.up(x)], 1)), ["conv2d", "conv_transpose2d", "cat"]),
        (lambda m, x: m.norm(torch.cat([m.first(x), m.up(x)], 2)), ["conv2d", "conv_transpose2d", "cat"]),
        (
            lambda m, x: m.flat(m.line(x).flatten(0, 2)).reshape(x.shape).relu(),
            ["linear", "flatten", "reshape", "relu"],
        ),
        (
            lambda m, x: m.flat(m.first(x).flatten(2) + m.line(x).permute(0, 3, 1, 2).reshape(2, 4, -1)),
            ["conv2d", "flatten", "linear", "permute", "reshape", "add"],
        ),
        (
            lambda m, x: m.both(torch.cat([m.first(x) + m.second(x), m.up(x)], -3)),
            ["conv2d", "conv2d", "add", "conv_transpose2d", "cat"],
        ),
    ],
    ids=[
        "sum",
        "sums in sums",
        "concatenated channels",
        "concatenated rows",
        "rows as images",
        "moved",
        "a sum in a concatenation",
    ],
)
def test_sums_and_concatenations_of_layers(law, left: list[str]) -> None:
    assert prove(_layers(law), FoldBatchNorm(), (2, 4, 4, 4), sites=1) == left


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: m.norm(m.first(x) + x),
        lambda m, x: m.norm(m.first(x) + m.second(x).relu()),
        lambda m, x: m.norm((y := m.first(x)) + y),
        lambda m, x: m.norm((y := m.first(x)) + m.second(y)),
        lambda m, x: (m.norm(y := m.first(x) + m.second(x)), y),
        lambda m, x: m.norm(m.first(x) + m.second(x).mean((2, 3), keepdim=True)),
        lambda m, x: m.norm(m.first(x) * m.second(x)),
        lambda m, x: m.norm(m.first(x) + m.line(x)),
        lambda m, x: m.norm(m.first(x).transpose(1, 2)),
        lambda m, x: m.norm(m.first(x).reshape(4, 4, 4, 2)),
        lambda m, x: m.both(torch.cat([m.first(x), x], 1)),
        lambda m, x: m.both(torch.cat([y := m.first(x), y], 1)),
        lambda m, x: (m.both(torch.cat([m.first(x), y := m.second(x)], 1)), y),
    ],
    ids=[
        "beside the input", "beside an activation", "one layer twice", "in a row", "sum read twice", "broadcast",
        "product", "along another axis", "transposed", "channels taken apart", "concatenated with the input", "concatenated twice", "also returned",
    ],
)  # fmt: skip
def test_sums_and_concatenations_with_something_else_are_left_alone(law) -> None:
    prove(_layers(law), FoldBatchNorm(), (2, 4, 4, 4), sites=0)


def _layers(law) -> nn.Module:
    """Layers for (2, 4, 4, 4)."""
    return fill(
        Lambda(
            law,
            first=nn.Conv2d(4, 4, 1),
            second=nn.Conv2d(4, 4, 3, padding=1, bias=False),
            up=nn.ConvTranspose2d(4, 4, 3, padding=1, groups=2),
            line=nn.Linear(4, 4),
            norm=nn.BatchNorm2d(4),
            both=nn.BatchNorm2d(8),
            flat=nn.BatchNorm1d(4),
        )
    )


@pytest.mark.parametrize("inplace", [False, True], ids=["out of place", "in place"])
def test_two_norms_in_a_row(inplace: bool) -> None:
    layers = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.ReLU(inplace)
    found = prove(fill(nn.Sequential(*layers)), FoldBatchNorm(), (2, 3, 5, 5), sites=2)
    assert found == ["conv2d", "relu"]


def test_residual_block_written_in_place() -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        y = F.relu(m.norm1(m.conv1(x)), inplace=True)
        y = m.norm2(m.conv2(y))
        y += x
        return y.relu_()

    parts = {f"conv{i}": nn.Conv2d(4, 4, 3, padding=1, bias=False) for i in (1, 2)}
    norms = {f"norm{i}": nn.BatchNorm2d(4) for i in (1, 2)}
    found = prove(fill(Lambda(law, **parts, **norms)), FoldBatchNorm(), (2, 4, 5, 5), sites=2)
    assert found == ["conv2d", "relu", "conv2d", "add", "relu"]


def test_a_cast_to_the_same_type_is_no_second_reader() -> None:
    model = Lambda(
        lambda m, x: m.norm(m.conv(x).to(x.dtype)), conv=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4)
    )
    found = prove(fill(model), [RemoveIdentities(), FoldBatchNorm()], (2, 3, 5, 5), sites=2)
    assert found == ["conv2d"]


def _tied() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    model[2].weight = model[0].weight
    return model


_CONV, _FIRST, _SECOND = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(_CONV, _FIRST, _CONV, _SECOND),
        Lambda(
            lambda m, x: m.first(m.conv(x)) * m.second(m.conv(x)), conv=_CONV, first=_FIRST, second=_SECOND
        ),
        nn.Sequential(_CONV, _FIRST, nn.Conv2d(3, 3, 1), _FIRST),
        _tied(),
    ],
    ids=["layer twice in a row", "layer twice side by side", "norm twice", "tied weights"],
)
def test_shared_weights_are_folded_apart(model: nn.Module) -> None:
    """One set of weights, two norms: folding one must not change the other."""
    prove(fill(model), FoldBatchNorm(), (2, 3, 6, 6), sites=2)


def test_one_shared_layer_is_also_read_without_a_norm() -> None:
    model = Lambda(lambda m, x: m.norm(m.conv(x)) + m.conv(x + 1), conv=_CONV, norm=_FIRST)
    prove(fill(model), FoldBatchNorm(), (2, 3, 6, 6), sites=1)


def _read_twice(m: Lambda, x: Tensor) -> Tensor:
    y = m.conv(x)
    return m.norm(y) + y


def _also_returned(m: Lambda, x: Tensor) -> tuple[Tensor, Tensor]:
    y = m.conv(x)
    return m.norm(y), y


def _computed_gain(m: Lambda, x: Tensor) -> Tensor:
    n = m.norm
    return F.batch_norm(m.conv(x), n.running_mean, n.running_var, torch.tanh(n.weight), n.bias)


def _computed_shift(m: Lambda, x: Tensor) -> Tensor:
    n = m.norm
    return F.batch_norm(m.conv(x), n.running_mean, n.running_var, n.weight, 2 * n.bias)


def _computed_statistics(m: Lambda, x: Tensor) -> Tensor:
    n = m.norm
    return F.batch_norm(m.conv(x), n.running_mean, n.running_var + 1, n.weight, n.bias)


def _batch_statistics(m: Lambda, x: Tensor) -> Tensor:
    return F.batch_norm(m.conv(x), None, None, m.norm.weight, m.norm.bias, training=True)


def _without_a_batch(m: Lambda, x: Tensor) -> Tensor:
    """The convolution takes (C, H, W); the norm then sees H in the place of the channels."""
    n = m.norm
    return F.batch_norm(m.conv(x[0]), n.running_mean, n.running_var, n.weight, n.bias)


@pytest.mark.parametrize(
    "law",
    [
        _read_twice,
        _also_returned,
        _computed_gain,
        _computed_shift,
        _computed_statistics,
        _batch_statistics,
        _without_a_batch,
        lambda m, x: m.norm(F.conv2d(x, torch.tanh(m.conv.weight))),
        lambda m, x: m.norm(F.conv2d(x, m.wide[:4])),
        lambda m, x: m.norm(F.conv2d(x, m.conv.weight, m.wide[:4, 0, 0, 0])),
        lambda m, x: m.norm(torch.relu(m.conv(x))),
        lambda m, x: m.conv(m.before(x)),
        lambda m, x: m.norm(F.conv_transpose2d(x, torch.tanh(m.transposed.weight))),
    ],
    ids=[
        "read twice", "also returned", "computed gain", "computed shift", "computed variance", "batch statistics",
        "no batch", "computed weight", "part of a weight", "part of a bias", "activation between", "norm first",
        "computed transposed",
    ],
)  # fmt: skip
def test_left_alone(law) -> None:
    model = Lambda(
        law,
        conv=nn.Conv2d(3, 4, 1),
        norm=nn.BatchNorm2d(4),
        before=nn.BatchNorm2d(3),
        transposed=nn.ConvTranspose2d(3, 4, 1),
        wide=torch.ones(6, 3, 1, 1),
    )
    prove(fill(model), FoldBatchNorm(), (2, 3, 4, 4), sites=0)


def test_training_statistics_are_left_alone() -> None:
    """A norm without running statistics uses the batch's, in evaluation mode too."""
    layers = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)
    assert "batch_norm" in prove(fill(nn.Sequential(*layers)), FoldBatchNorm(), (2, 3, 6, 6), sites=0)


def test_a_linear_layer_of_rank_three_is_left_alone() -> None:
    """There the norm's axis is not the layer's channel axis."""
    prove(fill(nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(4))), FoldBatchNorm(), (2, 4, 6), sites=0)
    prove(fill(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))), FoldBatchNorm(), (2, 4, 6), sites=0)


@pytest.mark.parametrize("bias", [torch.tensor(0.3), torch.ones(5, 4)], ids=["number", "matrix"])
def test_a_linear_layer_with_a_bias_that_broadcasts_is_left_alone(bias: Tensor) -> None:
    law = lambda m, x: m.norm(F.linear(x, m.matrix, m.bias))  # noqa: E731
    model = Lambda(law, matrix=torch.ones(4, 3), bias=bias, norm=nn.BatchNorm1d(4))
    prove(fill(model), FoldBatchNorm(), (5, 3), sites=0)
