from __future__ import annotations

from typing import Any

import pytest
import torch.nn.functional as F
from proof import Lambda, prove

from cloformer.export.passes.lower_resizing import LowerResizing


@pytest.mark.parametrize(
    "options",
    [
        {"size": (9, 3), "mode": "bicubic"},
        {"size": (4, 11), "mode": "bicubic", "align_corners": True},
        {"scale_factor": (1.7, 0.6), "mode": "bicubic"},
        {"scale_factor": 2.3, "mode": "bicubic", "recompute_scale_factor": True},
        {"size": (3, 9), "mode": "bicubic", "antialias": True},
        {"size": (3, 4), "mode": "bilinear", "antialias": True},
        {"scale_factor": 0.4, "mode": "bilinear", "antialias": True},
    ],
    ids=str,
)
def test_law(options: dict[str, Any]) -> None:
    found = prove(Lambda(lambda _, x: F.interpolate(x, **options)), LowerResizing(), (2, 3, 6, 7), sites=1)
    assert found == ["matmul", "matmul"]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 6, 7), {"scale_factor": (4, 3), "mode": "bicubic"}),
        ((1, 2, 5, 5), {"size": (10, 5), "mode": "bicubic"}),
        ((1, 2, 6, 7), {"scale_factor": 3, "mode": "bilinear", "antialias": True}),
        ((1, 1, 1, 1), {"scale_factor": 2, "mode": "bicubic"}),
    ],
    ids=str,
)
def test_by_whole_factors_each_channel_is_convolved(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    found = prove(Lambda(lambda _, x: F.interpolate(x, **options)), LowerResizing(), shape, sites=1)
    assert found in (["pad", "conv_transpose2d"], ["conv_transpose2d"])


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 2, 7), {"scale_factor": 2, "mode": "bicubic"}),  # as many rows as the border repeats
        ((2, 3, 6, 7), {"scale_factor": 2, "mode": "bicubic", "align_corners": True}),
        (
            (2, 3, 6, 7),
            {"scale_factor": 2, "mode": "bicubic", "antialias": True},
        ),  # other weights at the border
    ],
    ids=str,
)
def test_other_whole_factors_are_products(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    found = prove(Lambda(lambda _, x: F.interpolate(x, **options)), LowerResizing(), shape, sites=1)
    assert found == ["matmul", "matmul"]


def test_one_axis_and_three() -> None:
    model = Lambda(
        lambda _, x: [
            F.interpolate(x[0, 0], scale_factor=1.7, mode="linear"),
            F.interpolate(x[:, 0], scale_factor=(1.3, 2.2), mode="bilinear"),
            F.interpolate(x, scale_factor=2, mode="trilinear"),
            F.interpolate(x, (3, 5, 9), mode="trilinear", align_corners=True),
        ]
    )
    prove(model, LowerResizing(), (1, 2, 4, 6, 7), sites=4)


def test_left_alone() -> None:
    """What Core ML resizes itself."""
    model = Lambda(
        lambda _, x: [
            F.interpolate(x, scale_factor=2, mode="bilinear"),
            F.interpolate(x, (9, 3), mode="bilinear"),
            F.interpolate(x[0], scale_factor=1.7, mode="linear", align_corners=True),
        ]
    )
    prove(model, LowerResizing(), (2, 3, 6, 7), sites=0)
