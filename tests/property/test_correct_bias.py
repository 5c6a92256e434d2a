"""Compressed weights keep a layer's mean, where batch norms tell its input's."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import user_models
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, in_float64, outputs, prove, random_inputs, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.formats import FORMATS
from cloformer.export.passes import Applied, Pass, Setting, apply_passes
from cloformer.export.passes.common import common_passes
from cloformer.export.passes.compress_weights import CompressWeights
from cloformer.export.passes.correct_bias import CorrectBias
from cloformer.export.passes.fold_input_scale import FoldInputScale
from cloformer.export.passes.merge_layers import MergeLayers
from cloformer.export.passes.note_means import Mean, NoteMeans
from cloformer.export.passes.rewriter import MEAN
from cloformer.export.source.trace import Trace

SMALL = CompressWeights("int4", "channel", "float32")


def corrected(model: nn.Module, shape: tuple[int, ...], *between: Pass) -> tuple[Trace, Applied]:
    passes = (NoteMeans(), *between, SMALL, CorrectBias())
    after, applied = rewritten(traced(model, shape), *passes, cast=False)
    return after, applied[-1]


def assert_keeps_the_mean(model: nn.Module, shape: tuple[int, ...], *between: Pass, sites: int = 1) -> None:
    """Of zeros, of which every norm of ``model`` gives its mean."""
    after, found = corrected(model, shape, *between)
    assert len(found.sites) == sites
    x = torch.zeros(shape, dtype=torch.float64)
    with torch.no_grad():
        (want,) = outputs(copy.deepcopy(model).double()(x))
        (got,) = in_float64(after.graph_module)(x)
        (plain,) = in_float64(rewritten(traced(model, shape), SMALL, cast=False)[0].graph_module)(x)
    others = [axis for axis in range(want.ndim) if axis != 1]
    want, got, plain = (value.mean(others) for value in (want, got, plain))
    assert (got - want).abs().max() <= 1e-10 * want.abs().max() < 1e-7 * (plain - want).abs().max()


def norm(channels: int, rank: int = 4) -> nn.Module:
    """A batch norm whose output for zeros is its mean."""
    made = fill({2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[rank](channels))
    with torch.no_grad():
        made.running_mean.zero_()
        made.bias.add_(1)
    return made


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    rank=st.integers(3, 5), transposed=st.booleans(), groups=st.sampled_from([1, 2, 4]), bias=st.booleans(),
    kernel=st.integers(1, 3), stride=st.integers(1, 2), padding=st.integers(0, 2), dilation=st.integers(1, 2),
)  # fmt: skip
def test_convolutions(
    rank: int,
    transposed: bool,
    groups: int,
    bias: bool,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
) -> None:
    plain = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
    turned = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}
    kind = (turned if transposed else plain)[rank]
    padding = min(padding, kernel - 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": bias}
    layer = fill(kind(16, 64 * groups, kernel, **options))
    model = nn.Sequential(norm(16, rank), layer).eval()
    assert_keeps_the_mean(model, (2, 16, *[7, 6, 4][: rank - 2]))


@pytest.mark.parametrize("bias", [False, True])
def test_linear_layers(bias: bool) -> None:
    assert_keeps_the_mean(nn.Sequential(norm(32, 2), fill(nn.Linear(32, 48, bias))).eval(), (3, 32))


def test_same_padding() -> None:
    layer = fill(nn.Conv2d(16, 24, 4, padding="same", dilation=2))
    assert_keeps_the_mean(nn.Sequential(norm(16), layer).eval(), (1, 16, 6, 7))


def before(channels: int = 16) -> nn.Module:
    """A layer and its norm, whose output for zeros is its mean."""
    layer, made = fill(nn.Conv2d(8, channels, 1)), norm(channels)
    with torch.no_grad():
        made.running_mean.copy_(layer.bias)
    return nn.Sequential(layer, made)


# What stands between the norm and the layer keeps the mean, and so do the passes that fold it away.
KEPT: dict[str, Callable[[Lambda, Tensor], Tensor]] = {
    "folded": lambda m, x: m.last(m.before(x)),
    "scaled behind": lambda m, x: m.last(m.before(x) * m.factor),
    "an average": lambda m, x: m.last(F.avg_pool2d(m.before(x), 2)),
    "a mean": lambda m, x: m.last(m.before(x).mean((2, 3), keepdim=True)),
    "moved": lambda m, x: m.rows(m.before(x).flatten(2).transpose(1, 2)).transpose(1, 2),
    "a sum": lambda m, x: m.last(m.before(x) + m.other(x)),
    "a difference": lambda m, x: m.last(torch.sub(m.before(x), m.other(x), alpha=2)),
    "one after another": lambda m, x: m.last(
        torch.cat([m.before(x).chunk(2, 1)[0], m.other(x).chunk(2, 1)[1]], 1)
    ),
    "chunks": lambda m, x: m.last(torch.cat(m.before(x).chunk(2, 1)[::-1], 1)),
    "split": lambda m, x: m.last(torch.cat(m.before(x).split([4, 12], 1), 1)),
    "rows apart": lambda m, x: m.last(m.before(x).chunk(2, 2)[-1]),
    "zeros around it": lambda m, x: m.last(F.pad(m.before(x), (1, 2, 0, 1))),
    "ones around it": lambda m, x: m.last(F.pad(m.before(x), (1, 2, 0, 1), value=1.0)),
    "itself around it": lambda m, x: m.last(F.pad(m.before(x), (1, 1, 1, 1), mode="reflect")),
    "a line": lambda m, x: m.last(3 - m.before(x) / 2),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("folds", [False, True])
def test_what_keeps_the_mean(name: str, folds: bool) -> None:
    parts: dict[str, nn.Module | Tensor] = {
        "before": before(),
        "other": before(),
        "last": fill(nn.Conv2d(16, 64, 1)),
        "rows": fill(nn.Linear(16, 64)),
        "factor": torch.linspace(0.5, 2, 16).reshape(16, 1, 1),
    }
    passes = [item for item in (*common_passes(), FoldInputScale()) if not isinstance(item, MergeLayers)]
    assert_keeps_the_mean(Lambda(KEPT[name], **parts).eval(), (1, 8, 6, 8), *passes[: folds * len(passes)])


def test_merged_branches_have_the_mean_of_their_sum() -> None:
    model = Lambda(
        lambda m, x: m.last(F.relu(m.before(x) + m.other(x))),
        before=before(),
        other=before(),
        last=fill(nn.Conv2d(16, 64, 1)),
    )
    after, found = corrected(model.eval(), (1, 8, 6, 8), *common_passes())
    assert len(found.sites) == 1
    apart, _ = corrected(model.eval(), (1, 8, 6, 8))
    (x,) = random_inputs([(1, 8, 6, 8)])
    with torch.no_grad():
        (got,), (want,) = (in_float64(item.graph_module)(x) for item in (after, apart))
    assert (got - want).abs().max() <= 1e-10 * want.abs().max()


ACTIVATIONS: dict[str, Callable[[Lambda, Tensor], Tensor]] = {
    "rectified": lambda m, x: F.relu(m.before(x)),
    "clamped": lambda m, x: F.relu6(3 * m.before(x)),
    "leaky": lambda m, x: F.leaky_relu(m.before(x), 0.1),
    "by channel": lambda m, x: F.prelu(m.before(x), m.slopes),
    "silu, written out": lambda m, x: (y := m.before(x)) * torch.sigmoid(y),
    "hardswish": lambda m, x: F.hardswish(m.before(x)),
    "gelu": lambda m, x: F.gelu(m.before(x)),
    "a sum, rectified": lambda m, x: F.relu(m.before(x) - m.other(x)),
    "squared": lambda m, x: (y := m.before(x)) * y,
    "one after another, rectified": lambda m, x: F.relu(
        torch.cat([m.before(x).chunk(2, 1)[0], m.other(x).chunk(2, 1)[1]], 1)
    ),
    "rectified and moved": lambda m, x: F.relu(m.before(x).permute(0, 2, 3, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_normal_numbers(name: str) -> None:
    """The mean over many, where what the norm says of its input is true."""
    torch.manual_seed(0)
    model = Lambda(ACTIVATIONS[name], before=before(), other=before(), slopes=torch.linspace(-1, 2, 16))
    for pair in (model.before, model.other):
        with torch.no_grad():
            pair[0].weight.mul_(torch.linspace(0.3, 3, 16).reshape(-1, 1, 1, 1))
            pair[1].running_var.copy_(pair[0].weight.square().sum((1, 2, 3)))
            pair[1].bias.copy_(torch.linspace(-2, 2, 16))
    with torch.no_grad():  # of two halves that are not of each other
        model.before[0].weight[:, 4:] = 0
        model.other[0].weight[:, :4] = 0
        for pair in (model.before, model.other):
            pair[1].running_var.copy_(pair[0].weight.square().sum((1, 2, 3)))
    after, _ = rewritten(traced(model.eval(), (1, 8, 4, 4)), NoteMeans())
    (node,) = after.graph_module.graph.output_node().args[0]
    noted = node.meta[MEAN]
    (x,) = random_inputs([(1, 8, 400, 400)])
    with torch.no_grad():
        value = model.double()(x)
    assert isinstance(noted, Mean)
    others = [axis for axis in range(4) if axis != noted.axis]
    assert (noted.values - value.mean(others)).abs().max() < 0.02 * value.std()


# Of these no mean is known, or none that belongs to the layer's channels; and biases that are no number by channel.
LEFT_ALONE: dict[str, Callable[[Lambda, Tensor], Tensor]] = {
    "the input": lambda m, x: m.wide(x),
    "a layer without a norm": lambda m, x: m.last(m.before[0](x)),
    "the largest": lambda m, x: m.last(F.max_pool2d(m.before(x), 2)),
    "a product of two": lambda m, x: m.last(m.before(x) * m.other(x)),
    "a product of two halves": lambda m, x: m.last((c := m.before(x).chunk(2, 2))[0] * c[1]),
    "a product with itself, moved": lambda m, x: m.last((y := m.before(x)[:, :, :, :6]) * y.transpose(2, 3)),
    "not finite": lambda m, x: m.last(torch.log(m.before(x) - 1)),
    "a softmax": lambda m, x: m.last(m.before(x).softmax(1)),
    "channels mixed": lambda m, x: m.last(m.before(x).reshape(1, 2, 8, 6, 8).transpose(1, 2).reshape(1, 16, 6, 8)),
    "along another axis": lambda m, x: m.columns(m.before(x)),
    "a sum with the input": lambda m, x: m.last(m.before(x) + x.repeat(1, 2, 1, 1)),
    "an average, rectified": lambda m, x: m.last(F.relu(F.avg_pool2d(m.before(x), 2))),
    "a number for each place": lambda m, x: m.last(F.relu(m.before(x) * m.places)),
    "a computed bias": lambda m, x: F.conv2d(m.before(x), m.last.weight, x.mean() + m.last.bias),
    "a bias that broadcasts": lambda m, x: F.linear(m.before(x).mean((2, 3)), m.rows.weight, m.one),
    "channels around it": lambda m, x: m.last(F.pad(m.before(x)[:, 1:], (0, 0, 0, 0, 0, 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(name: str) -> None:
    parts: dict[str, nn.Module | Tensor] = {
        "before": before(),
        "other": before(),
        "wide": fill(nn.Conv2d(8, 128, 1)),
        "last": fill(nn.Conv2d(16, 64, 1)),
        "rows": fill(nn.Linear(16, 64)),
        "columns": fill(nn.Linear(8, 128)),
        "one": torch.ones(1),
        "places": torch.ones(6, 8),
    }
    model = Lambda(LEFT_ALONE[name], **parts).eval()
    _, found = corrected(model, (1, 8, 6, 8))
    assert not found.sites


def test_weights_as_they_were_are_left_alone() -> None:
    model = nn.Sequential(before(), nn.Conv2d(16, 64, 1)).eval()
    prove(model, [NoteMeans(), CorrectBias()], (1, 8, 6, 8), sites=0)


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if "int8-weights" in row.precisions])
def test_the_lists_correct_all_but_what_reads_a_gated_value(name: str) -> None:
    before = traced(fill(user_models.mobilenet()), (1, 3, 32, 32))
    precision = FORMATS[name].precisions["int8-weights"]
    _, applied = apply_passes(before, FORMATS[name].passes(Setting(before.signature), precision))
    small, corrected = ({site.module for site in item.sites} for item in applied[-2:])
    assert corrected and small - corrected == {f"blocks.{block}.project.0" for block in range(3)}
