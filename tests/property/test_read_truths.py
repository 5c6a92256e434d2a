from __future__ import annotations

import torch
from proof import Lambda, operators, rewritten

from cloformer.export.passes.read_truths import ReadTruths
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import trace


def test_law() -> None:
    """Of truths, and of the whole numbers that come in their place; once for all that read them."""
    model = Lambda(lambda _, x, mask, unread: [torch.where(mask, x, -x), mask.logical_not(), mask, x * 2])
    inputs = [TensorSpec("x", (2, 5)), TensorSpec("mask", (2, 5), "bool"), TensorSpec("unread", (3,), "bool")]
    after, (applied,) = rewritten(trace(model, inputs), ReadTruths())
    assert len(applied.sites) == 1 and operators(after).count("ne") == 1
    x, mask, unread = torch.randn(2, 5), torch.rand(2, 5) > 0.5, torch.zeros(3, dtype=torch.bool)
    for given in (mask, mask.int()):
        for found, expected in zip(after.graph_module(x, given, unread), model(x, mask, unread), strict=True):
            assert found.dtype == expected.dtype and torch.equal(found, expected)


def test_left_alone() -> None:
    model = Lambda(lambda _, x, number: x * number)
    inputs = [TensorSpec("x", (2, 5)), TensorSpec("number", (2, 5), "int64")]
    _, (applied,) = rewritten(trace(model, inputs), ReadTruths())
    assert not applied.sites
