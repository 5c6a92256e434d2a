from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, operators, prove, random_inputs, rewritten, traced
from torch import Tensor, nn

from cloformer.export.passes.write_out_for_onnx import WriteOutForOnnx

SORTED = torch.tensor([-0.5, 0.0, 0.0, 0.7])
OFTEN = torch.tensor([2, 0, 1])

LAWS: dict[str, Callable[[Tensor], object]] = {
    "cdist": lambda x: [torch.cdist(x[0], x[1, :3], p) for p in (2, 1, 3.5, float("inf"), 0)],
    "largest of all": lambda x: x.amax() + x.amin(),
    "largest of truths": lambda x: [
        found.to(x.dtype) for found in ((x > 1).amax(1), (x > -1).amin((0, 2), keepdim=True), (x > 1).amax())
    ],
    "none is a number": lambda x: torch.fmax(x.abs().log() / x.abs(), x) + torch.fmin((-x).sqrt(), x.sqrt()).nan_to_num(3),
    "hypot": lambda x: torch.hypot(x, x.flip(0)),
    "copysign": lambda x: [x.copysign(x.round()), x.copysign(-0.0), x.copysign(2)],
    "powers": lambda x: torch.vander(x[0, 0]),
    "near zero": lambda x: torch.expm1(1e-6 * x) + torch.log1p(1e-6 * x.abs()),
    "cumprod": lambda x: [x.cumprod(axis) for axis in (0, 1, -1)],
    "median": lambda x: [x.median(), x.median(2).values, x.median(1, keepdim=True).values, x[0, 0].median(0).indices],
    "kthvalue": lambda x: [*x.kthvalue(3, 2), *x.kthvalue(1, 1, keepdim=True)],
    "searchsorted": lambda x: [
        torch.searchsorted(SORTED, x.round()),
        torch.searchsorted(SORTED, x.round(), right=True, out_int32=True),
        torch.searchsorted(x.sort(-1).values, x.round(), side="right"),
    ],
    "stable sort": lambda x: [*torch.sort(x.round(), stable=True, dim=1, descending=True), *torch.sort(x.round(), stable=True)],
    "repeat_interleave": lambda x: x[:, :3].repeat_interleave(OFTEN, 1, output_size=3),
    "mean of scattered": lambda x: [
        x.scatter_reduce(2, (x.abs() * 2).long().clamp(0, 4), x.exp(), "mean", include_self=own)
        for own in (True, False)
    ],
    "parts of other sizes": lambda x: [
        F.adaptive_max_pool2d(x, (3, 2)),
        F.adaptive_max_pool1d(x, 7),
        F.adaptive_max_pool3d(x[None], (1, 4, 3)),
    ],
    "stacks": lambda x: [
        stack([part, part + 1])
        for stack in (torch.hstack, torch.vstack, torch.dstack)
        for part in (x.sum(), x[0, 0], x[0], x)
    ],
    "nearly nothing": lambda x: [1e-9 + x * 0 + 1e-8, x * 0 - 1e-12, 1.000004 * x, x / 0.999995, x.sum() + 1e-9],
    "truths": lambda x: [((x > 0) + (x > 1)).to(x.dtype), ((x > 0) * (x < 1)).to(x.dtype)],
    "one image from columns": lambda x: F.fold(x.reshape(4, 10).T[:6, :2], (3, 3), (2, 3)),
    "bounds of two types": lambda x: x.clamp(-1, 0.5),
    "mean of whole numbers": lambda x: [(9 * x).int().mean(dtype=x.dtype), (9 * x).int().mean((0, 2), True, dtype=x.dtype)],
    "more numbers than places": lambda x: [
        x.scatter(1, torch.tensor([[[3]], [[1]]]), 2 * x),
        x.scatter_add(1, torch.tensor([[[3]], [[1]]]), 2 * x),
        x.scatter_reduce(1, torch.tensor([[[3]], [[1]]]), 2 * x, "amax"),
    ],
    "a grid of a volume": lambda x: F.affine_grid(x[:, :3, :4], (2, 1, 2, 1, 3), align_corners=True),
    "quotients of whole numbers": lambda x: [
        torch.div((1e4 * x).long(), 7, rounding_mode="trunc"),
        torch.div((1e4 * x).long(), (9 * x.flip(0)).long() * 2 + 1, rounding_mode="trunc"),
        torch.div((1e4 * x).long(), -7, rounding_mode="floor"),
    ],
    "rectified whole numbers": lambda x: [F.relu((9 * x).long()), F.relu6((9 * x).int()), F.hardtanh((9 * x).int(), -2, 3)],
    "channel shuffle": lambda x: torch.native_channel_shuffle(x[..., None], 2),
}  # fmt: skip
SITES = {"rectified whole numbers": 3, "quotients of whole numbers": 3, "more numbers than places": 3, "near zero": 2, "truths": 2, "mean of whole numbers": 2, "mean of scattered": 2, "cdist": 5, "largest of all": 2, "largest of truths": 3, "stacks": 12, "none is a number": 2, "copysign": 3, "cumprod": 3, "median": 4, "kthvalue": 2,
         "searchsorted": 3, "stable sort": 2, "nearly nothing": 6, "parts of other sizes": 3}  # fmt: skip


