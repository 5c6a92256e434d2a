"""The float64 reference is shown to be the model, and another one is seen."""

from __future__ import annotations

from collections.abc import Callable

import hard_networks
import numpy as np
import pytest
import torch
from torch import nn

from cloformer.export.parity.yardstick import why_not_the_model
from cloformer.export.reference.outputs import run_model
from cloformer.export.reference.references import Reference
from cloformer.export.source.arrays import Array
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import trace

INPUTS = {"image": np.random.Generator(np.random.PCG64(0)).standard_normal((1, 3, 32, 32))}


def _given(make: Callable[[], nn.Module]) -> tuple[Reference, list[Array]]:
    model = make().eval()
    traced = trace(model, [TensorSpec("image", (1, 3, 32, 32), "float32", "image")])
    return Reference(traced), run_model(model, traced.signature, INPUTS)


@pytest.mark.parametrize(
    "make", [hard_networks.encoder_layers, hard_networks.attention, hard_networks.class_map]
)
def test_a_model_is_itself(make: Callable[[], nn.Module]) -> None:
    """Also where PyTorch runs the module by other kernels than its trace."""
    reference, given = _given(make)
    assert why_not_the_model(reference, INPUTS, given) is None


class OtherOrder(nn.Module):
    """Adds up in another order where it is traced: stands for kernels that a trace does not take."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        numbers = x.flatten(1) * 100
        return numbers.sum(1) if torch.compiler.is_exporting() else sum(numbers.unbind(1), torch.zeros(1))


def test_another_order_of_adding_up_is_rounding() -> None:
    reference, (given,) = _given(OtherOrder)
    steps = {step.node: step.own for step in reference.twin.steps(INPUTS)}
    own = np.asarray(steps[reference.twin.replay.outputs[0]])
    assert np.abs(own - given).max() > 4 * 2.0**-24 * np.abs(own).max()
    assert why_not_the_model(reference, INPUTS, [given]) is None
    assert "another" in str(why_not_the_model(reference, INPUTS, [given * np.float32(1.001)]))


def test_another_model_is_seen() -> None:
    reference, (given,) = _given(hard_networks.encoder_layers)
    moved = given + np.float32(1e-4) * np.abs(given).max()
    assert "another" in str(why_not_the_model(reference, INPUTS, [moved]))
    reference, (places,) = _given(hard_networks.class_map)
    assert "another" in str(why_not_the_model(reference, INPUTS, [(places + 1) % 21]))


def test_a_branch_that_the_trace_does_not_have_is_seen() -> None:
    class Branching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (1.0 if torch.compiler.is_exporting() else 1.001)

    reference, given = _given(Branching)
    assert "another" in str(why_not_the_model(reference, INPUTS, given))


class Magnitudes(nn.Module):
    """Complex numbers, whose operators round more than once where those of real numbers do at most once."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(x.reshape(1, 3, 32, 16, 2))
        return (pairs * pairs / (pairs + 3)).abs()


def test_complex_numbers_round_more_than_once() -> None:
    reference, given = _given(Magnitudes)
    assert why_not_the_model(reference, INPUTS, given) is None
    assert "another" in str(why_not_the_model(reference, INPUTS, [given[0] * np.float32(1.0001)]))
