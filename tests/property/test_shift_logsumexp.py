from __future__ import annotations

import math

import pytest
import torch
from proof import Lambda, prove, rewritten, traced

from cloformer.export.passes.lower_log_softmax import LowerLogSoftmax
from cloformer.export.passes.shift_logsumexp import ShiftLogsumexp


@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize("axes", [1, -1, (0, 2)])
def test_law(axes: int | tuple[int, ...], keepdim: bool) -> None:
    network = Lambda(lambda _, x: torch.logsumexp(9 * x, axes, keepdim))
    found = prove(network, ShiftLogsumexp(), (2, 7, 5), sites=1)
    assert found[1:5] == ["amax", "clamp", "sub", "logsumexp"]


def test_nothing_in_it_is_beyond_float16() -> None:
    """Of 32 channels at 7.7 the exponentials add up to more than float16 has; below the largest, to 32."""
    after, _ = rewritten(traced(Lambda(lambda _, x: torch.logsumexp(x, 1)), (1, 32)), ShiftLogsumexp())
    x = torch.full((1, 32), 7.7)
    assert x.half().exp().sum().isinf()
    interior = torch.fx.Interpreter(after.graph_module)
    largest = []
    run = interior.run_node
    interior.run_node = lambda node: largest.append(run(node)) or largest[-1]  # type: ignore[method-assign, func-returns-value]
    (found,) = interior.run(x.half())
    below = next(
        value for value in largest if torch.is_tensor(value) and value.shape == x.shape and value.max() == 0
    )
    assert below.exp().sum() == 32
    assert found.item() == pytest.approx(7.7 + math.log(32), abs=2e-3 * 11)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_numbers_give_what_they_gave(value: float) -> None:
    network = Lambda(lambda _, x: torch.logsumexp(x, 1))
    after, _ = rewritten(traced(network, (1, 3)), ShiftLogsumexp())
    for x in (torch.full((1, 3), value), torch.tensor([[value, 1.0, 2.0]])):
        assert torch.equal(after.graph_module(x)[0], network(x))


def test_left_alone() -> None:
    """What is a difference from its own largest, as two passes write it."""
    network = Lambda(lambda _, x: x.log_softmax(1) + torch.logsumexp(x, 1, True))
    before = traced(network, (2, 3, 4))
    once, _ = rewritten(before, LowerLogSoftmax(), ShiftLogsumexp())
    _, applied = rewritten(before, LowerLogSoftmax(), ShiftLogsumexp(), ShiftLogsumexp())
    assert [len(item.sites) for item in applied] == [1, 1, 0]
    assert sum("logsumexp" in str(node.target) for node in once.graph_module.graph.nodes) == 2
