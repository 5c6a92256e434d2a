"""Cases that a model does not take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cloformer.errors import UnsupportedError
from cloformer.export.parity.answered import answered
from cloformer.export.reference.cases import Case, Inputs
from cloformer.export.source.signature import Signature, TensorSpec

SPEC = TensorSpec("x", (2, 2))
SIGNATURE = Signature((SPEC,), (TensorSpec("output", (2, 2)),))
OWN = Inputs((SPEC,), {}, {})


class Inverse(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.inv(x)


def _case(kind: str, values: object) -> Case:
    return Case(f"a {kind}", kind, {"x": np.asarray(values, np.float64)})


def test_what_nobody_gave_is_left_out_and_told() -> None:
    sound, zeros = _case("noise", [[2, 0], [0, 4]]), _case("hostile", np.zeros((2, 2)))
    found, notes = answered(Inverse(), SIGNATURE, [zeros, sound], OWN)
    ((case, (given,)),) = found
    assert case is sound
    np.testing.assert_allclose(given, [[0.5, 0], [0, 0.25]])
    assert len(notes) == 1 and "a hostile" in notes[0] and "singular" in notes[0]


def test_what_the_model_is_for_is_not_left_out() -> None:
    with pytest.raises(UnsupportedError) as caught:
        answered(Inverse(), SIGNATURE, [_case("photograph", np.zeros((2, 2)))], OWN)
    assert "a photograph" in caught.value.lines[0] and "test_parity_answered:Inverse" in caught.value.lines[1]


def test_nothing_left_is_no_comparison() -> None:
    with pytest.raises(UnsupportedError, match="singular"):
        answered(Inverse(), SIGNATURE, [_case("hostile", np.zeros((2, 2)))], OWN)
