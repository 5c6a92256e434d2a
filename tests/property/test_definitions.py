"""Every definition of an operator by others: a law in float64 each, and what is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, assert_equal, in_float64, operators, random_inputs, rewritten, traced
from torch import Tensor
from torch.utils import _pytree as pytree

from cloformer.export.passes.definitions import DEFINITIONS, arithmetic
from cloformer.export.passes.write_out_operators import WriteOutOperators

Law = Callable[[Tensor], Any]
SHAPE = (2, 4, 6, 5)
aten = torch.ops.aten
CLASSES = torch.arange(60).reshape(2, 6, 5) % 4
INDEX = torch.tensor([2, 0, 3])
SEEN = torch.arange(30).reshape(6, 5) % 3 > 0
STEPS = torch.tensor([0.125, 0.25, 0.5])


def _above(x: Tensor) -> Tensor:
    return x.abs() + 0.1


def _inside(x: Tensor) -> Tensor:
    return x.sigmoid()


def _places(x: Tensor) -> Tensor:
    return (x.abs() * 3).long().clamp(0, 4)


def _other(x: Tensor) -> Tensor:
    return x.flip(3) + 0.05


# By the file that they are in: one trace for each.
LAWS: dict[str, list[Law]] = {
    "arithmetic": [
        lambda x: torch.lerp(x, _other(x), 0.3) + torch.lerp(x, _other(x), _inside(x)),
        lambda x: F.celu(x, 0.5),
        lambda x: F.threshold((9 * x).long(), 2, -1),
        lambda x: (5 * x).trunc() + (3 * x).fix() + x.frac(),
        lambda x: (
            torch.div(5 * x, 0.7, rounding_mode="trunc") + torch.fmod(5 * x, 0.7) + torch.fmod(x, -_above(x))
        ),
        lambda x: (
            torch.special.entr(x.abs())
            + torch.logit(_inside(x))
            + torch.logit(_inside(x), 0.3)
            + torch.logit(x, 1e-3)
        ),
        lambda x: torch.heaviside(x, _other(x)) + torch.hypot(x, _other(x)),
        lambda x: torch.logaddexp(x, _other(x)) + torch.logaddexp2(x, 30 * _other(x)),
        lambda x: [
            torch.expm1(x),
            torch.expm1(x * 1e-7),
            torch.log1p(_above(x)),
            torch.log1p(_inside(x) * 1e-7 - 1e-8),
        ],
        lambda x: torch.log1p(-0.99 * _inside(x)) + torch.log1p(0 * x) + torch.expm1(-40 - x.abs()),
        lambda x: torch.xlogy(x, _above(x)) + torch.xlogy(x, 3.0) + torch.xlogy(2.0, _above(x)),
        lambda x: (
            torch.sinc(x)
            + torch.erfc(x)
            + torch.special.ndtr(x)
            + torch.asinh(x)
            + torch.acosh(1 + _above(x))
        ),
        lambda x: (
            torch.copysign(x, _other(x))
            + torch.copysign(x, -2.0)
            + torch.copysign(x, x.round())
            + torch.signbit(x)
            + x.round().signbit()
            + torch.ldexp(x, _other(x))
        ),
        lambda x: torch.fmax(x, _other(x)) + torch.fmin(x, 1 - x) + torch.round(x, decimals=1),
        lambda x: (
            torch.where(torch.isclose(x, x.round(), 0.1, 0.2) & (x > -1) | (x < -2), x, 0.0)
            * ((x > 0) ^ (x > 1))
        ),
        lambda x: (
            torch.logaddexp(x.clamp(min=0).log(), (x - 1).clamp(min=0).log()).exp()
            + torch.logaddexp(x.clamp(min=0).log(), x.clamp(min=0).log()).exp()
        ),
        lambda x: [F.relu((4 * x).int()), F.relu6((9 * x).int()), F.hardtanh((4 * x).int(), -1, 2)],
        lambda x: torch.div((9 * x).int(), 4, rounding_mode="floor"),
        lambda x: x.isnan() + x.isinf() + x.isfinite() * x + torch.isin(x.round(), torch.tensor([0.0, 1.0])),
    ],
    "bits": [
        lambda x: ((4 * x).int() << 2) + ((4 * x).int() >> 1),
        *[
            lambda x, n=n: [(9 * x).int() & n, (9 * x).int() | n, (9 * x).int() ^ n]
            for n in (0, 5, 8, -1, -6, 0x6EF0)
        ],
    ],
    "losses": [
        lambda x: F.binary_cross_entropy_with_logits(
            9 * x, _inside(_other(x)), _above(x), pos_weight=STEPS.sum() + 1, reduction="none"
        ),
        lambda x: (
            F.binary_cross_entropy_with_logits(x, _inside(x))
            + F.binary_cross_entropy_with_logits(x, _inside(x), reduction="sum")
        ),
        lambda x: (
            F.cross_entropy(9 * x, CLASSES) + F.cross_entropy(x, CLASSES, reduction="sum", ignore_index=2)
        ),
        lambda x: (
            F.cross_entropy(x, _inside(x))
            + F.cross_entropy(x, _inside(x), _above(x[0, :, 0, 0]), reduction="sum", label_smoothing=0.2)
        ),
        lambda x: (
            F.cross_entropy(x, CLASSES, label_smoothing=0.1, ignore_index=1)
            + F.cross_entropy(x, CLASSES, _above(x[0, :, 0, 0]), label_smoothing=0.3)
        ),
        lambda x: F.cross_entropy(x[0, :, 0, 0], CLASSES[0, 0, 0], label_smoothing=0.1, reduction="none"),
        lambda x: F.cross_entropy(x[:, :, 0, 0], CLASSES[:, 0, 0], _above(x[0, :, 0, 0]), reduction="none"),
        lambda x: (
            F.nll_loss(x, CLASSES, _above(x[0, :, 0, 0]), ignore_index=1)
            + F.nll_loss(x[0, :, 0, 0], CLASSES[0, 0, 0])
        ),
    ],
    "matrices": [
        lambda x: [
            torch.vander(x[0, 0, 0]),
            torch.vander(x[0, 0, 0], 3, increasing=True),
            torch.vander(x[0, 0, 0, :2], 1),
        ],
        *[lambda x, n=n: [torch.det(x[..., :n, :n]), torch.linalg.det(x[..., :n, :n])] for n in (1, 2, 3)],
        *[
            lambda x, n=n: [torch.inverse(x[..., :n, :n]), torch.linalg.inv(x[0, 0, :n, :n])]
            for n in (1, 2, 3)
        ],
        lambda x: [*torch.slogdet(x[..., :3, :3]), *torch.linalg.slogdet(x[..., :2, :2])],
        lambda x: torch.logdet(x[..., :2, :2] @ x[..., :2, :2].mT),
        lambda x: [
            torch.linalg.solve(x[..., :3, :3], x[..., :3, :2]),
            torch.linalg.solve(x[..., :2, :2], x[..., 3, :2]),
            torch.linalg.solve(x[..., :2, :2], x[..., :2], left=False),
        ],
    ],
    "scattering": [
        lambda x: [x.masked_scatter(x > 0, _other(x)), x[:, :1].masked_scatter(SEEN, x)],
        lambda x: [
            x.index_put((x > 0,), x.new_tensor(0.5)),
            aten.index_put.default(x, [None, torch.tensor([True, False, True, True])], x[:, :3] * 2),
            aten.index_put.default(x, [None, None, SEEN], x[:, :, 0, :1], True),
        ],
        lambda x: [
            aten.index_put.default(x, [None, INDEX], x[:, :3] * 2),
            aten.index_put.default(x, [None, INDEX], x[:, :3] * 2, True),
            aten.index_put.default(x, [None, INDEX, INDEX[:, None]], x[0, 0, 0, 0]),
            aten.index_put.default(x, [None, INDEX, None, INDEX], x[0, :3, None, :, 0] * 2),
        ],
        *[
            lambda x, kind=kind, own=own: x.scatter_reduce(2, _places(x), x.exp(), kind, include_self=own)
            for kind, own in (
                ("sum", True),
                ("sum", False),
                ("mean", True),
                ("mean", False),
                ("amax", False),
                ("prod", False),
            )
        ],
        lambda x: [
            x.scatter_add(1, _places(x[:, :, :1, :2]).clamp(0, 3), 2 * x),
            x.scatter_reduce(1, _places(x[:, :2, :1, :2]).clamp(0, 3), 2 * x, "sum"),
            x.scatter_reduce(1, _places(x[:, :2, :1, :2]).clamp(0, 3), 2 * x, "amax"),
        ],
        lambda x: x.index_reduce(1, INDEX, x[:, :3] * 2, "amax"),
        lambda x: [
            x.diagonal_scatter(x[:, :, 0] * 0 + 1, 0, 2, 3),
            x.diagonal_scatter(x[:, :, 0, :4], 1, 2, 3),
            x.diagonal_scatter(x[..., 0, :4], -2, 2, 3),
        ],
        *[
            lambda x, mode=mode: [
                F.embedding_bag(_places(x)[0, 0], x[0, 1], mode=mode, padding_idx=1),
                F.embedding_bag(_places(x)[0, 0, 0], x[0, 1], torch.tensor([0, 2, 2]), mode=mode),
                F.embedding_bag(
                    _places(x)[0, 0, 0], x[0, 1], torch.tensor([0, 3, 5]), mode=mode, include_last_offset=True
                ),
            ]
            for mode in ("sum", "mean", "max")
        ],
        lambda x: F.embedding_bag(_places(x)[0, 0], x[0, 1], mode="sum", per_sample_weights=x[0, 2]),
        lambda x: [(x * 2).as_strided((2, 4, 4), (30, 5, 1), 3), (x * 2).as_strided((3, 5), (7, 2))],
    ],
    # By themselves: torch takes them apart where a composite operator beside them writes in place.
    "shrinking": [lambda x: F.hardshrink(x, 0.7) + F.softshrink(x, 0.4)],
    "layers": [
        lambda x: F.bilinear(x, _other(x), x.new_tensor(range(75)).reshape(3, 5, 5).sin(), x[0, 0, 0, :3]),
        lambda x: F.cosine_similarity(x, _other(x), 1) + F.cosine_similarity(x, 0 * x, 1),
        lambda x: F.channel_shuffle(x, 2) + torch.native_channel_shuffle(x, 2),
        lambda x: F.fold(F.unfold(x, (2, 3), (2, 1), (0, 1), (2, 1)), (6, 5), (2, 3), (2, 1), (0, 1), (2, 1)),
        lambda x: F.fold(x[0].reshape(24, 5)[:, :4], (5, 3), (2, 3)),
        *[lambda x, p=p: torch.cdist(x, x[:, :1] + 1, p) for p in (0.0, 1.0, 2.0, 3.0, float("inf"))],
        lambda x: F.pdist(x[0, 0]),
        lambda x: [torch.var_mean(x), torch.var_mean(x, 1, keepdim=True), torch.var_mean(x, correction=0)],
        lambda x: [torch.std_mean(x, (1, 2)), torch.std_mean(x, 3, unbiased=False)],
        lambda x: torch.addmm(x[0, 0, 0, :3], x[0, 0], x[0, 1, :5, :3], beta=0.5, alpha=2),
        lambda x: (
            torch.addmv(x[0, 0, :, 0], x[0, 0], x[0, 0, 0])
            + torch.addbmm(x[0, 0, :, :1], x[0], x[1].mT).sum(1)
        ),
        lambda x: torch.baddbmm(x[0, :, :1, :1], x[0], x[1].mT, beta=2),
        lambda x: [
            aten.norm.Scalar(x, 1),
            aten.norm.ScalarOpt_dim(x, 3, [1], True),
            torch.dist(x, _other(x), 3),
            torch.linalg.vector_norm(x, 2.5, (1, 3), True),
            torch.linalg.vector_norm(x, 3),
        ],
        lambda x: torch.linalg.cross(x[:, :3], x[:, 1:], dim=1),
        lambda x: (
            F.max_pool2d(x, (2, 3), 1, (1, 0), (2, 1)) + F.max_pool2d(x, 3, 2, 1, 2, ceil_mode=True).sum()
        ),
        lambda x: F.max_pool2d(x[0], 2) + F.max_pool3d(x, 1, 2, ceil_mode=True).sum(),
        lambda x: F.max_pool1d(x[0], 3, dilation=2) + F.max_pool3d(x[None], 2, 1, 1, 2).sum(),
        lambda x: F.affine_grid(x[:, 0, :2, :3], (2, 1, 3, 4), align_corners=False),
        lambda x: F.affine_grid(x[:, 0, :3, :4], (2, 1, 2, 1, 3), align_corners=True),
        lambda x: [F.prelu(x[0], x[0, 0, :, 0]), F.prelu(x[0, 0], x[0, 0, 0])],
        lambda x: F.conv_transpose2d(x, x[0, :, None, :3, :2], x[0, 0, 0, :4], (3, 2), (0, 1), (2, 1), 4),
        lambda x: F.conv_transpose3d(x[None], x[:, :2, :3, :2, None], None, 2, (1, 0, 0), 1),
        lambda x: F.scaled_dot_product_attention(x, x[:, :2], x[:, 2:], enable_gqa=True, scale=0.3),
        lambda x: [torch.einsum("...w,wk->...k", x, x[0, 0, :5]), torch.einsum("b...w,...w->b...", x, x[0])],
        lambda x: F.adaptive_avg_pool3d(x, (3, 4, 2)),
    ],
    "order": [
        lambda x: x.kthvalue(2, 2),
        lambda x: x.kthvalue(3, 1, keepdim=True),
        lambda x: [x.median(), x.median(2), x.median(3, keepdim=True)],
        lambda x: (
            torch.bucketize(x, torch.tensor([-1.0, 0.0, 0.5]))
            + torch.bucketize(x, torch.tensor([0.0]), right=True)
        ),
        lambda x: (
            torch.searchsorted(x[0, 0].sort(1)[0], x[0, 1])
            + torch.searchsorted(torch.arange(3.0), x, side="right").sum()
        ),
        lambda x: torch.sort(x, dim=2, descending=True, stable=True),
        lambda x: [
            torch.where(x > 1.5, float("nan"), x).nanmedian(1)[0],
            x.nanmedian(3, keepdim=True)[0],
            x.nanmedian(),
        ],
        lambda x: [*x.round().mode(3), *x.round().int().mode(1, keepdim=True)],
        lambda x: [*x.cummax(3), *x.round().cummax(2), *x.cummin(1), *x.round().int().cummin(-1)],
        lambda x: [x.logcumsumexp(2), torch.where(x > 0, x, -float("inf")).logcumsumexp(3).exp()],
        lambda x: [x.quantile(0.3, 2), x.quantile(0.5), x.quantile(0.9, 1, True)],
    ],
    "places": [
        *[lambda x, mode=mode: F.pad(x, (1, 2, 0, 3), mode=mode) for mode in ("circular",)],
        *[
            lambda x, mode=mode: F.pad(x, (-1, 2, 3, -2), mode=mode)
            for mode in ("circular", "reflect", "replicate", "constant")
        ],
        lambda x: F.pad(x, (-1, -2)) + F.pad(x[0, 0], (4, 0), mode="circular")[:, :2].sum(),
        lambda x: torch.stack([x.round().int(), x.argmax(1, keepdim=True).expand(x.shape)], 1),
        lambda x: torch.cat([x, x.argmax(1, keepdim=True)], 1),
        lambda x: [
            torch.diff(x),
            torch.diff(x, n=2, dim=1),
            torch.diff(x, dim=2, prepend=x[:, :, :1], append=x[:, :, :2]),
        ],
        lambda x: [x.unfold(3, 3, 2), x.unfold(1, 2, 1)],
        lambda x: [
            stack([part, part + 1])
            for stack in (torch.hstack, torch.vstack, torch.dstack)
            for part in (x.sum(), x[0, 0, 0], x[0, 0], x[0], x)
        ],
        lambda x: torch.take(x, torch.tensor([[0, 7], [30, 1]])),
        lambda x: [
            torch.take_along_dim(x, x.argmax(1, keepdim=True), 1),
            torch.take_along_dim(x, torch.tensor([0, 9])),
        ],
        lambda x: torch.diag_embed(x[0, 0]),
        lambda x: [torch.diag(x[0, 0]), torch.diag(x[0, 0], -2), torch.diag(x[0, 0, 0])],
        lambda x: [x.diagonal(), x.diagonal(1, 2, 3), x.diagonal(-2, 3, 1)],
        lambda x: x.roll(7),
        lambda x: x.gather(2, torch.tensor([[[[3, 1], [0, 5]]]])),
        lambda x: [
            x.scatter(2, torch.tensor([[[[3, 1]]]]), 5.0),
            x.scatter(1, x.argsort(1)[:, :2], 1),
            x.scatter(1, torch.tensor([[[[3]]], [[[1]]]]), 2 * x),
        ],
        lambda x: [
            x.index_add(1, INDEX, x[:, :3], alpha=2),
            x.index_copy(1, INDEX, x[:, :3]),
            x.index_fill(1, INDEX, 3.0),
        ],
    ],
    "reductions": [
        lambda x: [x.cumprod(axis) for axis in (0, 1, -1)],
        lambda x: [x.prod(), x.prod(1), x.prod(3, keepdim=True), x.round().int().prod(2)],
        lambda x: [
            x.round().any(),
            x.round().any(1),
            x.round().all(2),
            x.all(),
            x.any((1, 2)),
            x.all((1, 2)),
        ],
        lambda x: [torch.where(x > 0, x, float("nan")).nanmean((1, 2)), x.nanmean()],
        lambda x: [F.mse_loss(x, _other(x), reduction=kind) for kind in ("none", "mean", "sum")],
        lambda x: [(x > 0).amax(1), (x > 0).amin((2, 3), True), (x > 0).amax(), (x > 3).amin()],
        lambda x: [*x.aminmax(), *x.aminmax(dim=1), *x.aminmax(dim=2, keepdim=True)],
    ],
    "filled": [
        lambda x: torch.zeros_like(x > 0, dtype=torch.float32).masked_fill(x > 0, 2.5),
        lambda x: [
            torch.ones_like(x > 0, dtype=torch.float32),
            torch.full_like(x, 3),
            torch.full_like(x.int(), 2),
        ],
        lambda x: [item.new_zeros((2, 3)) for item in (x, x.int(), x > 0)],
        lambda x: [x.new_full((2, 3), 4), x.int().new_ones((2, 3), dtype=torch.float32)],
    ],
    "unbatched": [
        lambda x: [F.conv1d(x[0, 0], x[1, :3, :, :2]), F.conv2d(x[0], x[:, :, :2, :3], padding=1)],
        lambda x: [
            F.conv3d(x, x[None, :, :2, :3, :2]),
            F.conv_transpose2d(x[0], x[0, :, None, :2]),
        ],
        lambda x: [F.avg_pool1d(x[0, 0], 2), F.avg_pool2d(x[0], 3, 2, 1), F.avg_pool3d(x, 2)],
        lambda x: [F.adaptive_avg_pool1d(x[0, 0], 3), F.adaptive_avg_pool2d(x[0], (2, 3))],
        lambda x: [F.adaptive_max_pool1d(x[0, 0], 3), F.adaptive_max_pool2d(x[0], (2, 3))],
    ],
    "quantization": [  # by scales that float32 has, which torch rounds them to
        lambda x: torch.fake_quantize_per_tensor_affine(x, 0.0625, 3, 0, 31),
        lambda x: torch.fake_quantize_per_tensor_affine(x, STEPS[0], INDEX[0].int(), -8, 7),
        lambda x: torch.fake_quantize_per_channel_affine(x[:, :3], STEPS, INDEX.int(), 1, -8, 7),
        lambda x: torch._fake_quantize_learnable_per_tensor_affine(
            x, STEPS[:1], STEPS[1:2] * 5.5, -8, 7, 1.0
        ),
    ],
}


def _flat(x: Tensor, laws: list[Law]) -> Iterator[Tensor]:
    """Everything that the laws give, as numbers of the input's type."""
    for law in laws:
        yield from (item.to(x.dtype) for item in pytree.tree_leaves(law(x)))


