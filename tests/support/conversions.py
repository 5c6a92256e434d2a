"""What people write, by kind, many in a network: every function of ``KINDS`` is an output or several of its kind's network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

aten = torch.ops.aten
SHAPE = (1, 4, 7, 9)
Written = Callable[[Tensor], Any]


def _above(x: Tensor) -> Tensor:
    return x.abs() + 0.5


def _other(x: Tensor) -> Tensor:
    return x.flip(3) * 0.7 + 0.05


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)[:, :4]


def _placed(x: Tensor) -> list[Tensor]:
    """By places that are computed of the place of the largest."""
    flat = x.flatten(2)
    _, place = flat.max(2)
    rows = torch.div(place, 9, rounding_mode="trunc").clamp(1, 5)
    places = [rows * 9 + place % 9, place // 2, torch.fmod(place, 7), (place >> 1) & 7, (place - 5).relu()]
    return [flat.gather(2, item.unsqueeze(-1)) for item in places]


def _assigned(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0, 1:3] = 7.0
    y[y < 0] = 0.5
    return y


NUMBERS: list[Written] = [
    lambda x: x % 1 + torch.remainder(x, -1.7),
    lambda x: [torch.fmod(x, 1.7), torch.fmod((4 * x).int(), 3), torch.remainder((4 * x).int(), -3)],
    lambda x: [x // -2, (4 * x).int() // -3, torch.div(x, 0.7, rounding_mode="trunc")],
    lambda x: [
        x.trunc(),
        x.frac(),
        x.floor(),
        torch.div(x, 0.7, rounding_mode="floor"),
        torch.round(x, decimals=1),
    ],
    _placed,
    lambda x: [torch.tanh(x), F.gelu(x, approximate="tanh"), F.gelu(x)],
    lambda x: [torch.hypot(x, _other(x)), torch.logaddexp(x, _other(x)), torch.atan2(x, _above(x))],
    lambda x: [
        torch.special.entr(x),
        torch.logit(x.sigmoid(), 0.01) + torch.logit(x, 1e-6) + torch.special.logit(x, 1e-6),
        torch.sinc(x),
        torch.special.erfc(x),
    ],
    lambda x: [
        torch.asinh(x),
        torch.acosh(1 + _above(x)),
        torch.xlogy(x, _above(x)),
        torch.expm1(x),
        torch.log1p(_above(x)),
    ],
    lambda x: [
        torch.addcmul(x, x, _other(x), value=0.3),
        torch.addcdiv(x, x, _above(x), value=2),
        torch.lerp(x, _other(x), 0.3),
    ],
    lambda x: [torch.deg2rad(x), torch.sgn(x), torch.copysign(x, _other(x)), torch.fmax(x, _other(x))],
    lambda x: [
        F.celu(x),
        F.softshrink(x),
        F.hardshrink(x),
        F.logsigmoid(x),
        F.tanhshrink(x),
        F.softsign(x),
        F.mish(x),
    ],
    lambda x: [
        F.prelu(x[0], torch.arange(7.0) / 9),
        F.rrelu(x),
        F.glu(x, 1),
        F.softmin(x, 1),
        F.threshold(x, 0.5, -7.0),
    ],
    lambda x: ((x > 0) & (x < 1) | ~(x > -2)).to(x.dtype) * x + ((x > 0) ^ (x > 3)),
    lambda x: [torch.where(x > 0, x, 0), torch.where(x > 0, 1, 2), x.masked_fill(x > 1, -5.0), _assigned(x)],
    lambda x: [
        x.isnan(),
        x.isfinite(),
        torch.isclose(x, x.round(), 0.1, 0.1),
        torch.heaviside(x, torch.tensor(0.5)),
    ],
]
MANY: list[Written] = [
    lambda x: [
        torch.var_mean(x, (2, 3)),
        torch.std_mean(x),
        x.tanh().prod(1),
        x.aminmax(dim=1),
        x.round().any(1),
    ],
    lambda x: [
        x.median(2),
        x.kthvalue(3, 2),
        x.quantile(0.3, 2),
        torch.sort(x, dim=1, stable=True),
        x.topk(2, 1),
    ],
    lambda x: [
        torch.bucketize(x, torch.tensor([-3.0, 0.0, 1.0])),
        torch.diff(x, n=2),
        x.cumsum(3),
        x.tanh().cumprod(1),
        torch.cat([torch.ones(1), x[0, 0, 0]])[:-1].cumprod(0),  # what is cut off is known beforehand
    ],
    lambda x: [
        *[x.scatter_reduce(3, x.argsort(3)[..., :5] // 2, x, kind) for kind in ("amax", "amin", "prod")],
        x.scatter_reduce(2, x.argmax(2, keepdim=True), x[:, :, :1], "amax", include_self=False),
    ],
    lambda x: [
        F.conv2d(x, x[0, :2, None, :3, :3].repeat(1, 4, 1, 1) / 9, x[0, 0, 0, :2]),
        F.layer_norm(x, (9,), x[0, 0, 0], x[0, 1, 0])
        + F.group_norm(x, 2, x.mean((0, 2, 3)), x.amax((0, 2, 3))),
        F.prelu(x, x.mean((0, 2, 3)).abs()),
        torch.expm1(x / 8) + torch.log1p(_above(x)),
        torch.vander(x[0, 0, 0, :4]) + x[0, 0, 0, :4].clamp_min(0) + x[0, 0, 0, :4].clamp(0, 0.5),
    ],
    lambda x: [
        x.norm(dim=1),
        torch.linalg.vector_norm(x / 8, 3, 1),
        torch.linalg.matrix_norm(x, 1),
        F.normalize(x, p=1, dim=2),
    ],
    lambda x: [
        torch.cdist(x[0], x[0, :1] + 1),
        F.pairwise_distance(x, _other(x)),
        F.cosine_similarity(x, _other(x)),
    ],
    lambda x: [
        torch.addmm(x[0, 0, 0, :3], x[0, 0], x[0, 1, :, :3].repeat(2, 1)[:9], beta=0.5, alpha=2),
        torch.kron(x[0, 0], x[0, 1, :2, :2]),
    ],
    lambda x: [
        torch.einsum("bchw,bcxw->bchx", x, x),
        torch.einsum("...w,kw->...k", x, x[0, 0]),
        F.bilinear(x[0, 0], x[0, 1], x[0, 2:, 0, :, None] * x[0, 2:, 1, None], x[0, 0, 0, :2]),
    ],
    lambda x: [
        x.roll((1, -2), (2, 3)),
        x.roll(5),
        x.rot90(1, (2, 3)),
        x.tril(-1),
        x.tile(2, 1, 1),
        x.repeat_interleave(2, 1),
        x.diagonal(1, 2, 3),
    ],
    lambda x: [
        F.one_hot(x.argmax(1), 6),
        torch.take_along_dim(x, x.argmax(1, keepdim=True), 1),
        x.gather(2, torch.tensor([[[[3, 1]]]])),
    ],
    lambda x: [
        x.scatter(2, torch.tensor([[[[3, 1]]]]), 5.0),
        x.index_add(1, torch.tensor([2, 0]), x[:, :2]),
        x[:, [-1, 0]],
    ],
    lambda x: [
        torch.stack([x.int(), x.argmax(1, keepdim=True).expand(x.shape)], 1),
        F.channel_shuffle(x, 2),
        x.unfold(3, 3, 2),
    ],
    lambda x: F.scaled_dot_product_attention(
        _tokens(x), _tokens(x), _tokens(x), attn_mask=torch.ones(4, 4).tril(-1).bool()
    ),
    lambda x: torch.complex(300 * x, 300 * _other(x)).abs() / 300,
    lambda x: (lambda y: [y, y.relu(), y])(2 * x),
    lambda x: x + torch.sin(torch.arange(9) * 97.0),
]
IMAGES: list[Written] = [
    *[
        lambda x, scale=scale: F.interpolate(x, scale_factor=scale, mode="bicubic")
        for scale in (2, (1.7, 0.6))
    ],
    *[
        lambda x, mode=mode: F.interpolate(x, (5, 11), mode=mode, antialias=True)
        for mode in ("bilinear", "bicubic")
    ],
    *[
        lambda x, mode=mode: F.interpolate(x, scale_factor=(1.7, 2.5), mode=mode)
        for mode in ("bilinear", "nearest-exact")
    ],
    lambda x: F.interpolate(x[None], (5, 6, 7), mode="trilinear"),
    *[
        lambda x, mode=mode: F.pad(x, (-1, 2, 3, -2), mode=mode)
        for mode in ("circular", "reflect", "replicate", "constant")
    ],
    lambda x: [
        F.max_pool2d(x, 2),
        F.max_pool2d(x, 3, 2, 1, 2, ceil_mode=True),
        F.adaptive_avg_pool2d(x, (3, 4)),
        F.adaptive_max_pool2d(x, (3, 4)),
    ],
    lambda x: [
        F.lp_pool2d(x, 2.0, 3, 2),
        F.avg_pool2d(x, 3, 2, divisor_override=5),
        F.local_response_norm(x, 3),
        F.adaptive_avg_pool3d(x, (3, 4, 2)),
    ],
    lambda x: F.fold(F.unfold(x, (2, 3), (2, 1), (0, 1), (2, 1)), (7, 9), (2, 3), (2, 1), (0, 1), (2, 1)),
    lambda x: F.grid_sample(
        x,
        F.affine_grid(torch.tensor([[[0.9, 0.2, 0.1], [-0.2, 1.1, 0.05]]]), [1, 4, 6, 8], False),
        align_corners=False,
    ),
    lambda x: F.grid_sample(
        x, F.affine_grid(x[:, 0, :2, :3].sigmoid(), [1, 4, 6, 8], True), align_corners=True
    ),
]


def _layers() -> list[nn.Module]:
    torch.manual_seed(0)
    utils = nn.utils.parametrizations
    layers: list[nn.Module] = [
        utils.spectral_norm(nn.Conv2d(4, 3, 3)),
        utils.weight_norm(nn.Conv2d(4, 3, 3)),
        nn.ConvTranspose2d(4, 4, 3, (3, 2), (0, 1), (2, 1), groups=4),
        nn.RMSNorm(9),
        nn.LayerNorm((4, 7, 9)),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    ]
    for parameter in layers[-1].parameters():
        nn.init.uniform_(parameter, 0.5, 2)
    return layers


class Network(nn.Module):
    """What the functions write of the input."""

    def __init__(self, functions: list[Written], layers: list[nn.Module] | None = None) -> None:
        super().__init__()
        self.functions, self.layers = functions, nn.ModuleList(layers or [])

    def forward(self, x: Tensor) -> list[Tensor]:
        found = [function(x) for function in self.functions] + [layer(x) for layer in self.layers]
        return [item for item in pytree.tree_leaves(found) if isinstance(item, Tensor)]


class Recurrent(nn.Module):
    """Layers that go over the tokens, and a counter of calls that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(4, 3, bias=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> list[Tensor]:
        self.calls += 1
        tokens = _tokens(x)
        sequence, (hidden, cell) = self.lstm(tokens)
        return [sequence, hidden, cell, *self.gru(tokens, tokens.mean() * torch.ones(1, 4, 3))]


def numbers() -> nn.Module:
    return Network(NUMBERS)


def many() -> nn.Module:
    return Network(MANY)


def images() -> nn.Module:
    return Network(IMAGES, _layers())


def recurrent() -> nn.Module:
    return Recurrent()


class Rows(nn.Module):
    """Rows of a table by their numbers, and columns of these."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(9, 9)

    def forward(self, ids: Tensor) -> list[Tensor]:
        rows = self.table(ids)
        return [rows, rows.gather(2, ids.unsqueeze(-1)), 2 * ids + 1, ids.float() / 2]


def rows() -> nn.Module:
    return Rows()


class Large(nn.Module):
    """Whole numbers beyond 16 bits, and below zero, gathered, sorted and squeezed; beyond 32 bits, which are never chosen; and
    a place beyond 16 bits."""

    def forward(self, ids: Tensor) -> list[Tensor]:
        found = []
        for value in (40000 * ids - 100000, ids - 7):
            found += [value[:, :1].squeeze(1), value.gather(1, ids % 5), value.index_select(1, ids[0] % 5)]
            found += [value[ids[0] % 2, ids[1] % 5], value.topk(3)[0], value.sort(1)[0]]
        ends = torch.iinfo(torch.int64)
        found += [ids.masked_fill(ids < 5, ends.max).argmin(1), torch.where(ids > 5, ends.min, ids).argmax(1)]
        far = (torch.arange(70000) == 69990 - ids[0, 0]).float()
        return [*found, far.topk(1)[1], far[69985 + ids[0] % 9]]


large = Large


class Masked(nn.Module):
    """Truths chosen by, counted, turned about, and given back."""

    def forward(self, x: Tensor, mask: Tensor) -> list[Tensor]:
        return [torch.where(mask, x, -x) + mask.sum(), (~mask).to(x.dtype) * 3, mask]


masked = Masked
