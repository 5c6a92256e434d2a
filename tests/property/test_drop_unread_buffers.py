from __future__ import annotations

import torch
from proof import operators, rewritten, traced
from torch import Tensor, nn

from cloformer.export.passes.drop_unread_buffers import DropUnreadBuffers


class Counting(nn.Module):
    """It counts its calls; with ``reads``, what it gives depends on them."""

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.reads = reads

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return 2 * x + self.calls if self.reads else 2 * x


def test_a_counter_that_nothing_reads_goes() -> None:
    after, (applied,) = rewritten(traced(Counting(reads=False), (2, 3)), DropUnreadBuffers())
    assert len(applied.sites) == 1 and operators(after) == ["mul"]
    assert not list(after.graph_module.buffers())
    x = torch.randn(2, 3)
    assert torch.equal(after.graph_module(x)[0], Counting(reads=False)(x))


def test_one_that_an_output_depends_on_stays() -> None:
    after, (applied,) = rewritten(traced(Counting(reads=True), (2, 3)), DropUnreadBuffers())
    assert not applied.sites and "copy_" in operators(after)
