"""What is stored in fewer bits: within half a step everywhere, nothing clipped, nothing else touched."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, operators, random_inputs, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.errors import UnsupportedError
from cloformer.export.passes.compress_weights import LEAST, CompressWeights
from cloformer.export.passes.palettes import palette_of
from cloformer.export.passes.stored import dequantize

LAYERS = {
    "convolution": (lambda: nn.Conv2d(16, 24, 3, padding=1), (1, 16, 5, 5), 0, 1),
    "grouped": (lambda: nn.Conv2d(32, 48, 3, padding=1, groups=2), (1, 32, 5, 5), 0, 1),
    "depthwise": (lambda: nn.Conv2d(64, 64, 5, padding=2, groups=64), (1, 64, 6, 6), 0, 1),
    "one axis": (lambda: nn.Conv1d(32, 20, 3), (1, 32, 9), 0, 1),
    "transposed": (lambda: nn.ConvTranspose2d(16, 24, 2, 2), (1, 16, 4, 4), 1, 0),
    "linear": (lambda: nn.Linear(48, 40), (2, 48), 0, 1),
}  # fmt: skip


def weights_of(model: nn.Module, rewrite: CompressWeights, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Before and after, in float64."""
    after, applied = rewritten(traced(model, shape), rewrite)
    assert len(applied[0].sites) == 1
    module = after.graph_module
    (node,) = [item for item in module.graph.nodes if "cloformer" in str(item.target)]
    first, second = (getattr(module, str(item.target)) for item in node.args)
    (layer,) = [part for part in model.modules() if hasattr(part, "weight")]
    return layer.weight.detach().double(), node.target(first, second).double()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(LAYERS)), stored=st.sampled_from(["float16", "float32"]), bits=st.sampled_from([4, 8]),
    size=st.sampled_from([1e-6, 1e-3, 1.0, 300.0]),
)  # fmt: skip
def test_channels_within_half_a_step(kind: str, stored: str, bits: int, size: float) -> None:
    make, shape, outputs, _ = LAYERS[kind]
    model = fill(nn.Sequential(make()))
    with torch.no_grad():
        model[0].weight.mul_(size)
        model[0].weight.select(outputs, 1).zero_()
    before, after = weights_of(model, CompressWeights(f"int{bits}", "channel", stored), shape)
    others = [axis for axis in range(before.dim()) if axis != outputs]
    steps = before.abs().amax(others, keepdim=True) / (2 ** (bits - 1) - 1)
    room = 2.0**-24 if stored == "float16" else 0.0  # where the scale itself has few digits
    assert ((before - after).abs() <= 0.502 * steps + room).all()
    assert (after.select(outputs, 1) == 0).all() and after.isfinite().all()


@pytest.mark.parametrize("kind", sorted(set(LAYERS) - {"depthwise"}))
def test_blocks_have_scales_of_their_own(kind: str) -> None:
    make, shape, _, inputs = LAYERS[kind]
    model = fill(nn.Sequential(make()))
    with torch.no_grad():
        model[0].weight.narrow(inputs, 0, 16).mul_(1e-3)  # the first half, or all
    before, after = weights_of(model, CompressWeights("int4", "block 16", "float32"), shape)
    first, rest = (
        (part.narrow(inputs, 0, 16), part.narrow(inputs, 16, part.shape[inputs] - 16))
        for part in (before, after)
    )
    assert (first[0] - rest[0]).abs().max() <= first[0].abs().max() / 13


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    bits=st.sampled_from([4, 6, 8]),
    count=st.sampled_from([5, 300, 5000]),
    tails=st.booleans(),
    seed=st.integers(0, 99),
)
def test_palettes_hold_the_nearest(bits: int, count: int, tails: bool, seed: int) -> None:
    weight = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weight = weight**3 if tails else weight
    levels, places = palette_of(weight, 2**bits, torch.float16)
    assert len(levels) <= 2**bits and torch.equal(levels, levels.half().double())
    nearest = (weight[:, None] - levels).abs().amin(1)
    assert torch.equal((weight - levels[places.long()]).abs(), nearest)
    if count <= 2**bits:
        assert torch.equal(levels[places.long()], weight.half().double())
    else:  # better than as many equal steps
        step = (weight.max() - weight.min()) / (2**bits - 1)
        even = torch.round((weight - weight.min()) / step) * step + weight.min()
        assert (weight - levels[places.long()]).square().mean() < (weight - even).square().mean()


