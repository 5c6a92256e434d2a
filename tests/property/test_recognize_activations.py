from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from proof import Lambda, assert_equal, prove, random_inputs, rewritten, traced
from torch import Tensor

from cloformer.export.passes.recognize_activations import RecognizeActivations


@pytest.mark.parametrize(
    ("law", "operator"),
    [
        (lambda m, x: x * torch.sigmoid(x), "silu"),
        (lambda m, x: torch.sigmoid(x) * x, "silu"),
        (lambda m, x: torch.sigmoid(x).mul_(x), "silu"),
        (lambda m, x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))), "gelu"),
        (lambda m, x: x * 0.5 * (1.0 + torch.erf(x * math.sqrt(0.5))), "gelu"),
        (lambda m, x: x * (torch.erf(x / 1.4142135623730951) + 1) * 0.5, "gelu"),
        (lambda m, x: 0.5 * (x * (1 + torch.erf(x / math.sqrt(2)))), "gelu"),
        (lambda m, x: x / 2 * (1 + torch.erf(x / math.sqrt(2))), "gelu"),
        (lambda m, x: (1 + torch.erf(0.5 * x * math.sqrt(2))) * (x / 4 * 2), "gelu"),
    ],
)
def test_activation_recognized(law, operator: str) -> None:
    assert prove(Lambda(law), RecognizeActivations(), (2, 30), sites=1) == [operator]


def test_root_of_two_in_single_precision() -> None:
    """1.4142135 is the float32 number nearest to the root: the model computes with it, not with the digits."""
    law = lambda m, x: 0.5 * x * (1 + torch.erf(x / 1.4142135))  # noqa: E731
    after, applied = rewritten(traced(Lambda(law), (2, 30)), RecognizeActivations())
    assert len(applied[0].sites) == 1
    x = random_inputs([(2, 30)])[0].float()
    assert_equal(after.graph_module(x)[0], law(None, x), 1e-6)  # float32 rounds at 6e-8


@pytest.mark.parametrize(
    ("law", "left"),
    [
        (lambda m, x: (x * torch.sigmoid(x), torch.sigmoid(x)), ["sigmoid", "silu"]),
        (lambda m, x: ((y := torch.tanh(x)) * torch.sigmoid(y), y + 1), ["add", "silu", "tanh"]),
        (lambda m, x: torch.relu(x * torch.sigmoid(x)) * torch.sigmoid(x * 2), ["mul", "mul", "relu", "sigmoid", "silu"]),
        (lambda m, x: x * torch.sigmoid(x) * x, ["mul", "silu"]),
    ],
    ids=["a gate of its own", "operand read again", "another product after", "a third factor"],
)  # fmt: skip
def test_beside_other_readers(law, left: list[str]) -> None:
    assert sorted(prove(Lambda(law), RecognizeActivations(), (2, 30), sites=1)) == left


def test_one_after_another() -> None:
    law = lambda m, x: (y := x * torch.sigmoid(x)) * torch.sigmoid(y)  # noqa: E731
    assert prove(Lambda(law), RecognizeActivations(), (2, 30), sites=2) == ["silu", "silu"]


def _half_read_again(m: Lambda, x: Tensor) -> Tensor:
    half = 0.5 * x
    return half * (1 + torch.erf(x / math.sqrt(2))) + half


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "other slope": lambda m, x: x * torch.sigmoid(2 * x),
    "gate read twice": lambda m, x: (x * (gate := torch.sigmoid(x)), gate),
    "gate of another": lambda m, x: x * torch.sigmoid(x + 1),
    "gate squared": lambda m, x: (gate := torch.sigmoid(x)) * gate,
    "gate of a copy": lambda m, x: (x + 0.0) * torch.sigmoid(x),
    "wrong root": lambda m, x: 0.5 * x * (1 + torch.erf(x / 1.5)),
    "root of four digits": lambda m, x: 0.5 * x * (1 + torch.erf(x / 1.4142)),
    "root of six digits": lambda m, x: 0.5 * x * (1 + torch.erf(x / 1.414214)),
    "no root": lambda m, x: 0.5 * x * (1 + torch.erf(x)),
    "root times": lambda m, x: 0.5 * x * (1 + torch.erf(x * math.sqrt(2))),
    "wrong half": lambda m, x: 0.25 * x * (1 + torch.erf(x / math.sqrt(2))),
    "no half": lambda m, x: x * (1 + torch.erf(x / math.sqrt(2))),
    "negative half": lambda m, x: -0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "wrong one": lambda m, x: 0.5 * x * (2 + torch.erf(x / math.sqrt(2))),
    "scaled error function": lambda m, x: 0.5 * x * torch.add(1, torch.erf(x / math.sqrt(2)), alpha=2),
    "scaled one": lambda m, x: 0.5 * x * torch.add(torch.erf(x / math.sqrt(2)), 1, alpha=2),
    "one minus": lambda m, x: 0.5 * x * (1 - torch.erf(x / math.sqrt(2))),
    "other operand": lambda m, x: 0.5 * x * (1 + torch.erf(torch.relu(x) / math.sqrt(2))),
    "operand twice": lambda m, x: 0.5 * x * x * (1 + torch.erf(x / math.sqrt(2))),
    "half read again": _half_read_again,
    "tanh form": lambda m, x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "constants in tensors": lambda m, x: m.a_half * x * (1 + torch.erf(x / m.root)),
}  # fmt: skip


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    model = Lambda(_LEFT_ALONE[name], a_half=torch.tensor(0.5), root=torch.tensor(1.5))
    prove(model, RecognizeActivations(), (2, 30), sites=0)


def test_division_by_zero_is_no_factor() -> None:
    before = traced(Lambda(lambda m, x: x / 0 * (1 + torch.erf(x / 0))), (2, 3))
    assert not rewritten(before, RecognizeActivations())[1][0].sites
