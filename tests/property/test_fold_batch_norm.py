from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import perturbed, prove
from torch import nn

from cloformer.export.passes import FoldBatchNorm


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([1, 2, 3, 5]),
    stride=st.integers(1, 3),
    padding=st.sampled_from([0, 1, 2, "same"]),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    affine=st.booleans(),
    size=st.integers(9, 13),
)
def test_law(
    kernel: int, stride: int, padding: int | str, dilation: int, groups: int, bias: bool, affine: bool, size: int
) -> None:
    stride = 1 if padding == "same" else stride
    conv = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, bias)
    model = perturbed(nn.Sequential(conv, nn.BatchNorm2d(8, affine=affine), nn.ReLU()))
    assert "batch_norm" not in prove(model, FoldBatchNorm(), (2, 4, size, size + 1), sites=1)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ((nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4)), (2, 3, 9)),
        ((nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4)), (2, 3, 4, 5, 6)),
        ((nn.Linear(3, 4), nn.BatchNorm1d(4)), (5, 3)),
        ((nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), (2, 3, 7, 7)),
    ],
)
def test_other_layers(layers: tuple[nn.Module, ...], shape: tuple[int, ...]) -> None:
    found = prove(perturbed(nn.Sequential(*layers)), FoldBatchNorm(), shape, sites=1)
    assert not any("batch_norm" in name for name in found)


class ReadTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return self.norm(y) + y


class Shared(nn.Module):
    """One convolution, two norms: folding one must not change the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.conv(self.first(self.conv(x))))


class ComputedWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.raw, self.norm = nn.Parameter(torch.randn(4, 3, 1, 1)), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(nn.functional.conv2d(x, torch.tanh(self.raw)))


class Training(nn.Module):
    """A norm that uses the batch's statistics, even in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


def test_shared_weights_are_folded_apart() -> None:
    prove(perturbed(Shared()), FoldBatchNorm(), (2, 3, 6, 6), sites=2)


@pytest.mark.parametrize("model", [ReadTwice(), ComputedWeight(), Training()], ids=lambda m: type(m).__name__)
def test_left_alone(model: nn.Module) -> None:
    prove(perturbed(model), FoldBatchNorm(), (2, 3, 6, 6), sites=0)


def test_a_linear_layer_of_rank_three_is_left_alone() -> None:
    """There the norm's axis is not the layer's channel axis."""
    prove(perturbed(nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(4))), FoldBatchNorm(), (2, 4, 6), sites=0)


def test_a_norm_before_any_layer_is_left_alone() -> None:
    prove(perturbed(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1))), FoldBatchNorm(), (2, 3, 5, 5), sites=0)