@pytest.fixture(scope="module")
def defined() -> set[object]:
    """The functions whose operators were written out by the tests before."""
    return set()


@pytest.mark.parametrize("subject", LAWS)
def test_law(subject: str, defined: set[object]) -> None:
    laws = LAWS[subject]
    model = Lambda(lambda _, x: list(_flat(x, laws)))
    before = traced(model, SHAPE)
    targets = [node.target for node in before.graph_module.graph.nodes if node.target in DEFINITIONS]
    wide, (applied,) = rewritten(before, WriteOutOperators(), cast=False)
    defined |= {DEFINITIONS[target] for target in targets}
    assert len(applied.sites) == len(targets)
    (x,) = random_inputs([SHAPE])
    for got, want in zip(in_float64(wide.graph_module)(x), _flat(x, laws), strict=True):
        assert_equal(got, want)


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_nothing_is_lost_near_zero(name: str) -> None:
    """In float32, of numbers of every size: what exp(x) - 1 and log(1 + x) lose is all of it."""
    size = torch.logspace(-30, 1, 4000, dtype=torch.float64)
    x = torch.cat([size, -size[size < (1 if name == "log1p" else 80)], torch.zeros(1)]).float()
    got, want = getattr(arithmetic, name)(x).double(), getattr(torch, name)(x.double())
    assert bool(((got - want).abs() <= 6 * 2.0**-24 * want.abs()).all())


