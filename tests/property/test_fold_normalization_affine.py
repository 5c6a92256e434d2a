from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.fold_normalization_affine import FoldNormalizationAffine
from cloformer.export.passes.remove_identities import RemoveIdentities


def _two_readers(m: Lambda, x: Tensor) -> tuple[Tensor, Tensor]:
    y = m.norm(x)
    return m.first(y), m.second(m.pool(y))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    norm_groups=st.sampled_from([1, 2, 4]),
    conv_groups=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    kernel=st.sampled_from([1, 2, 3]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    size=st.integers(5, 9),
)
def test_law(
    norm_groups: int, conv_groups: int, bias: bool, kernel: int, stride: int, dilation: int, size: int
) -> None:
    """A group norm read by two convolutions, one of them through average pooling."""
    model = Lambda(
        _two_readers,
        norm=nn.GroupNorm(norm_groups, 4),
        first=nn.Conv2d(4, 8, kernel, stride, 0, dilation, conv_groups, bias),
        second=nn.Conv2d(4, 4, 1, groups=conv_groups),
        pool=nn.AvgPool2d(2, 2),
    )
    prove(fill(model), FoldNormalizationAffine(), (2, 4, size, size + 1), sites=1)


_COMMUTING: dict[str, Callable[[Tensor], Tensor]] = {
    "pool": lambda y: F.avg_pool2d(y, 2, 1),
    "pool without its border": lambda y: F.avg_pool2d(y, 3, 2, 0, False, False),
    "adaptive pool": lambda y: F.adaptive_avg_pool2d(y, (9, 8)),
    "mean over rows": lambda y: y.mean(-2, keepdim=True),
    "slice": lambda y: y[:, :, 1:, ::2],
    "slice of the batch": lambda y: y[1:],
}


@settings(max_examples=10, deadline=None, derandomize=True)
@given(names=st.lists(st.sampled_from(sorted(_COMMUTING)), min_size=1, max_size=3, unique=True))
def test_through_any_operators_that_commute(names: list[str]) -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        y = m.norm(x)
        for name in names:
            y = _COMMUTING[name](y)
        return m.conv(y)

    names = sorted(names, key=lambda name: name == "mean over rows")  # one row is too few for a pool
    model = fill(Lambda(law, norm=nn.GroupNorm(2, 4), conv=nn.Conv2d(4, 3, 1)))
    prove(model, FoldNormalizationAffine(), (3, 4, 19, 17), sites=1)


_HEADS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda y: y.mean((2, 3)),
    "mean, then mean": lambda y: y.mean(3).mean(-1),
    "mean of the batch": lambda y: y.mean((0, 2, 3), keepdim=True).flatten(1),
    "mean, kept": lambda y: y.mean((-1, -2), keepdim=True).flatten(1),
    "pool, flatten": lambda y: F.adaptive_avg_pool2d(y, 1).flatten(1),
    "pool, view": lambda y: F.adaptive_avg_pool2d(y, 1).view(y.shape[0], -1),
    "pool, select": lambda y: F.adaptive_avg_pool2d(y, 1)[:, :, 0, 0],
    "one position": lambda y: y[..., 1, 2],
}


@pytest.mark.parametrize("name", _HEADS)
def test_through_the_head(name: str) -> None:
    """Norm, global average, flatten, linear: the end of most networks."""
    law = lambda m, x: m.head(_HEADS[name](m.norm(x)))  # noqa: E731
    model = fill(Lambda(law, norm=nn.GroupNorm(1, 4), head=nn.Linear(4, 3)))
    passes = [RemoveIdentities(), FoldNormalizationAffine()]
    assert "linear" in prove(model, passes, (2, 4, 5, 7), sites=1)


