from __future__ import annotations

import torch
import torch.nn.functional as F
from proof import Lambda, prove, rewritten, traced

from cloformer.export.passes.lower_nearest import LowerNearest

FACTORS = (0.6, 1.5, 1.7, 2.3)
SIZES = (5, 13, 20)


def test_places_are_pytorch_s() -> None:
    """Bit for bit, of factors and sizes, both kinds, and all ranks."""
    shapes = [(1, 2, 7), (2, 1, 7, 9), (1, 1, 3, 4, 5)]
    ways = [{"scale_factor": factor} for factor in FACTORS] + [{"size": size} for size in SIZES]
    law = lambda _, *inputs: [  # noqa: E731
        F.interpolate(x, mode=mode, **way)
        for x in inputs
        for mode in ("nearest", "nearest-exact")
        for way in ways
    ]
    before = traced(Lambda(law), *shapes)
    after, (applied,) = rewritten(before, LowerNearest())
    assert len(applied.sites) == len(shapes) * 2 * len(ways)
    inputs = [torch.randn(shape) for shape in shapes]
    for found, want in zip(after.graph_module(*inputs), law(None, *inputs), strict=True):
        assert torch.equal(found, want)


def test_law() -> None:
    found = prove(
        Lambda(lambda _, x: F.interpolate(x, scale_factor=(1.7, 2)) + F.interpolate(x, size=(11, 8))),
        LowerNearest(),
        (2, 3, 7, 4),
        sites=2,
    )
    assert found.count("index_select") == 4 and "upsample_nearest2d" not in found


def test_left_alone() -> None:
    """What is only repeated, and what lies between pixels."""
    law = lambda _, x: [  # noqa: E731
        F.interpolate(x, scale_factor=2),
        F.interpolate(x, size=(21, 4)),
        F.interpolate(x, scale_factor=2, mode="bilinear"),
    ]
    prove(Lambda(law), LowerNearest(), (2, 3, 7, 4), sites=0)


def test_copies_side_by_side() -> None:
    """Of one to three axes, each as often as it is asked for; what is not only repeated is chosen by place."""
    for shape, factors in (
        ((2, 3, 5), 3),
        ((2, 3, 4, 5), (2, 3)),
        ((2, 3, 4, 5), (1, 2)),
        ((1, 2, 2, 3, 4), (2, 1, 3)),
    ):
        for mode in ("nearest", "nearest-exact"):
            law = lambda _, x, factors=factors, mode=mode: F.interpolate(x, scale_factor=factors, mode=mode)  # noqa: E731
            found = prove(Lambda(law), LowerNearest(side_by_side=True), shape, sites=1)
            assert "cat" in found and not any("nearest" in name or name == "index_select" for name in found)
    law = lambda _, x: F.interpolate(x, size=(6, 8))  # noqa: E731
    assert "index_select" in prove(Lambda(law), LowerNearest(side_by_side=True), (1, 2, 4, 4), sites=1)
