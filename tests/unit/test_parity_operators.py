"""Whose error it is: an operator's own, one that it was given, or that of a value which the written model reads past."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from proof import traced
from torch import nn

from cloformer.export.parity.judge import Types
from cloformer.export.parity.operators import Comparison, program_origins
from cloformer.export.source.trace import lower

X = np.linspace(0.1, 2.4, 24, dtype=np.float32).reshape(1, 24)


class MovedTwice(nn.Module):
    """The sine of 3 x, moved by two steps to where its rows are added up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 3).sin().reshape(1, 4, 6).reshape(1, 2, 12).sum(-1)


def _verdicts(**changed: float) -> Mapping[str, str]:
    """Of each value, with some made so many times as large: what follows is computed from it, unless it is named too."""
    program = lower(traced(MovedTwice(), (1, 24)))
    values: dict[str, np.ndarray] = {}
    value = X.astype(np.float64)
    for name, step in (
        ("mul", lambda x: x * 3), ("sin", np.sin), ("view", lambda x: x.reshape(1, 4, 6)),
        ("view_1", lambda x: x.reshape(1, 2, 12)), ("sum_1", lambda x: x.sum(-1)),
    ):  # fmt: skip
        value = step(value)
        values[name] = value * changed.get(name, 1.0)
        value = values[name] if name != "view" else value  # both moves are of the sine itself
    found = Comparison(program, program_origins(program), Types("float32", "float32"))
    found.add("noise", {"x0": X}, {name: value.astype(np.float32) for name, value in values.items()})
    assert not found.missing
    return {item.node: item.verdict for item in found.operators}


SOUND = dict.fromkeys(("mul", "sin", "view", "view_1", "sum_1"), "right")


@pytest.mark.parametrize(
    ("changed", "verdicts"),
    [
        ({}, {}),
        ({"sum_1": 1.2}, {"sum_1": "wrong here"}),
        ({"sin": 1.2}, {"sin": "wrong here", "view": "inherited", "view_1": "inherited", "sum_1": "inherited"}),
        ({"view": 1.2}, {"view": "wrong here"}),  # what is behind it is of the sine
        ({"view": 1.2, "view_1": np.nan}, {"view": "wrong here", "view_1": "wrong here", "sum_1": "inherited"}),  # no number is right of any
        ({"view": 1.2, "view_1": 1.1}, {"view": "wrong here", "view_1": "wrong here", "sum_1": "inherited"}),
    ],
)  # fmt: skip
def test_whose_error_it_is(changed: Mapping[str, float], verdicts: Mapping[str, str]) -> None:
    assert _verdicts(**changed) == {**SOUND, **verdicts}
