"""Layers in 8 bits: PyTorch's own fake quantization around each, biases within half a step, and nothing else touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, random_inputs, rewritten, traced
from reference_weights import fill
from torch import Tensor, fx, nn

from cloformer.errors import UnsupportedError
from cloformer.export.passes.compress_weights import CompressWeights
from cloformer.export.passes.quantize_biases import QuantizeBiases
from cloformer.export.passes.quantize_layers import QuantizeLayers, quantizable, values_of
from cloformer.export.passes.rewriter import Rewriter
from cloformer.export.passes.stored import dequantize, quantize
from cloformer.export.source.quantization import Quantization, Steps
from cloformer.export.source.trace import Trace

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolution": (lambda: nn.Conv2d(6, 8, 3, stride=2, padding=1), (1, 6, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False), (1, 8, 7, 7)),
    "one axis": (lambda: nn.Conv1d(4, 6, 3, dilation=2), (1, 4, 12)),
    "linear": (lambda: nn.Linear(12, 5), (2, 3, 12)),
}
CLIPS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
}


def values(before: Trace) -> list[fx.Node]:
    """What the layers read and give, once each, in order."""
    layers = quantizable(Rewriter(before.graph_module))
    return list(dict.fromkeys(value for layer in layers for value in values_of(layer)))


def steps_of(nodes: list[fx.Node], *steps: Steps) -> Quantization:
    return Quantization({node.name: steps[place % len(steps)] for place, node in enumerate(nodes)})


def rounded(value: Tensor, steps: Steps) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(value, steps.scale, steps.zero_point, -128, 127)


@settings(max_examples=16, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(LAYERS)), clip=st.sampled_from(sorted(CLIPS)), low=st.sampled_from([-3.0, -0.7, 0.0]),
    high=st.sampled_from([0.0, 0.4, 5.0]),
)  # fmt: skip
def test_what_is_read_and_given_is_rounded(kind: str, clip: str, low: float, high: float) -> None:
    make, shape = LAYERS[kind]
    layer = fill(make())
    before = traced(Lambda(lambda self, x: CLIPS[clip](self.layer(x)), layer=layer), shape)
    one, other = Steps.of(low, high, "float32"), Steps.of(-2.0, 2.0, "float32")
    found = values(before)
    assert len(found) == 2  # behind the clip
    after, applied = rewritten(before, QuantizeLayers(steps_of(found, one, other), "float32"))
    assert len(applied[0].sites) == 1
    (given_,) = [item.float() for item in random_inputs([shape])]
    with torch.no_grad():
        (got,) = after.graph_module(given_)
        want = rounded(CLIPS[clip](layer(rounded(given_, one))), other)
    apart = (got - want).abs() > 1e-6
    assert (got - want).abs().max() <= other.scale * 1.001 and apart.double().mean() < 0.02  # halves


def test_a_value_is_rounded_once_for_all_of_its_readers() -> None:
    parts = {name: nn.Conv2d(4, 4, 1) for name in ("one", "other")}
    before = traced(Lambda(lambda self, x: self.one(x) + self.other(x) + x, **parts), (1, 4, 3, 3))
    after, _ = rewritten(before, QuantizeLayers(steps_of(values(before), Steps(0.1, 3)), "float32"))
    targets = [node.target for node in after.graph_module.graph.nodes]
    assert targets.count(quantize) == targets.count(dequantize) == 3
    (image,) = after.graph_module.graph.find_nodes(op="placeholder")
    assert [reader.target for reader in image.users] == [quantize]


def test_layers_stay_in_float_where_that_is_asked() -> None:
    parts = {name: nn.Conv2d(4, 4, 1) for name in ("one", "other")}
    before = traced(Lambda(lambda self, x: self.other(self.one(x).tanh()), **parts), (1, 4, 3, 3))
    first, _ = quantizable(Rewriter(before.graph_module))
    needed = values(before)[2:]
    kept = Quantization(steps_of(needed, Steps(0.1, 0)).steps, in_float=(first.node.name,))
    after, applied = rewritten(before, QuantizeLayers(kept, "float32"))
    assert [site.module for site in applied[0].sites] == ["other"]
    (image,) = after.graph_module.graph.find_nodes(op="placeholder")
    assert quantize not in [reader.target for reader in image.users]


def test_a_range_that_is_missing_is_named() -> None:
    before = traced(nn.Sequential(nn.Conv2d(4, 4, 1)), (1, 4, 3, 3))
    with pytest.raises(UnsupportedError, match="no range is known of") as caught:
        rewritten(before, QuantizeLayers(Quantization({}), "float32"))
    assert "--calibration" in caught.value.lines[-1]


@pytest.mark.parametrize(("what", "is_layer"), [
    ("computed weight", False), ("no batch", False), ("pool", False), ("grouped", True), ("average", False),
])  # fmt: skip
def test_what_is_a_layer(what: str, is_layer: bool) -> None:
    models = {
        "computed weight": (Lambda(lambda self, x: F.conv2d(x, x[:, :, :1, :1] * 2)), (1, 1, 3, 3)),
        "no batch": (nn.Sequential(nn.Conv2d(4, 4, 1)), (4, 3, 3)),
        "pool": (nn.Sequential(nn.AvgPool2d(2)), (1, 4, 4, 4)),
        "grouped": (nn.Sequential(nn.Conv2d(4, 4, 1, groups=2)), (1, 4, 3, 3)),
        "average": (Lambda(lambda m, x: F.conv2d(x, m.w), w=torch.full((2, 4, 1, 1), 0.25)), (1, 4, 3, 3)),
    }
    model, shape = models[what]
    assert bool(list(quantizable(Rewriter(traced(model, shape).graph_module)))) == is_layer


@settings(max_examples=10, deadline=None, derandomize=True)
@given(kind=st.sampled_from(["convolution", "linear"]), size=st.sampled_from([1e-4, 1.0, 100.0]))
def test_biases_are_within_half_a_step_of_the_products(kind: str, size: float) -> None:
    make, shape = LAYERS[kind]
    model = fill(nn.Sequential(make()))
    with torch.no_grad():
        model[0].bias.mul_(size)
    before = traced(model, shape)
    steps = Steps.of(-2.0, 3.0, "float32")
    after, applied = rewritten(
        before,
        QuantizeLayers(steps_of(values(before), steps), "float32"),
        CompressWeights("int8", "channel", "float32"),
        QuantizeBiases(),
    )
    assert [len(item.sites) for item in applied] == [1, 1, 1]
    module = after.graph_module
    layer = next(
        node for node in module.graph.nodes if str(node.target).startswith(("aten.conv", "aten.lin"))
    )
    weight, bias = (
        [getattr(module, str(source.target)) for source in layer.args[place].args] for place in (1, 2)
    )
    assert (weight[0].dtype, bias[0].dtype) == (torch.int8, torch.int32)
    products = steps.scale * weight[1].flatten()
    assert torch.allclose(bias[1], products, rtol=1e-6)
    assert ((bias[0] * bias[1] - model[0].bias).abs() <= 0.501 * products).all()


def test_a_channel_whose_bias_does_not_fit_gets_a_larger_scale() -> None:
    """Its weights are nothing beside its bias; those of the others stay as they are."""
    model = fill(nn.Sequential(nn.Conv2d(4, 4, 3)))
    with torch.no_grad():
        model[0].weight[1] *= 1e-9
        model[0].bias[1] = 3.0
    before = traced(model, (1, 4, 5, 5))
    steps = Steps.of(-2.0, 3.0, "float32")
    passes = [
        QuantizeLayers(steps_of(values(before), steps), "float32"), CompressWeights("int8", "channel", "float32")
    ]  # fmt: skip
    alone, _ = rewritten(before, *passes)
    after, applied = rewritten(before, *passes, QuantizeBiases())
    assert len(applied[-1].sites) == 1

    def constants(trace: Trace, place: int) -> list[Tensor]:
        (layer,) = trace.graph_module.graph.find_nodes(
            op="call_function", target=torch.ops.aten.conv2d.default
        )
        return [
            getattr(trace.graph_module, str(source.target)) for source in layer.args[place].all_input_nodes
        ]

    (numbers, scales), (others, own), (bias, products) = (
        constants(alone, 1), constants(after, 1), constants(after, 2)
    )  # fmt: skip
    rest = [0, 2, 3]
    assert torch.equal(numbers[rest], others[rest]) and torch.equal(scales[rest], own[rest])
    assert own[1] > 1e3 * scales[1] and (others[1] == 0).all()
    assert bias.abs().max() <= 2**30 + 1
    assert torch.allclose(
        bias * products, model[0].bias.detach(), rtol=1e-6, atol=0.51 * float(products.max())
    )


def test_a_bias_of_a_layer_in_float_stays() -> None:
    before = traced(fill(nn.Sequential(nn.Conv2d(4, 4, 1))), (1, 4, 3, 3))
    (layer,) = quantizable(Rewriter(before.graph_module))
    quantization = Quantization(steps_of(values(before), Steps(1e-3, 0)).steps, in_float=(layer.node.name,))
    _, applied = rewritten(before, QuantizeLayers(quantization, "float32"), QuantizeBiases())
    assert not applied[-1].sites
