"""Pruning: what leaves a network is what was chosen and nothing else, and dead units leave without a trace. In float64.

What is zeroed here is written down by the parameters' names, and not asked of the code that prunes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_weights import fill
from torch import Tensor, nn

from cloformer.errors import UnsupportedError
from cloformer.model import CloFormer
from cloformer.pruning import CRITERIA, Plan, plan, pruned
from cloformer.variants import KINDS, Variant, Widths

# Two blocks in the first stage, one of which leads to the next; a window that does not divide the map.
BOTH = Variant(
    "both",
    (12, 16, 12, 24),
    (2, 3, 1, 2),
    (1, 1, 2, 4),
    0.0,
    (2, 1, 1, 1),
    window_sizes=(3, 2, 2, 1),
    mlp_ratio=2,
)
LOCAL = Variant("local", (12, 16, 12, 24), (3, 4, 3, 6), (0, 0, 0, 0), 0.0, (1, 1, 1, 1), mlp_ratio=3)
GLOBAL = Variant("global", (12, 16, 12, 24), (0, 0, 0, 0), (3, 4, 3, 6), 0.0, (1, 1, 1, 1), mlp_ratio=3)  # fmt: skip
VARIANTS = {variant.name: variant for variant in (BOTH, LOCAL, GLOBAL)}


def _model(variant: Variant, in_chans: int = 3) -> CloFormer:
    made = fill(CloFormer(variant, num_classes=5, in_chans=in_chans))
    assert isinstance(made, CloFormer)
    return made.double()


def _outputs(model: nn.Module, height: int, width: int, in_chans: int = 3) -> Tensor:
    images = torch.randn(
        2, in_chans, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(7)
    )
    with torch.no_grad():
        found: Tensor = model(images)
    return found


def _head(of: Tensor, head: int, head_dim: int, part: int = 0, parts: int = 1) -> Tensor:
    """The rows of a head in the ``part``-th of so many parts that a projection makes."""
    rows: Tensor = of.view(parts, -1, head_dim, *of.shape[1:])[part, head]
    return rows


# A way for a unit to add nothing, or the same whatever comes in: block, unit, and the sizes of heads and branches.
_Way = Callable[[nn.Module, int], None]


def _unread_channel(block: nn.Module, unit: int) -> None:
    block.mlp.fc2.weight[:, unit] = 0


def _constant_kernel(block: nn.Module, unit: int) -> None:
    block.mlp.dwconv.weight[unit] = 0


def _channel_of_zeros(block: nn.Module, unit: int) -> None:
    block.mlp.fc1.weight[unit] = 0
    block.mlp.fc1.bias[unit] = 0


def _columns(block: nn.Module, unit: int, *, is_global: bool) -> Tensor:
    attention = block.attn
    local = attention.proj.in_channels - attention.global_heads * attention.head_dim
    begin = (local if is_global else 0) + unit * attention.head_dim
    return attention.proj.weight[:, begin : begin + attention.head_dim]


def _without_its_depthwise_bias(block: nn.Module, unit: int) -> None:
    block.mlp.dwconv.bias[unit] = 0


def _unread_global_head(block: nn.Module, unit: int) -> None:
    _columns(block, unit, is_global=True).zero_()


def _constant_values(block: nn.Module, unit: int) -> None:
    _head(block.attn.global_kv.weight, unit, block.attn.head_dim, 1, 2).zero_()


def _unread_by_gates(block: nn.Module, unit: int) -> None:
    dim = block.attn.head_dim
    block.attn.act_blocks[0].act_block[0].weight[:, unit * dim : (unit + 1) * dim] = 0


def _unread_local_head(block: nn.Module, unit: int) -> None:
    _unread_by_gates(block, unit)
    _columns(block, unit, is_global=False).zero_()


def _no_values(block: nn.Module, unit: int) -> None:
    _unread_by_gates(block, unit)
    for tensor in (block.attn.convs[0].weight, block.attn.convs[0].bias):
        _head(tensor, unit, block.attn.head_dim, 2, 3).zero_()


def _closed_gate(block: nn.Module, unit: int) -> None:
    _unread_by_gates(block, unit)
    for tensor in block.attn.act_blocks[0].act_block[2].parameters():
        _head(tensor, unit, block.attn.head_dim).zero_()


WAYS: dict[str, tuple[_Way, ...]] = {
    "hidden": (_unread_channel, _constant_kernel, _channel_of_zeros),
    "local_heads": (_unread_local_head, _no_values, _closed_gate),
    "global_heads": (_unread_global_head, _constant_values),
}


def _blocks(model: CloFormer) -> list[nn.Module]:
    return [block for stage in model.layers for block in stage.blocks]


def _kept(chosen: Plan) -> dict[tuple[str, int], tuple[int, ...]]:
    return {(each.layer.kind, each.layer.block): each.kept for each in chosen.layers}


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(VARIANTS)),
    size=st.sampled_from([(32, 32), (36, 44), (60, 32)]),
    in_chans=st.sampled_from([1, 3]),
    criterion=st.sampled_from(sorted(CRITERIA)),
    draw=st.randoms(use_true_random=False),
)
def test_dead_units_leave_and_nothing_changes(
    name: str, size: tuple[int, int], in_chans: int, criterion: str, draw: object
) -> None:
    """Any of them, in any block, dead in any way: the outputs are equal, and those that live stay."""
    model = _model(VARIANTS[name], in_chans)
    widths = model.widths
    alive: dict[tuple[str, int], tuple[int, ...]] = {}
    with torch.no_grad():
        for number, block in enumerate(_blocks(model)):
            for kind, ways in WAYS.items():
                units = range(getattr(widths, kind)[number])
                dead = [unit for unit in units if unit and draw.random() < 0.4]  # type: ignore[attr-defined]
                for unit in dead:
                    draw.choice(ways)(block, unit)  # type: ignore[attr-defined]
                if units:
                    alive[kind, number] = tuple(unit for unit in units if unit not in dead)
    chosen = plan(model, {}, criterion)
    assert _kept(chosen) == alive
    smaller = pruned(model, chosen)
    for kind in KINDS:
        left = tuple(len(alive.get((kind, block), ())) for block in range(len(_blocks(model))))
        assert getattr(smaller.widths, kind) == left
    expected = _outputs(model, *size, in_chans)
    assert torch.allclose(
        _outputs(smaller, *size, in_chans), expected, rtol=0, atol=1e-12 * float(expected.abs().max())
    )


def _but_one(way: _Way, spared: Callable[[nn.Module], Tensor]) -> _Way:
    """``way``, but for one number, which is not zero."""

    def wounded(block: nn.Module, unit: int) -> None:
        way(block, unit)
        spared(block)[...] = 0.5

    return wounded


# Each condition broken by itself, of unit 1 of the last block.
ALIVE: dict[str, tuple[str, _Way]] = {
    "one weight of a channel is read": ("hidden", _but_one(_unread_channel, lambda b: b.mlp.fc2.weight[3, 1])),
    "one tap of the kernel": ("hidden", _but_one(_constant_kernel, lambda b: b.mlp.dwconv.weight[1, 0, 0, 4])),
    "a channel's own bias, which the border cuts off": ("hidden", _but_one(_channel_of_zeros, lambda b: b.mlp.fc1.bias[1])),
    "a kernel that has no bias alone": ("hidden", _without_its_depthwise_bias),
    "one column of a global head": ("global_heads", _but_one(_unread_global_head, lambda b: _columns(b, 1, is_global=True)[0, 2])),
    "one row of its values": ("global_heads", _but_one(_constant_values, lambda b: _head(b.attn.global_kv.weight, 1, 4, 1, 2)[2, 0])),
    "the gates of others read a local head": ("local_heads", _but_one(_unread_local_head, lambda b: b.attn.act_blocks[0].act_block[0].weight[0, 5])),
    "the bias of its values": ("local_heads", _but_one(_no_values, lambda b: _head(b.attn.convs[0].bias, 1, 4, 2, 3)[0])),
    "the bias of its gate": ("local_heads", _but_one(_closed_gate, lambda b: b.attn.act_blocks[0].act_block[2].bias[5])),
}  # fmt: skip


@pytest.mark.parametrize("case", ALIVE)
def test_what_is_not_quite_dead_stays(case: str) -> None:
    kind, wounded = ALIVE[case]
    model = _model(BOTH)
    with torch.no_grad():
        wounded(_blocks(model)[-1], 1)
    assert 1 in _kept(plan(model, {}, "distortion"))[kind, len(_blocks(model)) - 1]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(VARIANTS)),
    share=st.sampled_from([0.2, 0.45, 0.5]),
    criterion=st.sampled_from(sorted(CRITERIA)),
    multiple_of=st.sampled_from([1, 4]),
)
def test_the_rest_computes_as_if_what_goes_were_zero(
    name: str, share: float, criterion: str, multiple_of: int
) -> None:
    """Both sides of every layer lose the same units: the network is the one in which nothing reads them, with what they
    add whatever comes in added to the next bias."""
    model = _model(VARIANTS[name])
    chosen = plan(model, dict.fromkeys(KINDS, share), criterion, multiple_of)
    assert any(each.removed for each in chosen.layers)
    masked = copy.deepcopy(model)
    blocks = _blocks(masked)
    with torch.no_grad():
        for each in chosen.layers:
            block, attention = blocks[each.layer.block], blocks[each.layer.block].attn
            for unit in each.removed:
                if each.layer.kind == "hidden":
                    block.mlp.fc2.bias += block.mlp.fc2.weight[:, unit, 0, 0] * block.mlp.dwconv.bias[unit]
                    _unread_channel(block, unit)
                elif each.layer.kind == "local_heads":
                    _unread_local_head(block, unit)
                else:
                    constant = _head(attention.global_kv.bias, unit, attention.head_dim, 1, 2)
                    attention.proj.bias += _columns(block, unit, is_global=True)[..., 0, 0] @ constant
                    _unread_global_head(block, unit)
    before = copy.deepcopy(model.state_dict())
    smaller = pruned(model, chosen)
    expected = _outputs(masked, 36, 32)
    assert torch.allclose(
        _outputs(smaller, 36, 32), expected, rtol=0, atol=1e-12 * float(expected.abs().max())
    )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items()), "not changed"


def test_a_distortion_is_its_definition() -> None:
    """Written out: a weight's square over the sum of the squares of those that are not smaller; of a unit, their sum."""
    model = _model(BOTH)
    (layer,) = (each.layer for each in plan(model, {}, "distortion").of("hidden") if each.layer.block == 2)
    tensors = model.state_dict()
    found = CRITERIA["distortion"].score(layer, tensors)
    ffn = _blocks(model)[2].mlp
    matrices = (ffn.fc1.weight[..., 0, 0].T, ffn.dwconv.weight.flatten(1).T, ffn.fc2.weight[..., 0, 0])
    for unit in range(len(found)):
        expected = 0.0
        for matrix in matrices:
            squares = [value**2 for value in matrix.flatten().tolist()]
            expected += sum(
                own**2 / sum(square for square in squares if square >= own**2)
                for own in matrix[:, unit].tolist()
            )
        assert float(found[unit]) == pytest.approx(expected, rel=1e-9)


