"""Six networks that are not CloFormer, each of a family of its own, small enough that one comparison takes a second.

``residual``, ``mobile``, ``attention_module``, ``attention_written_out``, ``u_net`` and ``detector`` are factories of a
network with the weights of seed 0; ``residual_7`` is the one of seed 7, and ``overflow_in_residual`` has a value that
float16 ends before. Gains, biases and statistics differ from the
identity, without which a wrong fold would pass unnoticed; statistics are those of images, so that values inside are of
about unit size, as in a trained network. Images have ``IMAGE_SIZE`` pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["IMAGE_SIZE", "NETWORKS", "overflows_in"]

IMAGE_SIZE = (32, 32)
_Norm = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def _drawn(network: nn.Module, seed: int) -> nn.Module:
    """With weights that keep the size of what they are given, drawn gains, and statistics of images, drawn beside."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1, generator=generator)
            elif parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
        for module in network.modules():
            if isinstance(module, nn.ConvTranspose2d):  # its outputs are its second axis
                module.weight.mul_((len(module.weight[0]) / len(module.weight)) ** 0.5 * module.stride[0])
            elif isinstance(module, _Norm):
                module.weight.uniform_(0.6, 1.4, generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        network.train()
        noise = torch.randn(4, 3, *IMAGE_SIZE, generator=generator)
        smooth = F.interpolate(
            torch.randn(4, 3, 5, 5, generator=generator), IMAGE_SIZE, mode="bicubic", align_corners=True
        )
        network(torch.cat([noise, smooth]))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                deviation = module.running_var.sqrt()  # type: ignore[union-attr]
                module.running_mean += 0.1 * deviation * torch.randn(deviation.shape, generator=generator)
                module.running_var *= 0.7 + 0.6 * torch.rand(deviation.shape, generator=generator)
    return network.eval()


class _Conv(nn.Sequential):
    """A convolution without bias, its normalization, and an activation."""

    def __init__(
        self, wide: int, out: int, kernel: int, stride: int = 1, groups: int = 1, act: nn.Module | None = None
    ) -> None:
        super().__init__(
            nn.Conv2d(wide, out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            *([] if act is None else [act]),
        )


class _Block(nn.Module):
    def __init__(self, wide: int, out: int, stride: int) -> None:
        super().__init__()
        self.one, self.two = _Conv(wide, out, 3, stride, act=nn.ReLU()), _Conv(out, out, 3)
        self.shortcut = (
            nn.Identity()
            if wide == out and stride == 1
            else nn.Sequential(nn.AvgPool2d(stride, stride, ceil_mode=True), _Conv(wide, out, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.two(self.one(x)) + self.shortcut(x))


class _Bottleneck(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _Conv(wide, wide // 4, 1, act=nn.ReLU()),
            _Conv(wide // 4, wide // 4, 3, act=nn.ReLU()),
            _Conv(wide // 4, wide, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class Residual(nn.Module):
    """Convolutions, batch norms and rectifiers around shortcuts; pooled windows at both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = _Conv(3, 16, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(_Block(16, 16, 1), _Block(16, 32, 2), _Bottleneck(32), _Block(32, 64, 2))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.adaptive_avg_pool2d(self.blocks(self.pool(self.stem(x))), 1).flatten(1))


class _Squeeze(nn.Module):
    def __init__(self, channels: int, gate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reduce, self.expand, self.gate = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1), gate

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


class _Inverted(nn.Module):
    def __init__(
        self,
        wide: int,
        out: int,
        kernel: int,
        stride: int,
        act: type[nn.Module],
        gate: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        hidden = 3 * wide
        self.skips = wide == out and stride == 1
        self.body = nn.Sequential(
            _Conv(wide, hidden, 1, act=act()),
            _Conv(hidden, hidden, kernel, stride, hidden, act=act()),
            _Squeeze(hidden, gate),
            _Conv(hidden, out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skips else self.body(x)


class Mobile(nn.Module):
    """Depthwise convolutions with squeeze and excitation, and every activation that such networks use."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, 16, 3, 2, act=nn.Hardswish())
        self.blocks = nn.Sequential(
            _Inverted(16, 16, 3, 1, nn.ReLU6, F.hardsigmoid),
            _Inverted(16, 24, 5, 2, nn.Hardswish, F.hardsigmoid),
            _Inverted(24, 24, 3, 1, nn.SiLU, torch.sigmoid),
        )
        self.last = _Conv(24, 64, 1, act=nn.Hardswish())
        self.head = nn.Sequential(nn.Linear(64, 48), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(48, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.avg_pool2d(self.last(self.blocks(self.stem(x))), 8).flatten(1))


class _Layer(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 3 * dim), nn.GELU(), nn.Linear(3 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class AttentionModule(nn.Module):
    """Tokens with a class token and places, through ``nn.MultiheadAttention``."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.places = nn.Parameter(torch.zeros(1, 17, dim))
        self.layers = nn.Sequential(_Layer(dim, 4), _Layer(dim, 2))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.layers(x))[:, 0])


class _Windows(nn.Module):
    """Attention within windows of 4 x 4, with a bias for each pair of places."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(heads, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, dim = x.shape
        y = (
            self.norm(x)
            .reshape(batch, height // 4, 4, width // 4, 4, dim)
            .transpose(2, 3)
            .reshape(-1, 16, dim)
        )
        q, k, v = (
            part.reshape(-1, 16, self.heads, dim // self.heads).transpose(1, 2)
            for part in self.qkv(y).chunk(3, -1)
        )
        weights = (q @ k.transpose(-2, -1) * self.scale + self.bias).softmax(-1)
        y = self.out((weights @ v).transpose(1, 2).reshape(-1, 16, dim))
        return x + y.reshape(batch, height // 4, width // 4, 4, 4, dim).transpose(2, 3).reshape(x.shape)


class AttentionWrittenOut(nn.Module):
    """Attention as products, within windows; the brightness of a patch, in steps, has an embedding."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.patch, self.levels = nn.Conv2d(3, dim, 4, 4), nn.Embedding(8, dim)
        self.one, self.two = _Windows(dim, 4), _Windows(dim, 2)
        self.norm, self.mlp = (
            nn.LayerNorm(dim),
            nn.Sequential(nn.Linear(dim, 64), nn.SiLU(), nn.Linear(64, dim)),
        )
        self.last, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x: Tensor) -> Tensor:
        level = (2 * F.avg_pool2d(x, 4).mean(1) + 4).clamp(0, 7).long()
        y = self.patch(x).permute(0, 2, 3, 1) + self.levels(level)
        y = self.two(self.one(y).roll((2, 2), (1, 2)))
        y = y + self.mlp(self.norm(y))
        return self.head(self.last(y).mean((1, 2)))


class _Double(nn.Sequential):
    def __init__(self, wide: int, out: int) -> None:
        super().__init__(
            nn.Conv2d(wide, out, 3, padding=1), nn.GroupNorm(4, out), nn.SiLU(),
            nn.Conv2d(out, out, 3, padding=1, padding_mode="reflect"), nn.GroupNorm(2, out), nn.LeakyReLU(0.1),
        )  # fmt: skip


class UNet(nn.Module):
    """Down and up again, with both ways of resizing, a transposed convolution, and concatenations."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three, self.four = (
            _Double(3, 8),
            _Double(8, 16),
            _Double(16, 24),
            _Double(24, 24),
        )
        self.up = nn.ConvTranspose2d(24, 16, 2, 2)
        self.to_two, self.to_one = nn.Conv2d(24, 8, 1), nn.Conv2d(16, 8, 1)
        self.seven, self.eight, self.nine = _Double(40, 24), _Double(24, 16), _Double(16, 8)
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        two = self.two(F.max_pool2d(one, 2, 2))
        three = self.three(F.avg_pool2d(two, 2))
        y = self.four(F.avg_pool2d(three, 3, 2, 1))
        y = self.seven(torch.cat([self.up(y), three], 1))
        y = F.interpolate(self.to_two(y), scale_factor=2, mode="bilinear", align_corners=False)
        y = self.eight(torch.cat([y, two], 1))
        y = F.interpolate(self.to_one(y), size=one.shape[2:], mode="bilinear", align_corners=True)
        return self.head(self.nine(torch.cat([y, one], 1)))


class _Head(nn.Module):
    """At each place a box, each of its sides as the mean of a distribution over distances, and scores."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.box = nn.Sequential(_Conv(wide, 16, 3, act=nn.SiLU()), nn.Conv2d(16, 32, 1))
        self.score = nn.Sequential(_Conv(wide, 16, 3, act=nn.SiLU()), nn.Conv2d(16, 6, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.box(x).flatten(2), self.score(x).flatten(2)


class Detector(nn.Module):
    """A pyramid of two scales, and boxes in pixels beside scores to 1."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.SiLU
        self.stem = nn.Sequential(_Conv(3, 16, 3, 2, act=act()), _Conv(16, 24, 3, 2, act=act()))
        self.down, self.mix = _Conv(24, 32, 3, 2, act=act()), _Conv(96, 32, 1, act=act())
        self.up, self.heads = _Conv(56, 24, 3, act=act()), nn.ModuleList([_Head(24), _Head(32)])
        self.register_buffer("distances", torch.arange(8.0).reshape(1, 1, 8, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.stem(x)
        coarse = self.down(fine)
        once = F.max_pool2d(coarse, 3, 1, 1)
        coarse = self.mix(torch.cat([coarse, once, F.max_pool2d(once, 3, 1, 1)], 1))
        fine = self.up(torch.cat([F.interpolate(coarse, scale_factor=2, mode="nearest"), fine], 1))
        found = [head(level) for head, level in zip(self.heads, (fine, coarse), strict=True)]
        sides, scores = (torch.cat(parts, 2) for parts in zip(*found, strict=True))
        sides = (sides.reshape(x.shape[0], 4, 8, -1).softmax(2) * self.distances).sum(2)
        first, last = sides.chunk(2, 1)
        places = torch.cat([_places(fine), _places(coarse)], 1)
        strides = torch.cat(
            [torch.full((fine[0, 0].numel(),), 4.0), torch.full((coarse[0, 0].numel(),), 8.0)]
        )
        return torch.cat([(last - first) / 2 + places, first + last], 1) * strides, scores.sigmoid()


def _places(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y]).flatten(1)


NETWORKS: dict[str, type[nn.Module]] = {
    "residual": Residual,
    "mobile": Mobile,
    "attention_module": AttentionModule,
    "attention_written_out": AttentionWrittenOut,
    "u_net": UNet,
    "detector": Detector,
}
# Of each network, what is made larger, what makes it smaller again (a normalization does that by itself), and how much:
# float16 ends at 65,504, weights stay within it, and their sums do not.
_LARGER: dict[str, tuple[str, str | None, float]] = {
    "residual": ("blocks.1.one.1", "blocks.1.two.0", 3 * 2.0**13),
    "mobile": ("blocks.1.body.0.1", "blocks.1.body.1.0", 3 * 2.0**13),
    "attention_module": ("layers.0.mlp.0", "layers.0.mlp.2", 2.0**15),
    "attention_written_out": ("mlp.0", "mlp.2", 3 * 2.0**13),
    "u_net": ("eight.3", None, 2.0**17),
    "detector": ("heads.0.box.0.1", "heads.0.box.1", 3 * 2.0**13),
}


def _overflowing(kind: str) -> nn.Module:
    """The network of seed 0 with one value inside beyond float16's end."""
    network = _drawn(NETWORKS[kind](), 0)
    larger, smaller, factor = _LARGER[kind]
    with torch.no_grad():
        for parameter in network.get_submodule(larger).parameters():
            parameter.mul_(factor)
        if smaller is not None:
            network.get_submodule(smaller).weight.div_(factor)  # type: ignore[operator, union-attr]
    return network


def overflows_in(kind: str) -> tuple[str, ...]:
    """The modules whose value is beyond float16's end in ``overflow_in_KIND``: a normalization, and its convolution."""
    name = _LARGER[kind][0]
    parent, _, last = name.rpartition(".")
    return (name, f"{parent}.{int(last) - 1}") if kind in ("residual", "mobile", "detector") else (name,)


def __getattr__(name: str) -> Callable[[], nn.Module]:
    kind, _, seed = name.rpartition("_") if name.rpartition("_")[2].isdigit() else (name, "", "0")
    if kind in NETWORKS:
        return lambda: _drawn(NETWORKS[kind](), int(seed))
    if kind.removeprefix("overflow_in_") in NETWORKS:
        return lambda: _overflowing(kind.removeprefix("overflow_in_"))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
