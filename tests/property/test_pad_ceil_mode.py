from __future__ import annotations

import pytest
import torch.nn.functional as F
from proof import Lambda, prove

from cloformer.export.passes.pad_ceil_mode import PadCeilMode


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((7, 8), 2, 2, 0),
        ((8, 9), 3, 2, 0),
        ((8, 8), 3, 2, 1),
        ((10, 7), (4, 3), 3, (1, 0)),
        ((10, 6), 2, 3, 0),  # the last window of the columns ends before the map does
        ((8, 9), (3, 2), (2, 3), (1, 0)),
    ],
)
def test_law(size: tuple[int, int], kernel: object, stride: object, padding: object, counts: bool) -> None:
    network = Lambda(lambda _, x: F.avg_pool2d(x, kernel, stride, padding, True, counts))  # type: ignore[arg-type]
    found = prove(network, PadCeilMode(), (2, 3, *size), sites=1)
    assert found[-3:] == ["pad", "avg_pool2d", "mul"]


@pytest.mark.parametrize(
    ("size", "stride", "ceil_mode", "divisor"), [((9, 9), 2, True, None), ((8, 8), 2, False, None), ((8, 8), 2, True, 5)],
    ids=["no window reaches over the edge", "no ceil mode", "a divisor of its own"],
)  # fmt: skip
def test_left_alone(size: tuple[int, int], stride: int, ceil_mode: bool, divisor: int | None) -> None:
    network = Lambda(lambda _, x: F.avg_pool2d(x, 3, stride, 0, ceil_mode, True, divisor))
    prove(network, PadCeilMode(), (2, 3, *size), sites=0)


def test_without_a_batch() -> None:
    prove(Lambda(lambda _, x: F.avg_pool2d(x, 3, 2, ceil_mode=True)), PadCeilMode(), (3, 8, 8), sites=0)
