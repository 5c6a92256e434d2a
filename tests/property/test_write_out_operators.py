from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove, rewritten, traced

from cloformer.export.passes.write_out_operators import WriteOutOperators


def test_law() -> None:
    found = prove(
        Lambda(
            lambda _, x, y: [
                torch.lerp(x, y, 0.3),
                torch.lerp(x, y, 0.8),
                torch.lerp(x, y, y.sigmoid()),
                F.hardshrink(x, 0.7),
                F.celu(x, 0.5),
                x.trunc() + y.fix(),
                x.frac(),
            ]
        ),
        WriteOutOperators(),
        (2, 3, 4),
        (2, 3, 4),
        sites=8,
    )
    assert not {"lerp", "hardshrink", "celu", "trunc", "fix", "frac"} & set(found)


@pytest.mark.parametrize("widths", [(1, 2), (0, 2, 3, 0), (1, 1, 1, 1, 2, 0), (4, 0)])
def test_around(widths: tuple[int, ...]) -> None:
    size = (2, 3, *[4] * (len(widths) // 2))
    found = prove(Lambda(lambda _, x: F.pad(x, widths, mode="circular")), WriteOutOperators(), size, sites=1)
    assert "pad" not in found


def test_where_they_jump() -> None:
    x = torch.tensor([-0.7, 0.7, -2.0, 2.0, -0.0, 0.0, -1.5, 1.5, float("inf"), float("-inf")])
    model = Lambda(lambda _, x: [F.hardshrink(x, 0.7), x.trunc()])
    after, _ = rewritten(traced(model, x.shape), WriteOutOperators())
    for found, expected in zip(after.graph_module(x), model(x), strict=True):
        assert torch.equal(found, expected)


def test_by_places() -> None:
    """As often as constants say, and parts of sizes that are and are not whole shares."""
    often = torch.tensor([2, 0, 1])
    model = Lambda(
        lambda m, x: [
            x.repeat_interleave(m.often, 1, output_size=3),
            F.adaptive_max_pool3d(x, (2, 3, 2)),
            F.adaptive_max_pool3d(x[None], (1, 4, 3)),
        ],
        often=often,
    )
    found = prove(model, WriteOutOperators(), (2, 3, 4, 5), sites=3)
    assert not {"repeat_interleave", "adaptive_max_pool3d"} & set(found)


def test_left_alone() -> None:
    """Other padding, and choices between numbers of one type."""
    model = Lambda(
        lambda _, x: [F.pad(x, (1, 1), mode="reflect"), F.pad(x, (1, 1)), torch.where(x > 0, x, -x)]
    )
    prove(model, WriteOutOperators(), (2, 3, 4), sites=0)
