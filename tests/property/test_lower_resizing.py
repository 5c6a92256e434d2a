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


def test_left_alone() -> None:
    """What Core ML resizes itself."""
    prove(
        Lambda(lambda _, x: F.interpolate(x, scale_factor=2, mode="bilinear")),
        LowerResizing(),
        (2, 3, 6, 7),
        sites=0,
    )
