from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove, rewritten, traced

from cloformer.export.passes.lower_log_sigmoid import LowerLogSigmoid
from cloformer.export.passes.split_softplus import SplitSoftplus


@pytest.mark.parametrize("beta", [0.5, 1, 3])
@pytest.mark.parametrize("gain", [0.1, 1.5])
def test_law(beta: float, gain: float) -> None:
    network = Lambda(lambda _, x: F.softplus(gain * x, beta))
    found = prove(network, SplitSoftplus(), (2, 7, 5), sites=1)
    assert {"relu", "abs", "neg", "softplus"} <= set(found)


def test_mish() -> None:
    found = prove(Lambda(lambda _, x: F.mish(2 * x)), SplitSoftplus(), (2, 7, 5), sites=1)
    assert "mish" not in found


def test_no_softplus_is_fed_more_than_nothing() -> None:
    """From 20 on PyTorch takes a softplus for its operand; the sum is 2e-9 more, and the same in float32."""
    after, _ = rewritten(traced(Lambda(lambda _, x: F.softplus(x)), (1, 6)), SplitSoftplus())
    x = torch.tensor([[-80.0, -1.0, 0.0, 10.5, 25.0, 60000.0]])
    assert torch.equal(after.graph_module(x)[0], F.softplus(x))
    fed = []
    interior = torch.fx.Interpreter(after.graph_module)
    call = interior.call_function
    interior.call_function = lambda target, args, kwargs: (  # type: ignore[method-assign]
        fed.append(args[0].max().item()) if "softplus" in str(target) else None,
        call(target, args, kwargs),
    )[1]
    interior.run(x)
    assert fed == [0.0]


def test_of_a_log_sigmoid() -> None:
    prove(Lambda(lambda _, x: F.logsigmoid(3 * x)), [LowerLogSigmoid(), SplitSoftplus()], (2, 5), sites=2)


def test_left_alone() -> None:
    """What ends before 20, what turns its operand, and what this pass wrote."""
    network = Lambda(lambda _, x: F.softplus(x, 1, 3) + F.softplus(x, -1.0) + F.softplus(-x.abs()))
    prove(network, SplitSoftplus(), (2, 5), sites=0)