def test_distortion_compares_blocks_whatever_their_scale_and_magnitude_stays_within_them() -> None:
    model = _model(BOTH)
    plain = {name: _kept(plan(model, {"hidden": 0.3}, name)) for name in CRITERIA}
    ffn = _blocks(model)[1].mlp
    with torch.no_grad():
        for layer, factor in ((ffn.fc1, 0.01), (ffn.dwconv, 7.0), (ffn.fc2, 0.2)):
            layer.weight *= factor
    scaled = {name: _kept(plan(model, {"hidden": 0.3}, name)) for name in CRITERIA}
    assert scaled["distortion"] == plain["distortion"]
    others = [
        {place: kept for place, kept in each.items() if place[1] != 1}
        for each in (plain["magnitude"], scaled["magnitude"])
    ]
    assert others[0] == others[1]
    lengths = {
        (kind, block): len(kept) for (kind, block), kept in plain["magnitude"].items() if kind == "hidden"
    }
    assert lengths == {
        ("hidden", block): round(0.7 * width) for block, width in enumerate(model.widths.hidden)
    }


@pytest.mark.parametrize("multiple_of", [1, 8])
def test_a_share_goes_and_multiples_stay(multiple_of: int) -> None:
    model = _model(BOTH)
    chosen = plan(model, {"hidden": 0.34}, "magnitude", multiple_of)
    for each in chosen.of("hidden"):
        assert len(each.kept) % multiple_of == 0
        assert abs(len(each.kept) - 0.66 * each.units) <= multiple_of / 2
    units = sum(each.units for each in chosen.of("hidden"))
    left = sum(len(each.kept) for each in chosen.of("hidden"))
    assert chosen.share("hidden") == pytest.approx(1 - left / units)
    assert chosen.share("local_heads", "global_heads") == 0


