from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import perturbed, prove
from torch import Tensor, nn

from cloformer.export.passes import FoldNormalizationAffine, RemoveIdentities


class Readers(nn.Module):
    """A group norm read by several convolutions, one of them through average pooling."""

    def __init__(self, channels: int, norm_groups: int, conv_groups: int, bias: bool, kernel: int, stride: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels)
        self.first = nn.Conv2d(channels, 6, kernel, stride, groups=conv_groups, bias=bias)
        self.second = nn.Conv2d(channels, 4, 1, groups=conv_groups)
        self.pool = nn.AvgPool2d(2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.norm(x)
        return self.first(y), self.second(self.pool(y))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    norm_groups=st.sampled_from([1, 2, 4]),
    conv_groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    kernel=st.sampled_from([1, 2, 3]),
    stride=st.integers(1, 2),
    size=st.integers(5, 9),
)
def test_law(norm_groups: int, conv_groups: int, bias: bool, kernel: int, stride: int, size: int) -> None:
    model = perturbed(Readers(4, norm_groups, conv_groups, bias, kernel, stride))
    prove(model, FoldNormalizationAffine(), (2, 4, size, size), sites=1)


class Head(nn.Module):
    """Norm, global average, flatten, linear: the end of most networks."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.norm, self.head = how, nn.GroupNorm(1, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        if self.how == "mean":
            return self.head(y.mean((2, 3)))
        if self.how == "mean_keep":
            return self.head(y.mean((-1, -2), keepdim=True).flatten(1))
        return self.head(F.adaptive_avg_pool2d(y, 1).flatten(1))


@pytest.mark.parametrize("how", ["mean", "mean_keep", "pool"])
def test_through_the_head(how: str) -> None:
    prove(perturbed(Head(how)), [RemoveIdentities(), FoldNormalizationAffine()], (2, 4, 5, 7), sites=1)


class Tokens(nn.Module):
    """A layer norm read by linear layers, whole and one token of it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.whole, self.first = nn.LayerNorm(6), nn.Linear(6, 4), nn.Linear(6, 2, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.norm(x)
        return self.whole(y), self.first(y[:, 0])


def test_layer_norm() -> None:
    prove(perturbed(Tokens()), FoldNormalizationAffine(), (2, 5, 6), sites=1)


class Broken(nn.Module):
    """One precondition broken at a time."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.norm = nn.LayerNorm([4, 6, 6]) if how == "several axes" else nn.GroupNorm(2, 4)
        self.conv = nn.Conv2d(4, 4, 3, padding=1 if how == "padding" else 0)
        self.pointwise, self.linear = nn.Conv2d(4, 4, 1), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        if self.how == "residual":
            return self.pointwise(y) + y
        if self.how == "padded pool":
            return self.pointwise(F.avg_pool2d(y, 3, 2, 1))
        if self.how == "ceil mode":
            return self.pointwise(F.avg_pool2d(y, 4, 4, ceil_mode=True))
        if self.how == "other axis":
            return self.linear(y)
        if self.how == "mean over channels":
            return self.linear(y.mean(1))
        if self.how == "output":
            return y
        return self.conv(y)


@pytest.mark.parametrize(
    "how",
    ["padding", "residual", "padded pool", "ceil mode", "other axis", "mean over channels", "output", "several axes"],
)
def test_left_alone(how: str) -> None:
    prove(perturbed(Broken(how)), FoldNormalizationAffine(), (2, 4, 6, 6), sites=0)


def test_shared_layer_is_folded_apart() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.conv = nn.GroupNorm(1, 4), nn.GroupNorm(1, 4), nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.second(self.conv(self.first(x))))

    prove(perturbed(Shared()), FoldNormalizationAffine(), (2, 4, 5, 5), sites=2)


def test_a_layer_that_reads_the_norm_as_its_weight_is_left_alone() -> None:
    class SelfProduct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x)
            return torch.nn.functional.linear(y, y)

    prove(perturbed(SelfProduct()), FoldNormalizationAffine(), (3, 4), sites=0)
