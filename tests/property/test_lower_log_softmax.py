from __future__ import annotations

import torch
from proof import Lambda, prove, rewritten, traced

from cloformer.export.passes.lower_log_softmax import LowerLogSoftmax


def test_law() -> None:
    law = lambda _, x: x.log_softmax(1) + torch.log_softmax(3 * x, -1)  # noqa: E731
    found = prove(Lambda(law), LowerLogSoftmax(), (2, 3, 4), sites=2)
    assert "log_softmax" not in found


def test_what_is_far_below_is_not_lost_in_float16() -> None:
    """The softmax of it is 0 there, and the logarithm of that infinite."""
    x = torch.tensor([[30.0, -30.0, 29.0]])
    after, _ = rewritten(traced(Lambda(lambda _, x: x.log_softmax(1)), (1, 3)), LowerLogSoftmax())
    (found,) = after.graph_module(x.half())
    torch.testing.assert_close(found.float(), x.log_softmax(1), rtol=1e-3, atol=1e-3)
    assert x.half().softmax(1).log().isinf().any()


def test_left_alone() -> None:
    """A softmax, and one that computes in another type."""
    law = lambda _, x: x.softmax(1).log() + torch.log_softmax(x, 1, dtype=torch.float32)  # noqa: E731
    before = traced(Lambda(law), (2, 3))
    assert not rewritten(before, LowerLogSoftmax())[1][0].sites
