from __future__ import annotations

import copy

import pytest
import torch
from proof import Lambda, assert_equal, assert_exports_again, in_float64, operators, rewritten
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.fold_input_scale import FoldInputScale
from cloformer.export.passes.normalize_inside import NormalizeInside
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import origin_of, trace

_RULES = {
    "imagenet": Preprocessing.imagenet(8, 8),
    "minus one to one": Preprocessing(8, 8, 8, mean=(0.5,) * 3, std=(0.5,) * 3),
    "no mean": Preprocessing(8, 8, 8, mean=(0.0,) * 3, std=(1.0,) * 3),
    "whole numbers": Preprocessing(
        8, 8, 8, scale=1.0, mean=(123.675, 116.28, 103.53), std=(58.4, 57.1, 57.4)
    ),
}


def _pixels(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1)).double()


def _normalized(pixels: Tensor, rule: Preprocessing) -> Tensor:
    mean, std = (
        torch.tensor(list(values), dtype=torch.float64).reshape(1, -1, 1, 1)
        for values in (rule.mean, rule.std)
    )
    return (pixels * rule.scale - mean) / std


@pytest.mark.parametrize("fold", [False, True], ids=["as it is", "scale folded"])
@pytest.mark.parametrize("name", _RULES)
@pytest.mark.parametrize("channels", [1, 3])
def test_law(channels: int, name: str, fold: bool) -> None:
    """Into a padded convolution: what is padded is the normalized image, with zeros."""
    rule = _RULES[name]
    if channels == 1:
        rule = Preprocessing(8, 8, 8, scale=rule.scale, mean=rule.mean[:1], std=rule.std[:1])
    model = fill(nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU()))
    spec = TensorSpec("image", (2, channels, 8, 8), role="image")
    before = trace(model, [spec])
    passes = [NormalizeInside([spec], {"image": rule}), *([FoldInputScale()] if fold else [])]
    wide, applied = rewritten(before, *passes, cast=False)
    assert [len(item.sites) for item in applied] == [1] * len(passes)
    assert operators(wide) == (["sub", "conv2d", "relu"] if fold else ["sub", "mul", "conv2d", "relu"])
    pixels = _pixels(*spec.shape)
    with torch.no_grad():
        got = in_float64(wide.graph_module)(pixels)[0]
        assert_equal(got, copy.deepcopy(model).double()(_normalized(pixels, rule)))
    assert_exports_again(rewritten(before, *passes)[0], [pixels.float()])


def test_only_the_inputs_that_are_named() -> None:
    model = Lambda(
        lambda m, image, x, other: (m.conv(image) * x, m.conv(other), image), conv=nn.Conv2d(3, 4, 1)
    )
    image = TensorSpec("image", (1, 3, 8, 8), role="image")
    specs = [image, TensorSpec("x", (1, 4, 8, 8)), TensorSpec("other", (1, 3, 8, 8), role="image")]
    rule = _RULES["imagenet"]
    before = trace(fill(model), specs)
    wide, applied = rewritten(before, NormalizeInside(specs, {"image": rule}), cast=False)
    assert [str(site) for site in applied[0].sites] == [
        str(origin_of(next(iter(before.graph_module.graph.find_nodes(op="placeholder")))))
    ]
    inputs = [_pixels(*spec.shape) for spec in specs]
    with torch.no_grad():
        want = copy.deepcopy(model).double()(_normalized(inputs[0], rule), *inputs[1:])
        for have, expected in zip(in_float64(wide.graph_module)(*inputs), want, strict=True):
            assert_equal(have, expected)


def test_nothing_to_normalize() -> None:
    spec = TensorSpec("image", (1, 3, 8, 8), role="image")
    before = trace(fill(nn.Sequential(nn.Conv2d(3, 4, 1))), [spec])
    wide, applied = rewritten(before, NormalizeInside([spec], {}))
    assert (operators(wide), applied[0].sites) == (["conv2d"], ())