def test_dead_channels_fill_a_multiple() -> None:
    """17 of 24 live: 24 stay where they come in eights, as they compute the same."""
    model = _model(BOTH)
    with torch.no_grad():
        for unit in range(7):
            _unread_channel(_blocks(model)[0], unit)
    counts = [len(_kept(plan(model, {}, "distortion", step))["hidden", 0]) for step in (1, 6, 8)]
    assert counts == [17, 18, 24]


@pytest.mark.parametrize("kind", ["hidden", "local_heads", "global_heads"])
def test_no_layer_is_left_with_none(kind: str) -> None:
    model = _model(BOTH)
    with pytest.raises(UnsupportedError, match=f"would be left with none of its [0-9]+ {KINDS[kind]}"):
        plan(model, {kind: 0.99}, "magnitude")


def test_a_pruned_network_is_pruned_further() -> None:
    model = _model(BOTH)
    shares = dict.fromkeys(KINDS, 0.3)
    once = pruned(model, plan(model, shares, "magnitude"))
    twice = pruned(once, plan(once, {"hidden": 0.5}, "distortion"))
    assert sum(twice.widths.hidden) == pytest.approx(sum(once.widths.hidden) / 2, abs=1)
    assert (twice.widths.local_heads, twice.widths.global_heads) == (
        once.widths.local_heads,
        once.widths.global_heads,
    )
    assert Widths(**{name: tuple(values) for name, values in twice.widths.to_json().items()}) == twice.widths
    assert _outputs(twice, 32, 36).isfinite().all()