def test_every_definition_was_held(defined: set[object]) -> None:
    assert defined == set(DEFINITIONS.values())


def test_left_alone() -> None:
    """What coremltools converts right."""
    same: list[Law] = [
        lambda x: [
            F.pad(x, (1, 1, 0, 2), mode="reflect"),
            F.pad(x, (1, 1)),
            torch.div(x, 3, rounding_mode="floor"),
        ],
        lambda x: [torch.stack([x, x]), torch.cat([x, x]), x.roll(1, 2), x.gather(1, torch.argsort(x, 1))],
        lambda x: [F.max_pool2d(x, 2, 2), F.max_pool1d(x[0], 2, 1), F.max_pool3d(x[None], 2, 1)],
        lambda x: [F.conv_transpose2d(x, x[0, :, None, :3, :2], None, 2, 1, 1, 4), F.prelu(x, x[0, :, 0, 0])],
        lambda x: [F.scaled_dot_product_attention(x, x, x), torch.einsum("abcd,abed->abce", x, x)],
        lambda x: [(x > 0).any(1), (x > 0).all((1, 2)), (x > 0).any()],
        lambda x: [
            x.quantile(0.5, 1, interpolation="lower"),
            torch.diag_embed(x[0, 0], 1),
            torch.einsum("ab->ba", x[0, 0]),
            torch.zeros_like(x),
        ],
        lambda x: torch.scatter(x, 1, torch.argsort(x, 1), x),
    ]
    before = traced(Lambda(lambda _, x: list(_flat(x, same))), SHAPE)
    after, (applied,) = rewritten(before, WriteOutOperators())
    assert not applied.sites and operators(after) == operators(rewritten(before)[0])
