"""Channels between layers are scaled by powers of two: the same digits, and weights that are alike on both sides."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from benchmarks.equalize_layers import EqualizeLayers
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.compress_weights import CompressWeights
from cloformer.export.passes.correct_bias import CorrectBias
from cloformer.export.passes.fold_batch_norm import FoldBatchNorm
from cloformer.export.passes.note_means import NoteMeans

SHAPE = (2, 4, 6, 7)


def uneven(layer: nn.Module, outputs: int = 0) -> nn.Module:
    """``layer`` with channels of very different size."""
    with torch.no_grad():
        count = layer.weight.shape[outputs]
        sizes = torch.logspace(-2, 2, count).reshape(
            [-1 if axis == outputs else 1 for axis in range(layer.weight.ndim)]
        )
        layer.weight.mul_(sizes)
    return layer


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    rank=st.integers(3, 5), groups=st.sampled_from([1, 2, 4]), transposed=st.booleans(), bias=st.booleans(),
    stride=st.integers(1, 2), padding=st.integers(0, 1), rectifies=st.booleans(), first=st.booleans(),
)  # fmt: skip
def test_two_convolutions(
    rank: int,
    groups: int,
    transposed: bool,
    bias: bool,
    stride: int,
    padding: int,
    rectifies: bool,
    first: bool,
) -> None:
    plain = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[rank]
    turned = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}[rank]
    one, other = (turned, plain) if first else (plain, turned)
    options = {"stride": stride, "padding": padding, "groups": groups, "bias": bias}
    parts = {
        "one": (one if transposed else plain)(4, 8, 3, **options),
        "other": (other if transposed else plain)(8, 4, 3, **options),
    }
    law = lambda m, x: m.other(F.relu(m.one(x)) if rectifies else m.one(x))  # noqa: E731
    model = fill(Lambda(law, **parts))
    uneven(model.one, 1 if isinstance(model.one, turned) else 0)
    prove(model, EqualizeLayers(), (2, 4, *[8, 9, 8][: rank - 2]), sites=1)


def test_linear_layers() -> None:
    model = fill(Lambda(lambda m, x: m.other(F.relu(m.one(x))), one=nn.Linear(5, 8), other=nn.Linear(8, 3)))
    uneven(model.one)
    prove(model, EqualizeLayers(), (2, 6, 5), sites=1)


def parts() -> dict[str, nn.Module | Tensor]:
    found: dict[str, nn.Module | Tensor] = {
        "one": nn.Conv2d(4, 8, 3, padding=1),
        "two": nn.Conv2d(4, 8, 1),
        "through": nn.Conv2d(8, 8, 3, padding=1),
        "depthwise": nn.Conv2d(8, 8, 3, padding=1, groups=8),
        "last": nn.Conv2d(8, 6, 1),
        "beside": nn.Conv2d(8, 5, 3),
        "rows": nn.Linear(8, 5),
        "columns": nn.Linear(7, 5),
        "slopes": torch.linspace(-1, 2, 8),
    }
    model = fill(Lambda(lambda m, x: x, **found))
    return {
        name: uneven(getattr(model, name)) if isinstance(part, nn.Module) else part
        for name, part in found.items()
    }


SCALED: dict[str, tuple[Callable[[Lambda, Tensor], object], int]] = {
    "nothing between": (lambda m, x: m.last(m.one(x)), 1),
    "leaky": (lambda m, x: m.last(F.leaky_relu(m.one(x), 0.2)), 1),
    "slopes by channel": (lambda m, x: m.last(F.prelu(m.one(x), m.slopes)), 1),
    "pooled": (lambda m, x: m.last(F.avg_pool2d(F.max_pool2d(F.relu(m.one(x)), 3, 2, 1), 2)), 1),
    "zeros around": (lambda m, x: m.last(F.pad(m.one(x), (1, 2, 0, 1))), 1),
    "itself around": (lambda m, x: m.last(F.pad(m.one(x), (1, 2, 0, 1), mode="reflect")), 1),
    "rows": (lambda m, x: m.rows(F.relu(m.one(x).flatten(2).transpose(1, 2))), 1),
    "an average": (lambda m, x: m.rows(F.adaptive_avg_pool2d(m.one(x), 1).flatten(1)), 1),
    "two readers": (lambda m, x: (m.last(y := F.relu(m.one(x))), m.beside(y)), 1),
    "a sum": (lambda m, x: m.last(F.relu(m.one(x) - m.two(x))), 1),
    "a chain": (lambda m, x: m.last(F.relu(m.depthwise(F.relu(m.through(F.relu(m.one(x))))))), 3),
    "around a layer": (lambda m, x: m.last((y := m.one(x)) + m.through(y)), 1),
    "around a rectifier": (lambda m, x: m.last((y := m.one(x)) + m.depthwise(F.relu(m.through(y)))), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALED)
def test_scaled(name: str) -> None:
    law, sites = SCALED[name]
    prove(Lambda(law, **parts()).eval(), EqualizeLayers(), SHAPE, sites=sites)


LEFT_ALONE: dict[str, Callable[[Lambda, Tensor], object]] = {
    "clamped": lambda m, x: m.last(F.relu6(m.one(x))),
    "saturating": lambda m, x: m.last(torch.tanh(m.one(x))),
    "shifted": lambda m, x: m.last(m.one(x) + 1),
    "read by no layer": lambda m, x: m.one(x),
    "returned too": lambda m, x: (m.last(y := m.one(x)), y),
    "read by another": lambda m, x: (m.last(y := m.one(x)), y.sum()),
    "the input beside it": lambda m, x: m.last(m.one(x) + x.repeat(1, 2, 1, 1)),
    "a reader of other axes": lambda m, x: m.columns(m.one(x)),
    "multiplied": lambda m, x: m.last((y := m.one(x)) * m.two(x) + y),
    "ones around": lambda m, x: m.last(F.pad(m.one(x), (1, 1, 1, 1), value=1.0)),
    "channels moved": lambda m, x: m.last(F.pad(m.one(x), (0, 0, 0, 0, 1, -1))),
    "channels mixed": lambda m, x: m.last(m.one(x).reshape(2, 2, 4, 6, 7).transpose(1, 2).reshape(2, 8, 6, 7)),
    "turned round": lambda m, x: m.last((y := m.one(x).reshape(2, 8, 42)).transpose(1, 2).reshape(2, 8, 6, 7) + y.reshape(2, 8, 6, 7)),
    "computed weights": lambda m, x: F.conv2d(m.one(x), torch.tanh(m.last.weight)),
    "one layer twice": lambda m, x: m.last(m.through(m.through(m.one(x)))) + m.last(m.one(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(name: str) -> None:
    prove(Lambda(LEFT_ALONE[name], **parts()).eval(), EqualizeLayers(), SHAPE, sites=0)


def test_largest_weights_are_alike_at_the_end_and_keep_their_digits() -> None:
    law = lambda m, x: m.last(F.relu(m.through(F.relu(m.one(x)))))  # noqa: E731
    model = Lambda(law, **parts()).eval()
    after, _ = rewritten(traced(model, SHAPE), EqualizeLayers())
    weights = [value for value in after.graph_module.state_dict().values() if value.ndim == 4]
    assert len(weights) == 3
    digits = [value.frexp().mantissa for value in (model.one.weight, model.through.weight, model.last.weight)]
    assert all(torch.equal(value.frexp().mantissa, same) for value, same in zip(weights, digits, strict=True))
    for giving, reading in itertools.pairwise(weights):
        ratio = giving.abs().amax((1, 2, 3)) / reading.abs().amax((0, 2, 3))
        assert (ratio.log2().abs() <= 1.01).all()


def test_zeros_stay_and_dead_channels_do_no_harm() -> None:
    made = parts()
    with torch.no_grad():
        made["one"].weight[2].zero_()
        made["last"].weight[:, 5].zero_()
    prove(Lambda(lambda m, x: m.last(F.relu(m.one(x))), **made).eval(), EqualizeLayers(), SHAPE, sites=1)


def test_noted_means_are_scaled_too() -> None:
    """Scales by channel are multiples of what they were, and so is what is corrected."""
    law = lambda m, x: m.depthwise(F.relu(m.norm(m.one(x))))  # noqa: E731
    made = {
        "one": nn.Conv2d(4, 16, 1),
        "norm": nn.BatchNorm2d(16),
        "depthwise": nn.Conv2d(16, 16, 9, groups=16),
    }
    model = fill(Lambda(law, **made))
    uneven(model.one)
    small = (CompressWeights("int8", "channel", "float32"), CorrectBias())
    before = traced(model, (1, 4, 9, 9))
    plain, _ = rewritten(before, NoteMeans(), FoldBatchNorm(), *small)
    after, applied = rewritten(before, NoteMeans(), FoldBatchNorm(), EqualizeLayers(), *small)
    assert [len(item.sites) for item in applied] == [0, 1, 1, 1, 1]
    x = torch.randn(1, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(after.graph_module(x)[0], plain.graph_module(x)[0])
