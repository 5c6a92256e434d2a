from __future__ import annotations

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, assert_equal, in_float64, operators, prove, random_inputs, rewritten, traced
from torch import Tensor

from cloformer.export.passes.fold_constants import FoldConstants
from cloformer.export.passes.lower_sampling import LowerSampling

EVERY = list(itertools.product(("zeros", "border", "reflection"), (True, False)))


def _grid(batch: int, *sizes: int) -> Tensor:
    """Points inside, at the border and far outside, and some that lie between two pixels."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand((batch, *sizes, len(sizes)), generator=generator, dtype=torch.float64) * 5 - 2.5
    points[..., 0, :] = 1.0
    points[..., 1, :] = -1.0
    return points.float()


def _assert_law(model: Lambda, shape: tuple[int, ...], sites: int) -> None:
    before = traced(model, shape)
    wide, (applied,) = rewritten(before, LowerSampling(), cast=False)
    assert len(applied.sites) == sites and "grid_sampler" not in operators(wide)
    (x,) = random_inputs([shape])
    for got, want in zip(in_float64(wide.graph_module)(x), copy.deepcopy(model).double()(x), strict=True):
        assert_equal(got, want)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_law(mode: str) -> None:
    model = Lambda(
        lambda self, x: [F.grid_sample(x, self.grid, mode, *each) for each in EVERY], grid=_grid(1, 3, 5)
    )
    _assert_law(model, (1, 3, 6, 7), sites=6)


def test_of_each_image_its_own_of_volumes_and_of_one_pixel() -> None:
    model = Lambda(
        lambda self, x: [
            F.grid_sample(x[:, :, 0], self.two, align_corners=True),
            F.grid_sample(x[1:], self.volume, "bilinear", "border", False),
            F.grid_sample(x[1:], self.volume, "nearest", "zeros", True),
            F.grid_sample(x[:, :, 0, :1, :1], self.two, "bilinear", "reflection", True),
        ],
        two=_grid(2, 3, 5),
        volume=_grid(1, 2, 3, 4),
    )
    _assert_law(model, (2, 2, 3, 6, 5), sites=4)


def test_places_and_weights_become_constants() -> None:
    model = Lambda(lambda self, x: F.grid_sample(x, self.grid, align_corners=False), grid=_grid(1, 3, 5))
    after, _ = rewritten(traced(model, (1, 3, 6, 7)), LowerSampling(), FoldConstants())
    assert set(operators(after)) == {"flatten", "index_select", "mul", "add", "reshape"}
    x = torch.randn(1, 3, 6, 7)
    torch.testing.assert_close(after.graph_module(x)[0], model(x))


def test_cubic_sampling_by_any_grid() -> None:
    cubic = Lambda(lambda _, x, grid: F.grid_sample(x, grid, "bicubic", align_corners=False))
    prove(cubic, LowerSampling(), (1, 2, 5, 4), (1, 2, 2, 2), sites=1)


def test_left_alone() -> None:
    """A grid that depends on an input, between the two nearest pixels of an image."""
    model = Lambda(
        lambda _, x, grid: [
            F.grid_sample(x, grid, align_corners=False),
            F.grid_sample(x, grid + 1, "nearest"),
        ]
    )
    before = traced(model, (1, 3, 6, 7), (1, 3, 5, 2))
    after, (applied,) = rewritten(before, LowerSampling())
    assert not applied.sites and operators(after).count("grid_sampler") == 2


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_everywhere(mode: str) -> None:
    model = Lambda(lambda _, x, grid: F.grid_sample(x, grid, mode, "border", align_corners=False))
    prove(model, LowerSampling(everywhere=True), (1, 3, 6, 7), (1, 3, 5, 2), sites=1)
