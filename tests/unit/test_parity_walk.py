"""The walk along a program: what each operator did wrong by itself, apart from what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from proof import traced
from torch import nn
from torch.export import ExportedProgram

from cloformer.export.parity.judge import Types, judge
from cloformer.export.parity.walk import Compared, Walk
from cloformer.export.source.trace import lower


class Chain(nn.Module):
    """3 x, its sine, and the sum of both."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tripled = x * 3
        return tripled + tripled.sin()


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return lower(traced(Chain(), (1, 4)))


X = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)


def _values(program: ExportedProgram, **changed: Any) -> dict[str, np.ndarray]:
    """Every node's value in float64, but for some: what follows a changed one is computed from it."""
    tripled = changed.get("mul", X.astype(np.float64) * 3)
    sine = changed.get("sin", np.sin(tripled))
    return {"mul": tripled, "sin": sine, "add": changed.get("add", tripled + sine)}


def _walked(
    program: ExportedProgram, candidate: Mapping[str, np.ndarray], x: np.ndarray = X
) -> dict[str, Compared]:
    return {item.node: item for item in Walk(program, {"x0": x}, candidate)}


def _own_and_total(item: Compared) -> tuple[float, float]:
    drift = item.drift
    return (
        float((drift.candidate - drift.given_actual_inputs).abs().max()),
        float((drift.candidate - drift.reference).abs().max()) if drift.reference is not None else np.inf,
    )


def test_a_candidate_that_is_right(program: ExportedProgram) -> None:
    found = _walked(program, _values(program))
    assert list(found) == ["mul", "sin", "add"]
    assert [item.operator for item in found.values()] == [
        "aten.mul.Tensor",
        "aten.sin.default",
        "aten.add.Tensor",
    ]
    assert [item.reads for item in found.values()] == [(), ("mul",), ("mul", "sin")]
    assert all(item.names == (name,) for name, item in found.items())
    assert all(max(_own_and_total(item)) < 1e-15 for item in found.values())


def test_what_comes_after_an_error_is_right_in_itself(program: ExportedProgram) -> None:
    found = _walked(program, _values(program, sin=np.full((1, 4), 0.5)))
    assert _own_and_total(found["mul"])[1] < 1e-15
    assert min(_own_and_total(found["sin"])) > 0.2
    own, total = _own_and_total(found["add"])
    assert own < 1e-15 and total > 0.2


def test_what_the_candidate_does_not_give_is_compared_with_what_it_leads_to(program: ExportedProgram) -> None:
    values = _values(program)
    found = _walked(program, {"mul": values["mul"], "add": values["add"] + 0.5})
    assert list(found) == ["mul", "add"]
    assert (found["add"].names, found["add"].reads) == (("sin", "add"), ("mul",))
    assert _own_and_total(found["add"])[0] == pytest.approx(0.5)


def test_a_value_of_another_shape_is_another_value(program: ExportedProgram) -> None:
    values = _values(program)
    assert list(_walked(program, values | {"sin": values["sin"][0]})) == ["mul", "add"]


def test_nothing_given_is_nothing_compared(program: ExportedProgram) -> None:
    assert _walked(program, {}) == {}


def test_axes_in_another_order_are_no_error() -> None:
    """Of the same size, so that the shape says nothing; compared where the value is next in place."""
    program = lower(traced(Chain(), (3, 3)))
    x = np.arange(9, dtype=np.float32).reshape(3, 3) / 10
    tripled = x.astype(np.float64) * 3
    candidate = {"mul": tripled.T, "sin": np.sin(tripled), "add": tripled + np.sin(tripled)}
    found = {item.node: item for item in Walk(program, {"x0": x}, candidate)}
    assert list(found) == ["sin", "add"]
    assert found["sin"].names == ("mul", "sin")
    assert max(_own_and_total(found["sin"])) < 1e-15
    candidate["mul"] = tripled + np.eye(3)  # no order of axes gives these numbers
    found = {item.node: item for item in Walk(program, {"x0": x}, candidate)}
    assert min(_own_and_total(found["mul"])) == pytest.approx(1)


def test_axes_in_another_order_are_put_back() -> None:
    """Of a value whose shape says so; the fault beside it is its own."""

    class Exchanged(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sin().exp()

    exchanged = lower(traced(Exchanged(), (1, 2, 3)))
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 7
    sine = np.sin(x.astype(np.float64))
    values = {"sin": sine.transpose(0, 2, 1), "exp": np.exp(sine)}
    for value, own in ((values["sin"], 0.0), (values["sin"] + 0.25, 0.25)):
        found = _walked(exchanged, values | {"sin": value}, x)
        assert list(found) == ["sin", "exp"] and found["sin"].reads == ()
        assert _own_and_total(found["sin"])[0] == pytest.approx(own, abs=1e-12)
    assert list(_walked(exchanged, values | {"sin": sine[..., :2]}, x)) == [
        "exp"
    ]  # no order gives this shape


@pytest.mark.parametrize(("off", "is_wrong"), [(2.0**-24, False), (1e-3, True)])
def test_a_constant_that_the_candidate_computes_itself_is_rounded_on_the_way(
    off: float, is_wrong: bool
) -> None:
    """A table of sines that is moved: what moves it rounds nothing, and what made it does."""

    class Table(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * torch.arange(4.0).sin().unsqueeze(0)

    found = lower(traced(Table(), (1, 4)))
    table = np.sin(np.arange(4.0, dtype=np.float32))[None]
    moved = table * np.float32(1 + 2 * off)
    item = _walked(found, {"unsqueeze": moved, "mul": X * moved})["unsqueeze"]
    assert judge(item, 1, Types("float32", "float32")).is_wrong is is_wrong
