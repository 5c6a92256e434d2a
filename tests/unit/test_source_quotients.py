"""Whole quotients are PyTorch's, and the least number divided by -1 ends no process."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from proof import Lambda, traced

from cloformer.export.reference.references import Reference
from cloformer.export.reference.rounding import Format
from cloformer.export.source.quotients import truncated


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_quotients_are_pytorch_s_and_the_least_number_has_one(kind: torch.dtype) -> None:
    x = torch.arange(-50, 50).to(kind)[:, None]
    y = torch.tensor([-7, -3, -1, 1, 2, 49], dtype=kind)
    assert torch.equal(truncated(x, y), torch.div(x, y, rounding_mode="trunc"))
    assert torch.equal(truncated(x, 7), torch.div(x, 7, rounding_mode="trunc"))
    least = torch.tensor([torch.iinfo(kind).min])
    assert truncated(least.to(kind), -1).dtype is kind


def test_what_is_infinite_in_float16_is_divided_too() -> None:
    law = Lambda(lambda _, x: torch.div((1e6 * x).int(), (x * 0).int() - 1, rounding_mode="trunc"))
    reference = Reference(traced(law, (1, 4)))
    given = {"x0": np.array([[0.5, -1.0, 2.0, 3.0]], np.float32)}
    form = Format.of("float16", narrow_sums=False)
    (expected,) = reference.expected(given, form, reference.twin.signature.outputs)
    assert expected.want.tolist() == [[-500000, 1000000, -2000000, -3000000]]