def test_one_weight_that_two_read_is_stored_once() -> None:
    model = fill(
        Lambda(lambda m, x: m.one(m.table(x.long() % 7)), table=nn.Embedding(40, 40), one=nn.Linear(40, 40))
    )
    model.one.weight = model.table.weight
    after, _ = rewritten(traced(model, (2, 3)), CompressWeights("int8", "channel", "float32"))
    assert operators(after).count("dequantize") == 1


@settings(max_examples=6, deadline=None, derandomize=True)
@given(kind=st.sampled_from(sorted(LAYERS)), size=st.sampled_from([1e-4, 1.0, 1e4]))
def test_shorter_numbers_are_the_nearest(kind: str, size: float) -> None:
    make, shape, *_ = LAYERS[kind]
    model = fill(nn.Sequential(make()))
    with torch.no_grad():
        model[0].weight.mul_(size)
    before, after = weights_of(model, CompressWeights("float16", "tensor", "float32"), shape)
    assert ((before - after).abs() <= 2.0**-11 * before.abs() + 2.0**-25).all()
    assert torch.equal(after.half().double(), after) and not torch.equal(before, after)


def test_what_no_shorter_number_holds_is_left_alone() -> None:
    layer = nn.Conv2d(16, 16, 3)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] = 65520.0
    with pytest.raises(UnsupportedError, match="no weight can be stored in float16"):
        rewritten(
            traced(nn.Sequential(layer), (1, 16, 6, 6)), CompressWeights("float16", "tensor", "float32")
        )


REFUSED = {
    "small": nn.Conv2d(8, 8, 3),
    "a vector": nn.BatchNorm1d(2 * LEAST),
    "infinite": nn.Conv2d(16, 16, 3),
    "blocks of few": nn.Conv2d(128, 128, 3, groups=128),
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_is_left_alone(kind: str) -> None:
    layer = REFUSED[kind].eval()
    if kind == "infinite":
        with torch.no_grad():
            layer.weight[0, 0, 0, 0] = torch.inf
    shape = (2, 2 * LEAST) if kind == "a vector" else (1, layer.in_channels, 6, 6)
    with pytest.raises(UnsupportedError, match="no weight can be stored in int4"):
        rewritten(traced(nn.Sequential(layer), shape), CompressWeights("int4", "block 32", "float16"))


def test_one_input_for_each_channel_takes_a_scale_and_no_palette() -> None:
    model = nn.Sequential(nn.Conv2d(64, 64, 5, groups=64), nn.Conv2d(64, 32, 1)).eval()
    for rewrite, sites in (
        (CompressWeights("uint6", "tensor", "float16"), 1),
        (CompressWeights("int8", "channel", "float16"), 2),
    ):
        _, applied = rewritten(traced(model, (1, 64, 8, 8)), rewrite)
        assert len(applied[0].sites) == sites


def test_numbers_that_are_computed_are_no_weights() -> None:
    model = Lambda(lambda m, x: x @ x.transpose(1, 2) @ m.w, w=torch.randn(40, 40))
    after, _ = rewritten(traced(model, (1, 40, 40)), CompressWeights("int8", "channel", "float32"))
    assert operators(after).count("dequantize") == 1
    (x,) = random_inputs([(1, 40, 40)])
    got = after.graph_module(x.float())[0]
    (node,) = after.graph_module.graph.find_nodes(op="call_function", target=dequantize)
    data, scales = (getattr(after.graph_module, str(item.target)) for item in node.args)
    assert torch.equal(got, x.float() @ x.float().transpose(1, 2) @ dequantize(data, scales))
