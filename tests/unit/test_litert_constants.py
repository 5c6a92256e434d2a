"""Constants that litert-torch would confuse or make finite."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from extras import needs_litert
from torch import Tensor, nn
from torch.export import ExportedProgram

pytestmark = needs_litert
KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2" / "litert" / "model.tflite"


class Tables(nn.Module):
    """A table whose numbers do not lie in order, one under two names, and a mask."""

    def __init__(self, outside: float) -> None:
        super().__init__()
        self.register_buffer("turned", torch.arange(6.0).reshape(2, 3).T)
        self.register_buffer("plain", torch.arange(6.0).reshape(3, 2))
        self.register_buffer("mask", torch.tensor([[0.0, outside]]))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.turned * self.plain + self.mask


def _program(outside: float = -math.inf) -> ExportedProgram:
    return torch.export.export(Tables(outside), (torch.zeros(3, 2),))


def test_each_constant_is_a_tensor_of_its_own() -> None:
    from cloformer.export.formats.litert.constants import keep_constants_apart

    program = _program()
    before, constants = dict(program.state_dict), program.constants
    keep_constants_apart(program)
    after = program.state_dict
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(value.is_contiguous() for value in after.values())
    assert after["plain"] is before["plain"]  # nothing is copied that need not be
    assert after["mask"].data_ptr() != before["mask"].data_ptr()
    assert program.constants is not constants  # which another program may hold


@pytest.mark.parametrize(("held", "expected"), [(-math.inf, -math.inf), (-1.0, None)])
def test_infinite_where_the_program_is(held: float, expected: float | None) -> None:
    from cloformer.export.formats.litert.constants import restore_infinities
    from cloformer.export.formats.litert.file import array_of, read_model

    model, least = read_model(KEPT), np.finfo(np.float32).min
    tensor = next(item for item in model.subgraphs[0].tensors if array_of(model, item) is not None)
    numbers = np.array(array_of(model, tensor))
    numbers.flat[0] = least
    model.buffers[tensor.buffer].data = np.frombuffer(numbers.tobytes(), np.uint8)
    restore_infinities(model, _program(held))
    found = array_of(model, tensor)
    assert found is not None
    assert found.flat[0] == (least if expected is None else expected)
    assert np.array_equal(found.flat[1:], numbers.flat[1:])