@pytest.mark.parametrize(
    ("norm", "layer", "shape"),
    [
        (nn.LayerNorm(6), nn.Linear(6, 4), (2, 6)),
        (nn.LayerNorm(6), nn.Linear(6, 4, bias=False), (2, 5, 6)),
        (nn.LayerNorm(6), nn.Linear(6, 4), (2, 3, 5, 6)),
        (nn.LayerNorm(6, bias=False), nn.Linear(6, 4), (2, 5, 6)),
        (nn.GroupNorm(3, 6), nn.Linear(6, 4), (2, 6)),
        (nn.GroupNorm(3, 6), nn.Conv1d(6, 4, 3, 2, groups=2), (2, 6, 9)),
        (nn.GroupNorm(1, 4), nn.Conv3d(4, 4, 2, bias=False), (2, 4, 3, 4, 5)),
        (nn.GroupNorm(1, 4), nn.Conv2d(4, 4, 3, padding="valid"), (2, 4, 4, 5)),
        (nn.GroupNorm(1, 4), nn.Conv2d(4, 4, 1, padding="same"), (2, 4, 4, 5)),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, nn.Module) else str(item),
)
def test_other_norms_and_layers(norm: nn.Module, layer: nn.Module, shape: tuple[int, ...]) -> None:
    prove(fill(nn.Sequential(norm, layer)), FoldNormalizationAffine(), shape, sites=1)


@pytest.mark.parametrize(("gain", "shift"), [(True, False), (False, True)], ids=["gain only", "shift only"])
def test_half_an_affine_map(gain: bool, shift: bool) -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        return m.conv(F.group_norm(x, 2, m.gain if gain else None, m.shift if shift else None))

    model = Lambda(law, gain=torch.ones(4), shift=torch.ones(4), conv=nn.Conv2d(4, 4, 1, bias=False))
    prove(fill(model), FoldNormalizationAffine(), (2, 4, 3, 3), sites=1)


def test_tokens() -> None:
    """A layer norm read by linear layers, whole and one token of it."""

    def law(m: Lambda, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = m.norm(x)
        return m.whole(y), m.first(y[:, 0]), m.first(y[:, 1:])

    model = Lambda(law, norm=nn.LayerNorm(6), whole=nn.Linear(6, 4), first=nn.Linear(6, 2, bias=False))
    prove(fill(model), FoldNormalizationAffine(), (2, 5, 6), sites=1)


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: m.conv(m.second(m.conv(m.first(x)))),
        lambda m, x: m.conv(m.first(x)) * m.conv(m.second(x)),
        lambda m, x: m.conv(m.first(x)) * m.conv(m.first(x + 1)),
        lambda m, x: m.conv(m.first(x)) * m.conv(m.second(x)) + m.conv(x),
    ],
    ids=["in a row", "side by side", "one norm", "also without a norm"],
)
def test_shared_weights_are_folded_apart(law) -> None:
    model = Lambda(law, first=nn.GroupNorm(1, 4), second=nn.GroupNorm(2, 4), conv=nn.Conv2d(4, 4, 1))
    prove(fill(model), FoldNormalizationAffine(), (2, 4, 5, 5), sites=2)


def _reads_itself(m: Lambda, x: Tensor) -> Tensor:
    y = m.norm(x).reshape(-1, 6)
    return F.linear(y, y)


def _pooled_and_added(m: Lambda, x: Tensor) -> Tensor:
    y = F.avg_pool2d(m.norm(x), 2)
    return m.pointwise(y) + y


