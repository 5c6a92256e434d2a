from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, operators, prove, rewritten, traced
from torch import Tensor

from cloformer.export.passes.write_out_attention import WriteOutAttention

attend = F.scaled_dot_product_attention


IS_SEEN = torch.ones(4, 6, dtype=torch.bool).tril()
IS_SEEN[1] = False  # a row that is masked whole
MASKS = {"is_seen": IS_SEEN, "infinities": torch.zeros(4, 6).masked_fill(~IS_SEEN, -math.inf),
         "bias": torch.linspace(-1, 1, 24).reshape(4, 6)}  # fmt: skip


# Of queries (2, 3, 4, 5), and keys and values that are six of them.
FORMS: dict[str, Callable[[Any, Tensor, Tensor, Tensor], Tensor]] = {
    "three axes": lambda m, q, k, v: attend(q[0], k[0], v[0]),
    "two axes": lambda m, q, k, v: attend(q[0, 0], k[0, 0], v[0, 0]),
    "five axes": lambda m, q, k, v: attend(q[None], k[None], v[None], scale=0.3),
    "triangle": lambda m, q, k, v: attend(q, k, v, is_causal=True),
    "triangle of three axes": lambda m, q, k, v: attend(k[0], q[0], q[0], is_causal=True),
    "bias": lambda m, q, k, v: attend(q, k, v, m.bias),
    "rows masked whole": lambda m, q, k, v: attend(q, k, v, m.is_seen),
    "rows of infinities": lambda m, q, k, v: attend(q, k, v, m.infinities),
    "a mask that is computed": lambda m, q, k, v: attend(q, k, v, q[..., :1] > 0.3 * k[:, :, :1, :1].transpose(2, 3)),
    "keys that are masked": lambda m, q, k, v: attend(q, k, v, (k[:, :, :, 0] > 0)[:, :, None]),
    "a bias that is computed": lambda m, q, k, v: attend(q, k, v, k[:, :1, :, :1].mT),
    "infinities that are computed": lambda m, q, k, v: attend(q, k, v, torch.log(torch.relu(q[..., :1])) + k[:, :1, :, :1].mT),
    "fewer heads of keys": lambda m, q, k, v: attend(q, k[:, :1], v[:, :1], enable_gqa=True),
}  # fmt: skip


@pytest.mark.parametrize("wanted", [list(FORMS)[:7], list(FORMS)[7:]], ids=["first", "rest"])
def test_law(wanted: list[str]) -> None:
    model = Lambda(lambda m, q, k, v: [FORMS[name](m, q, k, v) for name in wanted], **MASKS)
    shapes = ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5))
    found = prove(model, WriteOutAttention(), *shapes, sites=len(wanted))
    assert "scaled_dot_product_attention" not in found


def test_a_row_that_is_masked_whole_is_zero_and_nothing_is_no_number() -> None:
    """PyTorch's zeros; the values on the way, which runtimes treat as they like, are numbers too."""
    model = Lambda(lambda _, q, k: attend(q, k, k, q[..., :1] > 1e9))
    after, _ = rewritten(traced(model, (1, 1, 4, 5), (1, 1, 6, 5)), WriteOutAttention())
    q, k = torch.randn(1, 1, 4, 5), torch.randn(1, 1, 6, 5)
    assert torch.equal(after.graph_module(q, k)[0], torch.zeros(1, 1, 4, 5))
    seen = [
        node.meta["val"].shape for node in after.graph_module.graph.nodes if "softmax" in str(node.target)
    ]
    assert seen == [(1, 1, 4, 6)]


def test_a_mask_that_masks_no_row_whole_costs_an_addition() -> None:
    bias = torch.linspace(-1, 1, 24).reshape(4, 6)
    model = Lambda(lambda self, q, k, v: attend(q, k, v, self.bias), bias=bias)
    after, _ = rewritten(traced(model, (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5)), WriteOutAttention())
    assert operators(after) == ["mul", "transpose", "matmul", "add", "softmax", "matmul"]


def test_left_alone() -> None:
    """What torch.onnx converts."""
    plain = Lambda(lambda _, q, k, v: attend(q, k, v, scale=0.3))
    shapes = (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5)
    prove(plain, WriteOutAttention(), *shapes, sites=0)
    found = prove(plain, WriteOutAttention(everywhere=True), *shapes, sites=1)
    assert found == ["mul", "transpose", "matmul", "softmax", "matmul"]
