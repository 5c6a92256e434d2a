"""What a layer reads, rounded between the ends of its own range: on a grid, no farther off than half a step, zero being zero."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, assert_exports_again, in_float64, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.compress_weights import CompressWeights
from cloformer.export.passes.round_by_range import RoundByRange
from cloformer.export.passes.stored import round_by_range

PASSES = (CompressWeights("int8", "channel", "float32"), RoundByRange())
# The layer, the shape that it reads, and the axes that have one range.
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]] = {
    "convolution": (lambda: nn.Conv2d(16, 8, 3, padding=1), (2, 16, 5, 6), (1, 2, 3)),
    "of one name": (lambda: nn.Conv2d(16, 8, 3, padding="same"), (2, 16, 5, 6), (1, 2, 3)),
    "every second place": (lambda: nn.Conv2d(32, 32, 1, stride=2), (2, 32, 5, 6), (1, 2, 3)),
    "single places": (lambda: nn.Conv2d(32, 32, 1), (2, 32, 3, 4), (1,)),
    "linear": (lambda: nn.Linear(32, 32), (2, 3, 32), (2,)),
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    low=st.sampled_from([-300.0, -1.0, -1e-3, 0.0, 0.5]), width=st.sampled_from([0.0, 1e-3, 1.0, 900.0]),
    axes=st.sampled_from([(1,), (2,), (1, 2)]), seed=st.integers(0, 5),
)  # fmt: skip
def test_law(low: float, width: float, axes: tuple[int, ...], seed: int) -> None:
    drawn = torch.rand(2, 5, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    value = low + width * drawn
    value[0, 0, 0] = 0
    got = round_by_range(value, list(axes))
    ends = value.amin(axes, keepdim=True).clamp(max=0), value.amax(axes, keepdim=True).clamp(min=0)
    step = (ends[1] - ends[0]) / 255
    assert bool((got[value == 0] == 0).all())
    # Zero is one of the steps, by which the ends may be half a step off.
    assert bool(((got - value).abs() <= step * (1 + 1e-9)).all())
    inside = (value > ends[0] + step) & (value < ends[1] - step)
    assert bool(((got - value).abs() <= step / 2 * (1 + 1e-9))[inside].all())
    steps = torch.where(step > 0, got / step, 0.0)
    assert bool(((steps - steps.round()).abs() < 1e-6).all())


@pytest.mark.parametrize("kind", LAYERS)
def test_each_layer_by_the_range_that_it_has(kind: str) -> None:
    make, shape, axes = LAYERS[kind]
    before = traced(Lambda(lambda m, x: (m.layer(x), x), layer=fill(make())), shape)
    small, _ = rewritten(before, PASSES[0], cast=False)
    after, applied = rewritten(before, *PASSES, cast=False)
    assert len(applied[1].sites) == 1
    value = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got, same = in_float64(after.graph_module)(value)
    want, _ = in_float64(small.graph_module)(round_by_range(value, list(axes)))
    assert torch.equal(got, want) and torch.equal(same, value)  # another reader gets the value itself
    assert_exports_again(rewritten(before, *PASSES)[0], [value.float()])


def test_readers_of_one_value_round_it_once() -> None:
    parts = {name: nn.Linear(32, 32) for name in ("one", "other")}
    before = traced(Lambda(lambda m, x: m.one(x) + m.other(x), **parts), (2, 32))
    after, applied = rewritten(before, *PASSES)
    assert len(applied[1].sites) == 2
    assert [node.target for node in after.graph_module.graph.nodes].count(round_by_range) == 1


def _averaging(channels: int) -> nn.Module:
    layer = nn.Conv2d(channels, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 1 / channels)
    return layer


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Conv2d(64, 64, 5, groups=64), (1, 64, 6, 6)),
        (lambda: nn.Conv2d(32, 64, 3, groups=2), (1, 32, 6, 6)),
        (lambda: nn.Conv1d(32, 32, 3), (1, 32, 8)),
        (lambda: nn.ConvTranspose2d(16, 32, 3), (1, 16, 4, 4)),
        (lambda: _averaging(1024), (1, 1024, 2, 2)),
    ],
    ids=["depthwise", "groups", "one axis", "transposed", "averages"],
)
def test_left_alone(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    before = traced(make(), shape)
    small, _ = rewritten(before, PASSES[0])
    after, applied = rewritten(before, *PASSES)
    assert applied[1].sites == ()
    value = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    found: tuple[Tensor, Tensor] = (after.graph_module(value)[0], small.graph_module(value)[0])
    assert torch.equal(*found)


def test_a_layer_whose_weight_is_in_float_is_left_alone() -> None:
    parts = {"small": nn.Linear(16, 32), "large": nn.Linear(32, 32)}
    before = traced(Lambda(lambda m, x: m.large(m.small(x)), **parts), (2, 16))
    after, applied = rewritten(before, *PASSES)
    assert len(applied[1].sites) == 1
    first = next(node for node in after.graph_module.graph.nodes if "linear" in str(node.target))
    assert first.args[0].op == "placeholder"
