"""Attention of many kinds over the pixels of a map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .draw import Draw, Maker, Shape

__all__ = ["ATTENTIONS"]


class OverTokens(nn.Module):
    """A layer of tokens [N, H * W, C], after a normalization and beside a residual connection."""

    def __init__(self, channels: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(channels), layer

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.layer(self.norm(tokens))
        return tokens.transpose(1, 2).reshape(x.shape)


class TorchAttention(nn.Module):
    def __init__(self, channels: int, heads: int, batch_first: bool, bias: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=batch_first, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.attention.batch_first:
            return self.attention(x, x, x, need_weights=False)[0]
        x = x.transpose(0, 1)
        return self.attention(x, x, x)[0].transpose(0, 1)


class Heads(nn.Module):
    """Queries, keys and values of one projection, by heads; ``kind`` says what is done with them."""

    mask: Tensor

    def __init__(self, channels: int, heads: int, kind: str, count: int) -> None:
        super().__init__()
        self.project, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.heads, self.kind, self.scale = heads, kind, (channels // heads) ** -0.5
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        if kind == "biased":
            self.table = nn.Parameter(torch.zeros(heads, count, count))
        if kind == "masked":
            self.register_buffer("mask", torch.ones(count, count).tril().bool())

    def extra_repr(self) -> str:
        return self.kind

    def forward(self, x: Tensor) -> Tensor:
        batch, count, channels = x.shape
        q, k, v = self.project(x).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(self._attend(q, k, v).transpose(1, 2).reshape(batch, count, channels))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.kind == "torch's":
            return F.scaled_dot_product_attention(q, k, v)
        if self.kind == "causal":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if self.kind == "linear":
            q, k = F.elu(q) + 1, F.elu(k) + 1
            return q @ (k.transpose(-2, -1) @ v) / (q @ k.sum(-2).unsqueeze(-1))
        if self.kind == "over channels":
            q, k = F.normalize(q, dim=-2), F.normalize(k, dim=-2)
            return ((q.transpose(-2, -1) @ k * self.temperature).softmax(-1) @ v.transpose(-2, -1)).transpose(
                -2, -1
            )
        if self.kind == "by angle":
            scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.temperature * 5
        elif self.kind == "by einsum":
            scores = torch.einsum("bhid,bhjd->bhij", q, k) * self.scale
        else:
            scores = q * self.scale @ k.transpose(-2, -1)
        if self.kind == "biased":
            scores = scores + self.table
        if self.kind == "masked":
            scores = scores.masked_fill(~self.mask, float("-inf"))
        return scores.softmax(-1) @ v


KINDS = ("plain", "torch's", "causal", "linear", "over channels", "by angle", "by einsum", "biased", "masked")


class Windows(nn.Module):
    """Attention inside windows of 4 x 4 pixels, moved by two where that is asked for."""

    def __init__(self, channels: int, heads: int, shift: int) -> None:
        super().__init__()
        self.attend, self.shift = OverTokens(channels, Heads(channels, heads, "plain", 16)), shift

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (2, 3))
        x = x.reshape(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5)
        x = self.attend(x.reshape(-1, channels, 4, 4))
        x = x.reshape(batch, height // 4, width // 4, channels, 4, 4).permute(0, 3, 1, 4, 2, 5)
        x = x.reshape(batch, channels, height, width)
        return x.roll((self.shift, self.shift), (2, 3)) if self.shift else x


class Pooled(nn.Module):
    """Keys and values of a coarser map, as in PVT and CloFormer."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.q, self.kv, self.out = (
            nn.Conv2d(channels, channels, 1),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(channels, channels, 1),
        )
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).flatten(2).unflatten(1, (self.heads, -1))
        k, v = (
            part.flatten(2).unflatten(1, (self.heads, -1)) for part in self.kv(F.avg_pool2d(x, 2)).chunk(2, 1)
        )
        attention = (q.transpose(-2, -1) @ k * q.shape[2] ** -0.5).softmax(-1)
        return x + self.out((v @ attention.transpose(-2, -1)).reshape(x.shape))


def _heads(draw: Draw, shape: Shape) -> int:
    return draw.divisor(shape[0], most=4)


def _torch_attention(draw: Draw, shape: Shape) -> nn.Module:
    return OverTokens(
        shape[0], TorchAttention(shape[0], _heads(draw, shape), draw.chance(0.6), draw.chance(0.8))
    )


def _by_heads(draw: Draw, shape: Shape) -> nn.Module:
    return OverTokens(
        shape[0], Heads(shape[0], _heads(draw, shape), draw.one_of(*KINDS), shape[1] * shape[2])
    )


def _encoder(draw: Draw, shape: Shape) -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        shape[0],
        _heads(draw, shape),
        2 * shape[0],
        activation=draw.one_of("relu", "gelu"),
        batch_first=True,
        norm_first=draw.chance(0.5),
    )
    return OverTokens(shape[0], layer)


# The pixels attend to one another in pairs: maps are small enough for that by then.
ATTENTIONS: dict[str, Maker] = {
    "attention of torch": _torch_attention,
    "attention": _by_heads,
    "encoder layer": _encoder,
    "windows": lambda draw, shape: Windows(shape[0], _heads(draw, shape), draw.one_of(0, 2)),
    "pooled attention": lambda draw, shape: Pooled(shape[0], _heads(draw, shape)),
}
