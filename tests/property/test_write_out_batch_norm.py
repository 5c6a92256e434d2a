from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import nn
from torch.nn import functional as F

from cloformer.export.passes.write_out_batch_norm import WriteOutBatchNorm

_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_OPERATORS = {2: {"mul", "add"}, 3: {"conv1d"}, 4: {"conv2d"}, 5: {"mul", "add"}}


def _drawn(norm: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for tensor in [*norm.parameters(), *norm.buffers()]:
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 2.0)
    return norm


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    rank=st.sampled_from(sorted(_NORMS)),
    affine=st.booleans(),
    eps=st.sampled_from([1e-5, 0.5]),
    batch=st.integers(1, 3),
    channels=st.integers(1, 4),
)
def test_law(rank: int, affine: bool, eps: float, batch: int, channels: int) -> None:
    model = Lambda(lambda m, x: m.norm(x), norm=_drawn(_NORMS[rank](channels, affine=affine, eps=eps)))
    found = prove(model, WriteOutBatchNorm(), (batch, channels, 3, 4, 2)[:rank], sites=1)
    assert _OPERATORS[rank] <= set(found) and "batch_norm" not in found


def test_several_in_a_row_and_the_same_twice() -> None:
    model = Lambda(
        lambda m, x: m.a(m.b(x).relu()) + m.a(x), a=_drawn(nn.BatchNorm2d(3)), b=_drawn(nn.BatchNorm2d(3))
    )
    prove(model, WriteOutBatchNorm(), (2, 3, 4, 5), sites=3)


@pytest.mark.parametrize("which", ["training", "computed weights"])
def test_left_alone(which: str) -> None:
    def statistics(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, None, None, training=True)

    def computed(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, m.mean, m.variance, weight=x.mean((0, 2, 3)))

    parts = {"mean": torch.zeros(3), "variance": torch.ones(3)}
    model = Lambda(statistics if which == "training" else computed)
    for name, value in parts.items():
        model.register_buffer(name, value)
    prove(model, WriteOutBatchNorm(), (2, 3, 4, 5), sites=0)
