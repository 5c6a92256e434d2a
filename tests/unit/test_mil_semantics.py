"""What operators compute where Core ML and PyTorch differ: held against Core ML's meaning, written in numpy."""

from __future__ import annotations

import itertools

import core_ml
import numpy as np
import pytest
import torch

from cloformer.export.formats.coreml.mil._operator import OPERATORS


def _call(kind: str, narrow: bool = False, **arguments: object) -> np.ndarray:
    given = {
        name: value if isinstance(value, (str, torch.Tensor)) else torch.tensor(value)
        for name, value in arguments.items()
        if value is not None
    }
    result = OPERATORS[kind].call(given, is_narrow=narrow)
    assert isinstance(result, torch.Tensor)
    return result.numpy()


def _sides(pad_type: str, pad: int, size: int, kernel: int, stride: int) -> tuple[int, int]:
    if pad_type in ("valid", "custom"):
        return (pad, pad) if pad_type == "custom" else (0, 0)
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if pad_type == "same" else (large, small)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("pad_type", ["valid", "custom", "same", "same_lower"])
def test_windows_at_the_edges(rank: int, pad_type: str) -> None:
    """Every way to count, of windows that fit, hang over, overlap, and leave gaps."""
    chance = np.random.default_rng(rank)
    for sizes, kernel, stride in itertools.product(((7, 5, 4), (8, 6, 5)), (2, 3), (1, 2, 3, 4)):
        x = chance.normal(size=(1, 2, *sizes[:rank])).astype(np.float32)
        for ceil_mode in (False, True) if pad_type in ("valid", "custom") else (False,):
            sides = [_sides(pad_type, 1, size, kernel, stride) for size in sizes[:rank]]
            given = [[kernel] * rank, [stride] * rank]
            names = {
                "x": torch.from_numpy(x),
                "kernel_sizes": given[0],
                "strides": given[1],
                "pad_type": pad_type,
                "pad": [1] * 2 * rank if pad_type == "custom" else None,
                "ceil_mode": ceil_mode,
            }
            want = core_ml.largest(x, *given, sides, ceil_mode)
            np.testing.assert_array_equal(_call("max_pool", **names), want)
            for exclude in (False, True):
                with np.errstate(invalid="ignore"):  # of a window behind the input there is no mean
                    want = core_ml.average(x, *given, sides, ceil_mode, exclude)
                for narrow in (False, True):
                    found = _call("avg_pool", narrow, **names, exclude_padding_from_average=exclude)
                    np.testing.assert_allclose(found, want, atol=1e-2 if narrow else 1e-6)


def test_a_window_that_hangs_over_is_divided_by_all_of_it() -> None:
    """The figures of coremltools' issue 2772, measured on a Mac."""
    x = torch.arange(49.0).reshape(1, 1, 7, 7)
    common = {"x": x, "kernel_sizes": [2, 2], "strides": [3, 3], "ceil_mode": True}
    assert _call("avg_pool", **common).tolist() == [[[[4, 7, 4.75], [25, 28, 15.25], [21.25, 22.75, 12]]]]
    excluded = _call("avg_pool", **common, exclude_padding_from_average=True)
    assert excluded[0, 0, 0].tolist() == [4, 7, 9.5]


def test_a_remainder_has_the_sign_of_what_is_divided() -> None:
    """As a Mac computes ``mod`` (stablehlo-coreml's request 70): the remainder of C."""
    x, y = np.array([7, -7, 7, -7]), np.array([3, 3, -3, -3])
    for kind in (np.int64, np.float32):
        found = _call("mod", x=torch.from_numpy(x.astype(kind)), y=torch.from_numpy(y.astype(kind)))
        np.testing.assert_array_equal(found, np.fmod(x, y).astype(kind))


def test_logarithms_and_reciprocals_add_their_epsilon() -> None:
    x = np.array([0, 1e-4, 1, 30], np.float32)
    given = torch.from_numpy(x)
    np.testing.assert_allclose(_call("inverse", x=given), 1 / (x + np.float32(1e-4)), rtol=1e-6)
    np.testing.assert_allclose(_call("rsqrt", x=given), 1 / np.sqrt(x + np.float32(1e-12)), rtol=1e-6)
    np.testing.assert_allclose(_call("log", x=given), np.log(x + np.float32(1e-45)), rtol=1e-6)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(_call("log", x=given, epsilon=0.0), np.log(x), rtol=1e-6)