@pytest.mark.parametrize("wanted", [list(LAWS)[:9], list(LAWS)[9:]], ids=["first", "rest"])
def test_law(wanted: list[str]) -> None:
    model = Lambda(lambda _, x: [LAWS[name](x) for name in wanted])
    sites = sum(SITES.get(name, 1) for name in wanted)
    found = prove(model, WriteOutForOnnx(), (2, 4, 5), sites=sites)
    assert not set(found) & {
        "cdist",
        "_cdist_forward",
        "hypot",
        "expm1",
        "log1p",
        "cumprod",
        "median",
        "kthvalue",
        "searchsorted",
    }


@pytest.mark.parametrize("length", [1, 2, 7, 8, 33])
def test_a_running_product_takes_as_many_steps_as_its_length_has_digits(length: int) -> None:
    model = Lambda(lambda _, x: x.cumprod(1))
    after, _ = rewritten(traced(model, (2, length)), WriteOutForOnnx(), cast=False)
    (x,) = random_inputs([(2, length)])
    torch.testing.assert_close(after.graph_module(x)[0], x.cumprod(1), rtol=1e-12, atol=0)
    assert operators(after).count("mul") == (length - 1).bit_length()


def test_signs_of_zeros_and_of_infinities() -> None:
    model = Lambda(lambda _, x, y: torch.copysign(x, y))
    after, _ = rewritten(traced(model, (5,), (5,)), WriteOutForOnnx())
    signs = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), -1e-30])
    assert torch.equal(after.graph_module(torch.ones(5), signs)[0], torch.copysign(torch.ones(5), signs))


def test_a_rectifier_whose_slope_is_drawn_in_training() -> None:
    found = prove(Lambda(lambda _, x: F.rrelu(x, 0.1, 0.5)), WriteOutForOnnx(), (2, 3), sites=1)
    assert found == ["leaky_relu"]


def test_recurrences_whose_state_is_projected() -> None:
    """And no others."""
    layers = {"projected": nn.LSTM(5, 4, 2, proj_size=3, bidirectional=True), "plain": nn.LSTM(5, 4)}
    model = Lambda(lambda m, x: [m.projected(x)[0], *m.projected(x)[1], m.plain(x)[0]], **layers)
    found = prove(model, WriteOutForOnnx(), (3, 2, 5), sites=2)
    assert found.count("lstm") == 1


def test_left_alone() -> None:
    """Axes that are named, another type on the way, and pieces that are not made."""
    same: list[Callable[[Tensor], object]] = [
        lambda x: x.amax(1) + x.amin(1),
        lambda x: x.cumprod(1, dtype=torch.float64).float(),
        lambda x: x.scatter_reduce(1, x.abs().long().clamp(0, 1), x, "amax"),
        lambda x: x.sort(1).values,
        lambda x: F.adaptive_max_pool2d(x[None], (2, 3)),
        lambda x: F.adaptive_max_pool2d(x[None], (2, 2), return_indices=True)[1],
    ]
    before = traced(Lambda(lambda _, x: [law(x) for law in same]), (2, 3))
    after, (applied,) = rewritten(before, WriteOutForOnnx())
    assert not applied.sites and operators(after) == operators(rewritten(before)[0])
