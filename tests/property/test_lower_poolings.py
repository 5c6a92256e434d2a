from __future__ import annotations

from collections.abc import Callable

import core_ml
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove, random_inputs, rewritten, traced
from torch import Tensor, fx

from cloformer.export.passes.lower_poolings import LowerPoolings
from cloformer.export.passes.rewriter import arguments

AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LARGEST = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}

# Kernel, stride and padding on axes of 7, 8 and 9: windows that fit, hang over, into the padding too, begin behind the
# input, leave gaps.
WINDOWS = [(2, 3, 0), (3, 2, 1), (3, 3, 1), (2, 2, 1), (1, 2, 0), (4, 3, 2), (3, 5, 1), (2, 4, 0), (3, 1, 0)]
SIZES = (7, 8, 9)


class CoreML(fx.Interpreter):
    """A graph whose poolings are computed as Core ML computes what coremltools makes of them."""

    def run_node(self, node: fx.Node) -> object:
        kind = getattr(getattr(node.target, "_schema", None), "name", "")
        if "_pool" not in kind:
            return super().run_node(node)
        bound = {name: self.map_nodes_to_values(value, node) for name, value in arguments(node).items()}
        x = bound["self"].numpy()
        sides = [(amount, amount) for amount in bound["padding"]]
        where = (x, bound["kernel_size"], bound["stride"], sides, bound["ceil_mode"])
        if "max" in kind:
            return torch.from_numpy(core_ml.largest(*where))
        assert bound.get("divisor_override") is None, "which coremltools refuses"
        is_whole = core_ml.shape(*where) == core_ml.shape(*where[:4], False)
        assert x.ndim < 5 or is_whole or not bound["count_include_pad"], "which coremltools refuses"
        return torch.from_numpy(core_ml.average(*where, not bound["count_include_pad"]))


def _all(law: Callable[[Tensor, int, int, int], Tensor]) -> Lambda:
    return Lambda(lambda _, x: [law(x, *windows) for windows in WINDOWS])


def _assert_same_in_core_ml(model: Lambda, rank: int) -> int:
    """The rewritten graph, computed as Core ML does, gives what PyTorch gives; returns the number of sites."""
    before = traced(model, (1, 2, *SIZES[:rank]))
    after, (applied,) = rewritten(before, LowerPoolings())
    (x,) = random_inputs([(1, 2, *SIZES[:rank])])
    x = x.float()
    with torch.no_grad():
        for got, want in zip(CoreML(after.graph_module).run(x), model(x), strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got.float(), want, atol=1e-6)
    return len(applied.sites)


@pytest.mark.parametrize(("rank", "ceil_mode"), [(1, True), (2, False), (2, True), (3, True)])
def test_core_ml_computes_what_pytorch_does(rank: int, ceil_mode: bool) -> None:
    average, largest = AVERAGES[rank], LARGEST[rank]
    counted = _assert_same_in_core_ml(_all(lambda x, k, s, p: average(x, k, s, p, ceil_mode)), rank)
    left_out = _assert_same_in_core_ml(_all(lambda x, k, s, p: average(x, k, s, p, ceil_mode, False)), rank)
    highest = _assert_same_in_core_ml(_all(lambda x, k, s, p: largest(x, k, s, p, 1, ceil_mode)), rank)
    if ceil_mode:
        assert counted > left_out > 0 and highest == left_out
    else:
        assert (counted, left_out, highest) == (0, 0, 0)


@pytest.mark.parametrize("rank", [2, 3])
def test_a_divisor_of_the_user_s(rank: int) -> None:
    divided = _all(lambda x, k, s, p: AVERAGES[rank](x, k, s, p, True, False, 5))
    assert _assert_same_in_core_ml(divided, rank) == len(WINDOWS)


def test_a_window_over_the_edge() -> None:
    """The figures of coremltools' issue 2772: a Mac gives 4.75 where PyTorch gives 9.5."""
    before = traced(Lambda(lambda _, x: F.avg_pool2d(x, 2, 3, ceil_mode=True)), (1, 1, 7, 7))
    after, _ = rewritten(before, LowerPoolings())
    for graph, row in ((before, [4, 7, 4.75]), (after, [4, 7, 9.5])):
        (found,) = CoreML(graph.graph_module).run(torch.arange(49.0).reshape(1, 1, 7, 7))
        assert found[0, 0, 0].tolist() == row


def test_law() -> None:
    """A pooling of each kind, in float64."""
    found = prove(
        Lambda(
            lambda _, x: [
                F.avg_pool2d(x, 2, 3, 0, True),
                F.avg_pool2d(x, (3, 2), 2, (1, 0), True),
                F.avg_pool2d(x, 2, 4, 0, True, False),
                F.avg_pool2d(x, 3, 2, 1, divisor_override=5),
                F.max_pool2d(x, 2, 4, 0, 1, True),
                F.max_pool2d(x, 2),
            ]
        ),
        LowerPoolings(),
        (2, 3, 7, 9),
        sites=6,
    )
    assert found.count("avg_pool2d") == 4 and found.count("max_pool2d") == 2


def test_left_alone() -> None:
    """Where both compute the same: no ceil mode, no window over the edge, or padding that is not counted."""
    same = [
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 0, True),
        lambda x: F.avg_pool2d(x, 3, 3, 1, True, False),
        lambda x: F.max_pool2d(x, 3, 3, 1, 1, True),
        lambda x: F.adaptive_avg_pool2d(x, 1),
    ]
    prove(Lambda(lambda _, x: [law(x) for law in same]), LowerPoolings(), (2, 3, 7, 9), sites=0)
