"""Normalizations by sums as narrow as float16: a mean and a variance that are far off pass, and nothing else that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from proof import Lambda, traced
from torch import Tensor, nn

from cloformer.export.parity.judge import Types, judge
from cloformer.export.parity.walk import Walk
from cloformer.export.source.trace import lower

NARROW = Types("float16", "float16", "float16")
CHANNELS, SIDE = 24, 28


def _norms() -> dict[str, tuple[nn.Module, int]]:
    """Each with how many sets of numbers are normalized together."""
    torch.manual_seed(0)
    norms: dict[str, tuple[nn.Module, int]] = {
        "layer_norm": (nn.LayerNorm((CHANNELS, SIDE, SIDE), elementwise_affine=False), 1),
        "layer_norm with a gain": (nn.LayerNorm((CHANNELS, SIDE, SIDE)), 1),
        "group_norm": (nn.GroupNorm(2, CHANNELS), 2),
        "instance_norm": (nn.InstanceNorm2d(CHANNELS, affine=True), CHANNELS),
    }
    for norm, _ in norms.values():
        for parameter in norm.parameters():
            nn.init.uniform_(parameter, 0.25, 1.5)
    return norms


def _wrong(norm: nn.Module, x: Tensor, result: Tensor) -> bool:
    program = lower(traced(Lambda(lambda m, x: m.norm(x), norm=norm).eval(), tuple(x.shape)))
    last = program.graph.output_node().args[0][0]
    values = Walk(program, {"x0": x.numpy()}, {last.name: result.numpy()}, stored=torch.float16)
    (found,) = (item for item in values if item.node == last.name)
    return judge(found, 1, NARROW).is_wrong


def _half(x: Tensor) -> Tensor:
    return x.half().float()


def _added(rows: Tensor) -> Tensor:
    """One after the other, in float16, over their number."""
    with np.errstate(over="ignore"):
        total = np.add.accumulate(rows.half().numpy(), axis=-1, dtype=np.float16)[..., -1:]
    return _half(torch.from_numpy(total.astype(np.float32)) / rows.shape[-1])


def _two_passes(rows: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The mean subtracted, then scaled."""
    apart = _half(rows - _added(rows))
    scale = _half(torch.rsqrt(_added(_half(apart * apart)) + eps))
    return _half(apart * scale), scale


def _in_one(rows: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The variance from the mean of squares, and one product and one sum for each number."""
    mean = _added(rows)
    variance = (_added(_half(rows * rows)) - mean * mean).clamp(min=0)
    scale = _half(torch.rsqrt(variance + eps))
    return _half(_half(rows * scale) - _half(mean * scale)), scale


def _shaped(norm: nn.Module, rows: Tensor, like: Tensor) -> Tensor:
    """With the module's gain and bias."""
    result = rows.reshape(like.shape)
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    if weight is None or bias is None:
        return result
    shape = weight.shape if weight.ndim > 1 else (1, -1, 1, 1)
    return _half(_half(result * weight.detach().reshape(shape)) + bias.detach().reshape(shape))


@pytest.mark.parametrize("name", _norms())
@pytest.mark.parametrize("kernel", [_two_passes, _in_one])
@pytest.mark.parametrize("mean", [0.0, 2.0])
def test_a_kernel_that_adds_in_float16_is_right(
    name: str, kernel: Callable[[Tensor, float], tuple[Tensor, Tensor]], mean: float
) -> None:
    norm, sets = _norms()[name]
    x = _half(torch.randn(1, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) + mean)
    rows, _ = kernel(x.reshape(sets, -1), 1e-5)
    assert not _wrong(norm, x, _shaped(norm, rows, x))


def _over_other_axes(norm: nn.Module, x: Tensor) -> Tensor:
    rows, _ = _two_passes(x.permute(0, 2, 3, 1).reshape(SIDE * SIDE, -1), 1e-5)
    return _shaped(norm, rows.reshape(1, SIDE, SIDE, CHANNELS).permute(0, 3, 1, 2), x)


def _without_the_mean_of_some(norm: nn.Module, x: Tensor) -> Tensor:
    result = norm(x).detach()
    result[:, : CHANNELS // 2, : SIDE // 2] += 0.3
    return result


def _rounded_coarsely(norm: nn.Module, x: Tensor) -> Tensor:
    return norm(x).detach().mul(8).round() / 8


@pytest.mark.parametrize("name", _norms())
@pytest.mark.parametrize("mistake", [_over_other_axes, _without_the_mean_of_some, _rounded_coarsely])
def test_what_is_no_mean_or_variance_is_wrong(
    name: str, mistake: Callable[[nn.Module, Tensor], Tensor]
) -> None:
    """Each is off by less than a sum of so many numbers in float16 may be."""
    norm, _ = _norms()[name]
    x = _half(torch.randn(1, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(2)) + 0.5)
    assert _wrong(norm, x, mistake(norm, x))
