"""docs/coreml-semantics.md: each row where the exporter writes another form, exported and computed as a device does."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import core_ml
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cloformer.export.formats import FORMATS
from cloformer.export.formats.coreml import exporter
from cloformer.export.formats.coreml.mil import Interpreter, read_package
from cloformer.export.formats.coreml.mil._operator import OPERATORS
from cloformer.export.formats.coreml.mil.program import Function
from cloformer.export.formats.exporter import Description, Lowered
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import lower, trace

PAGE = Path(__file__).parents[2] / "docs/coreml-semantics.md"
IMAGE = (torch.arange(126.0).reshape(1, 2, 7, 9) - 63) / 4  # halves and zero, of both signs


def _norm() -> nn.InstanceNorm2d:
    norm = nn.InstanceNorm2d(2, track_running_stats=True).eval()
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean += torch.tensor([1.0, -2])
    norm.running_var *= torch.tensor([0.5, 3])
    return norm


NORM = _norm()


def _transposed(after: nn.Module) -> nn.Module:
    """In two groups of three channels, and a gain for each."""
    torch.manual_seed(0)
    return nn.Sequential(nn.ConvTranspose2d(2, 6, 3, groups=2), after)


def _batch_norm() -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(6).eval()
    norm.running_var = torch.arange(1.0, 7)
    return norm


torch.manual_seed(0)
LSTM, GRU = nn.LSTM(7, 4, bidirectional=True), nn.GRU(7, 8, batch_first=True)
KERNELS = torch.randn(2, 1, 3, 2)
GRID = torch.rand(1, 4, 5, 2) * 2.6 - 1.3


class Product(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.arange(1.0, 7)[:, None, None]


NORMALIZED, SCALED = _transposed(_batch_norm()), _transposed(Product())


def _upright(x: Tensor) -> Tensor:
    """Cubic and antialiased, by sizes and by factors."""
    smaller = F.interpolate(x, (3, 4), mode="bilinear", antialias=True)
    return (
        smaller
        + F.interpolate(x, (3, 4), mode="bicubic", antialias=True)
        + F.interpolate(x, (3, 4), mode="bicubic")
    )


# By the first column of the page's first table.
ROWS: dict[str, Callable[[Tensor], Tensor]] = {
    "avg_pool, ceil_mode": lambda x: F.avg_pool2d(x, 2, 3, ceil_mode=True),
    "avg_pool, ceil_mode and padding": lambda x: F.avg_pool2d(x, (4, 3), (2, 3), 1, True),
    "avg_pool, divisor_override": lambda x: F.avg_pool2d(x, 3, 2, 1, True, divisor_override=5),
    "avg_pool, max_pool, a window behind the input": lambda x: F.max_pool2d(x, 2, (3, 4), ceil_mode=True),
    "max_pool without stride": lambda x: F.max_pool2d(x, 2),
    "round": torch.round,
    "floor_divide by one": lambda x: x // 1 + x.div(torch.ones(9), rounding_mode="floor"),
    "remainder by one": lambda x: x % 1,
    "log, log2, log10": lambda x: torch.cat([x.relu().log(), x.relu().log2(), x.relu().log10()]),
    "log_softmax": lambda x: (200 * x).log_softmax(3),
    "reciprocal, rsqrt": lambda x: (x.square() / 100).reciprocal() + x.abs().rsqrt(),
    "rms_norm": lambda x: F.rms_norm(x, (9,)),
    "atan2": lambda x: torch.atan2(x.relu(), x.flip(3)),
    "upsample_nearest": lambda x: F.interpolate(x, scale_factor=1.7),
    "interpolate, antialias, bicubic": _upright,
    "interpolate by a fraction, of volumes": lambda x: (
        F.interpolate(x, scale_factor=1.7, mode="bilinear").sum()
        + F.interpolate(x[None], (3, 4, 5), mode="trilinear")
        + F.interpolate(x, scale_factor=2, mode="bicubic").sum()
    ),
    "grid_sample by a constant grid, cubic": lambda x: (
        F.grid_sample(x, GRID, align_corners=False) + F.grid_sample(x, GRID, "bicubic", "border", True)
    ),
    "pad, circular, less than none": lambda x: F.pad(x, (2, 1, -2, 3), mode="circular"),
    "max_pool, dilation": lambda x: F.max_pool2d(x, 3, 2, 1, 2, ceil_mode=True),
    "conv_transpose, output_padding beyond padding": lambda x: F.conv_transpose2d(
        x, KERNELS, None, (3, 2), (0, 1), (2, 1), 2
    ),
    "more than five axes": lambda x: (
        x.unflatten(-1, (1, -1))[..., None, None] + x.mean(-1)[..., None, None, None, None]
    ).flatten(1),
    "lstm, gru": lambda x: LSTM(x[0].mT)[0] + GRU(x[0].mT)[0],
    "attention, a query without keys": lambda x: F.scaled_dot_product_attention(
        x, x, x, attn_mask=torch.ones(7, 7).tril(-1).bool()
    ),
    "cosine_similarity": lambda x: F.cosine_similarity(1e-6 * x, x, 3, 1e-3),
    "any, all of numbers": lambda x: x.any() | x[0].all(1).any(),
    "einsum with an ellipsis": lambda x: torch.einsum("...w,hw->...h", x, x[0, 0]),
    "a text that is a node's name": lambda x: torch.tanh(x) + F.gelu(x, approximate="tanh"),
    "median, bucketize, fold, entr, kron, addcmul": lambda x: (
        x.median(2)[0].sum()
        + torch.bucketize(x, torch.tensor([-1.0, 0.0, 3.0])).sum()
        + F.fold(F.unfold(x, 3, padding=1), (7, 9), 3, padding=1)
        + torch.special.entr(x.abs())
        + torch.addcmul(x, x, x, value=0.5)
        + torch.kron(x[0, 0, :1], x[0, 1, :1, :1])
    ),
    "lerp, celu, hardshrink, log_sigmoid, trunc, frac": lambda x: torch.cat(
        [
            torch.lerp(x, x.flip(3), 0.3),
            torch.lerp(x, x.flip(3), 0.7),
            torch.lerp(x, x.flip(2), x.sigmoid()),
            F.celu(x, 0.5),
            F.hardshrink(x),
            F.logsigmoid(x),
            x.trunc(),
            x.frac(),
        ]
    ),
    "zeros_like and its kind, of another type": lambda x: (
        torch.zeros_like(x > 0, dtype=torch.float32).masked_fill(x > 0, 2.5)
        + torch.full_like(x.int(), 1, dtype=torch.float32)
    ),
    "where of two types": lambda x: torch.where(x > 0, 1, x) + torch.where(x > 1, x, x.int()),
    "conv_transpose, groups, then batch norm or product": lambda x: NORMALIZED(x) + SCALED(x),
    "elu, hardtanh, leaky_relu, threshold of integers": lambda x: torch.cat(
        [F.elu(x, 2), F.hardtanh(x, -1, 2), F.leaky_relu(x, 2), F.threshold(x, 1, 3)]
    ),
    "matmul with a vector": lambda x: x @ torch.arange(9.0) + (torch.arange(7.0) @ x).sum(),
    "abs of complex numbers": lambda x: torch.complex(x, x.roll(1, 3)).abs(),
    "gelu, approximate": lambda x: F.gelu(x, approximate="tanh"),
    "softplus, threshold": lambda x: F.softplus(x, 2, 1),
    "clamp, one bound": lambda x: torch.cat([(1 / x).clamp(min=1), (1 / x).clamp(max=1)]),
    "add, sub, alpha": lambda x: torch.add(x, x.flip(3), alpha=2) + torch.sub(x, x.flip(2), alpha=3),
    "argmax, argmin, no axis": lambda x: x.argmax() + x.flip(3).argmin(),
    "var, std, no correction": lambda x: x.var() + x.std(),
    "mean of integers, dtype": lambda x: x.int().mean((1, 3), dtype=torch.float32),
    "instance_norm, running statistics": NORM,
    "sum / n": lambda x: torch.tile(x, (1, 1, 1, 30)).sum((1, 2, 3)) / 3779,
    "whole numbers, gathered, sorted or squeezed": lambda x: (70000 * x.round().long()).topk(2, 3)[0],
    "whole numbers of 64 bits": lambda x: (
        torch.where(x > 0, torch.iinfo(torch.int64).min, x.long()).argmax(3)
        + x.long().masked_fill(x > 0, torch.iinfo(torch.int64).max).argmin(3)
    ),
}


class Rows(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [law(x) for law in ROWS.values()]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Function:
    """All rows in one ML Program, in float32."""
    traced = trace(Rows(), [TensorSpec("x", tuple(IMAGE.shape))])
    rewritten, _ = apply_passes(traced, FORMATS["coreml"].passes(Setting(traced.signature)))
    lowered = Lowered(
        lower(rewritten),
        traced.signature,
        {},
        None,
        FORMATS["coreml"].precisions["fp32"],
        {"target": "iOS16"},
        Description("rows", "all"),
    )
    folder = tmp_path_factory.mktemp("rows")
    written = exporter.write(lowered, folder)
    return read_package(folder / written.path).program.functions["main"]


def _rounded(x: Tensor) -> Tensor:
    """Halves away from zero, as some processors do."""
    return torch.where(x.frac().abs() == 0.5, x + x.sign() / 2, x.round())


def _logarithm(x: Tensor, epsilon: float) -> Tensor:
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(x.numpy() + np.float32(epsilon)))


def _averaged(
    x: Tensor,
    kernel_sizes: list[int],
    strides: list[int],
    pad_type: str,
    pad: list[int],
    ceil_mode: bool,
    exclude_padding_from_average: bool,
) -> Tensor:
    assert pad_type == "custom"
    sides = list(zip(pad[::2], pad[1::2], strict=True))
    found = core_ml.average(x.numpy(), kernel_sizes, strides, sides, ceil_mode, exclude_padding_from_average)
    return torch.from_numpy(found)


def _highest(
    x: Tensor, kernel_sizes: list[int], strides: list[int], pad_type: str, pad: list[int], ceil_mode: bool
) -> Tensor:
    assert pad_type == "custom"
    sides = list(zip(pad[::2], pad[1::2], strict=True))
    return torch.from_numpy(core_ml.largest(x.numpy(), kernel_sizes, strides, sides, ceil_mode))


DEVICE: dict[str, Callable[..., Tensor]] = {
    "round": _rounded,
    "log": _logarithm,
    "avg_pool": _averaged,
    "max_pool": _highest,
}


def test_a_device_computes_what_pytorch_does(program: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, function in DEVICE.items():
        monkeypatch.setitem(OPERATORS, kind, dataclasses.replace(OPERATORS[kind], function=function))
    kinds = {item.kind for item in program.operations}
    assert kinds >= DEVICE.keys() and not kinds & {"mod", "floor_div", "inverse", "rsqrt", "instance_norm"}
    found = list(Interpreter(program).run({"x": IMAGE.numpy()}).values())
    with torch.no_grad():
        wanted = Rows()(IMAGE)
    for name, got, want in zip(ROWS, found, wanted, strict=True):
        _assert_near(name, np.asarray(got), want.numpy())


def _assert_near(name: str, got: NDArray[np.generic], want: NDArray[np.generic]) -> None:
    assert got.shape == want.shape, name
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_page_has_these_rows() -> None:
    first = PAGE.read_text("utf-8").split("\n## ")[1]
    rows = re.findall(r"^\| `(.+?)` \|", first, flags=re.MULTILINE)
    assert rows == list(ROWS)