def _returned(m: Lambda, x: Tensor) -> tuple[Tensor, Tensor]:
    y = m.norm(x)
    return m.pointwise(y), y


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "padding": lambda m, x: m.padded(m.norm(x)),
    "padding in one direction": lambda m, x: m.padded_once(m.norm(x)),
    "padding same": lambda m, x: m.padded_same(m.norm(x)),
    "residual": lambda m, x: m.pointwise(y := m.norm(x)) + y,
    "residual after a pool": _pooled_and_added,
    "padded pool": lambda m, x: m.pointwise(F.avg_pool2d(m.norm(x), 3, 2, 1)),
    "padded pool that counts no padding": lambda m, x: m.pointwise(F.avg_pool2d(m.norm(x), 3, 2, 1, False, False)),
    "ceil mode": lambda m, x: m.pointwise(F.avg_pool2d(m.norm(x), 4, 4, ceil_mode=True)),
    "sum by a pool": lambda m, x: m.pointwise(F.avg_pool2d(m.norm(x), 2, divisor_override=1)),
    "largest": lambda m, x: m.pointwise(F.max_pool2d(m.norm(x), 2)),
    "other axis": lambda m, x: m.linear(m.norm(x)),
    "mean over channels": lambda m, x: m.linear(m.norm(x).mean(1)),
    "mean over all": lambda m, x: m.pointwise(m.norm(x).mean(dim=[]).expand(2, 4, 1, 1)),
    "one channel": lambda m, x: m.linear(m.norm(x)[:, 1]),
    "some channels": lambda m, x: m.narrow(m.norm(x)[:, :2]),
    "reshape to other channels": lambda m, x: m.narrow(m.norm(x).reshape(4, 2, 6, 6)),
    "activation": lambda m, x: m.pointwise(torch.relu(m.norm(x))),
    "returned": _returned,
    "only returned": lambda m, x: m.norm(x),
    "several axes": lambda m, x: m.pointwise(m.wide_norm(x)),
    "transposed convolution": lambda m, x: m.transposed(m.norm(x)),
    "reader with computed weights": lambda m, x: F.conv2d(m.norm(x), torch.tanh(m.pointwise.weight)),
    "its own weights": _reads_itself,
    "computed gain": lambda m, x: m.pointwise(F.group_norm(x, 2, torch.exp(m.norm.weight), m.norm.bias)),
    "computed shift": lambda m, x: m.pointwise(F.group_norm(x, 2, m.norm.weight, 2 * m.norm.bias)),
    "one reader of two": lambda m, x: (m.pointwise(y := m.norm(x)), m.padded(y)),
}  # fmt: skip


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    model = Lambda(
        _LEFT_ALONE[name],
        norm=nn.GroupNorm(2, 4),
        wide_norm=nn.LayerNorm([4, 6, 6]),
        pointwise=nn.Conv2d(4, 4, 1),
        padded=nn.Conv2d(4, 4, 3, padding=1),
        padded_once=nn.Conv2d(4, 4, 3, padding=(0, 1)),
        padded_same=nn.Conv2d(4, 4, (1, 3), padding="same"),
        narrow=nn.Conv2d(2, 4, 1),
        transposed=nn.ConvTranspose2d(4, 4, 2, 2),
        linear=nn.Linear(6, 6),
    )
    prove(fill(model), FoldNormalizationAffine(), (2, 4, 6, 6), sites=0)


def test_a_pool_over_what_has_no_batch_is_left_alone() -> None:
    """Of a tensor of rank three avg_pool2d takes the first axis for the channels, the norm the second."""
    law = lambda m, x: m.conv(F.avg_pool2d(m.norm(x), 2))  # noqa: E731
    model = Lambda(law, norm=nn.GroupNorm(1, 4), conv=nn.Conv1d(2, 3, 1))
    prove(fill(model), FoldNormalizationAffine(), (2, 4, 6), sites=0)


@pytest.mark.parametrize("bias", [torch.tensor(0.3), torch.ones(5, 3)], ids=["number", "matrix"])
def test_a_linear_layer_with_a_bias_that_broadcasts_is_left_alone(bias: Tensor) -> None:
    law = lambda m, x: F.linear(m.norm(x), m.matrix, m.bias)  # noqa: E731
    model = Lambda(law, norm=nn.LayerNorm(4), matrix=torch.ones(3, 4), bias=bias)
    prove(fill(model), FoldNormalizationAffine(), (5, 4), sites=0)


def test_a_linear_layer_with_a_vector_as_weight_is_left_alone() -> None:
    model = Lambda(lambda m, x: F.linear(m.norm(x), m.vector), norm=nn.LayerNorm(4), vector=torch.ones(4))
    prove(fill(model), FoldNormalizationAffine(), (4, 4, 4), sites=0)
