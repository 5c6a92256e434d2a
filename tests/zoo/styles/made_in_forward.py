"""What forward makes by itself: positions, masks, values in place, and ways chosen by shape."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows


class SinePositions(nn.Module):
    """DETR's positions: cumulative sums of what is no padding, through sines and cosines of many periods."""

    def __init__(self, feats=8, temperature=10000):
        super().__init__()
        self.feats, self.temperature, self.proj = feats, temperature, nn.Conv2d(3, 2 * feats, 4, 4)

    def forward(self, x):
        x = self.proj(x)
        mask = torch.zeros((x.shape[0], x.shape[2], x.shape[3]), dtype=torch.bool)
        not_mask = ~mask
        y_embed, x_embed = not_mask.cumsum(1, dtype=torch.float32), not_mask.cumsum(2, dtype=torch.float32)
        eps, scale = 1e-6, 2 * math.pi
        y_embed = y_embed / (y_embed[:, -1:, :] + eps) * scale
        x_embed = x_embed / (x_embed[:, :, -1:] + eps) * scale
        dim_t = torch.arange(self.feats, dtype=torch.float32)
        dim_t = self.temperature ** (2 * torch.div(dim_t, 2, rounding_mode="floor") / self.feats)
        pos_x, pos_y = x_embed[:, :, :, None] / dim_t, y_embed[:, :, :, None] / dim_t
        pos_x = torch.stack((pos_x[:, :, :, 0::2].sin(), pos_x[:, :, :, 1::2].cos()), dim=4).flatten(3)
        pos_y = torch.stack((pos_y[:, :, :, 0::2].sin(), pos_y[:, :, :, 1::2].cos()), dim=4).flatten(3)
        pos = torch.cat((pos_y, pos_x), dim=3).permute(0, 3, 1, 2)
        return x + pos


class CoordConv(nn.Module):
    """Two more channels that say where a pixel is, and a third for how far from the middle."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(6, 12, 3, 2, 1), nn.Linear(12, 4)

    def forward(self, x):
        batch_size, _, y_dim, x_dim = x.size()
        xx_channel = torch.arange(x_dim).repeat(1, y_dim, 1)
        yy_channel = torch.arange(y_dim).repeat(1, x_dim, 1).transpose(1, 2)
        xx_channel = xx_channel.float() / (x_dim - 1) * 2 - 1
        yy_channel = yy_channel.float() / (y_dim - 1) * 2 - 1
        xx_channel = xx_channel.repeat(batch_size, 1, 1, 1)
        yy_channel = yy_channel.repeat(batch_size, 1, 1, 1)
        rr = torch.sqrt(torch.pow(xx_channel - 0.5, 2) + torch.pow(yy_channel - 0.5, 2))
        return self.fc(torch.relu(self.conv(torch.cat([x, xx_channel, yy_channel, rr], dim=1))).mean((2, 3)))


class ComplexRotary(nn.Module):
    """Rotary positions of two axes by complex numbers, as the first Llama's code turns queries."""

    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.patch, self.heads, self.qk, self.v = (
            nn.Conv2d(3, dim, 4, 4),
            heads,
            nn.Linear(dim, 2 * dim),
            nn.Linear(dim, dim),
        )

    def forward(self, x):
        x = self.patch(x)
        b, c, h, w = x.shape
        x, d = x.flatten(2).transpose(1, 2), c // self.heads
        freqs = 1.0 / (100.0 ** (torch.arange(0, d, 4)[: d // 4].float() / d))
        t = torch.arange(h * w, dtype=torch.float32)
        fx, fy = torch.outer(t % w, freqs), torch.outer(torch.div(t, w, rounding_mode="floor"), freqs)
        cis = torch.cat([torch.polar(torch.ones_like(fx), fx), torch.polar(torch.ones_like(fy), fy)], dim=-1)
        q, k = self.qk(x).view(b, h * w, 2, self.heads, d).permute(2, 0, 3, 1, 4)
        q_ = torch.view_as_complex(q.float().reshape(*q.shape[:-1], -1, 2))
        k_ = torch.view_as_complex(k.float().reshape(*k.shape[:-1], -1, 2))
        q, k = torch.view_as_real(q_ * cis).flatten(3), torch.view_as_real(k_ * cis).flatten(3)
        v = self.v(x).view(b, h * w, self.heads, d).transpose(1, 2)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class InPlace(nn.Module):
    """Values written into tensors: slices, masks, adding and multiplying in place."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, 3)

    def forward(self, x):
        y = self.conv1(x)
        y[y < 0] = 0
        y[:, 0] = 1.0
        y[:, 1:3] *= 0.5
        canvas = torch.zeros(x.shape[0], 8, x.shape[2] + 2, x.shape[3] + 2)
        canvas[:, :, 1:-1, 1:-1] = self.conv2(y)
        canvas[..., 0].fill_(0.25)
        canvas.add_(0.1).clamp_(-2, 2)
        canvas[:, :, ::2, ::2] += y.mean()
        return self.fc(canvas.sigmoid_().sum((2, 3)).div_(x.shape[-1]))


class ByShape(nn.Module):
    """Blocks that ask for sizes: pads to a multiple, repeats until small, and squeezes what is one."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 1, 1), nn.Linear(8, 2)
        self.reduce = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x):
        h, w = x.shape[-2:]
        if h % 8 or w % 8:
            x = F.pad(x, (0, -w % 8, 0, -h % 8), value=0.5)
        if x.dim() == 3:
            x = x[None]
        x = self.conv(x)
        while min(x.shape[2:]) > 4:
            x = F.silu(self.reduce(x))
        if x.shape[2] * x.shape[3] > 64:
            x = F.adaptive_max_pool2d(x, 4)
        n = x.numel() // x.shape[1]
        return self.head(x.sum(dim=[2, 3]) / n if n > 1 else x.flatten(1))


class Scripted(nn.Module):
    """Functions under torch.jit.script and no_grad, dropout in evaluation, a checkpointed block, and an assertion."""

    def __init__(self):
        super().__init__()
        self.conv, self.block, self.fc = (
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.Mish()),
            nn.Linear(8, 4),
        )
        self.drop = nn.Dropout2d(0.5)

    def forward(self, x):
        assert x.shape[1] == 3, f"three channels, not {x.shape[1]}"
        x = fused_swish(self.conv(x))
        x = torch.utils.checkpoint.checkpoint(self.block, x, use_reentrant=False)
        with torch.no_grad():
            weight = torch.softmax(x.detach().mean((2, 3), keepdim=True), 1)
        x = F.dropout(self.drop(x * weight), 0.1, self.training)
        return self.fc(torch.einsum("nchw->nc", x))


@torch.jit.script
def fused_swish(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.702 * x)


class WindowMask(nn.Module):
    """A band of neighbours made by comparing indices, and scores filled with minus infinity outside it."""

    def __init__(self, dim=12):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x):
        n = x.shape[1]
        i = torch.arange(n)
        band = (i[:, None] - i[None, :]).abs() <= 2
        strict = torch.ones(n, n).tril(diagonal=1).bool()
        mask = torch.where(band & strict, 0.0, float("-inf"))
        q, k, v = self.qkv(x).chunk(3, -1)
        attn = torch.baddbmm(mask.expand(x.shape[0], -1, -1), q, k.transpose(1, 2), alpha=x.shape[-1] ** -0.5)
        return torch.bmm(attn.softmax(-1), v)


NETWORKS = rows(
    "made in forward",
    {
        "sine_positions": (SinePositions, image(24)),
        "coord_conv": (CoordConv, image(16, 20)),
        "complex_rotary": (ComplexRotary, image(16)),
        "in_place": (InPlace, image(12)),
        "by_shape": (ByShape, image(20, 27)),
        "scripted": (Scripted, image(16)),
        "window_mask": (WindowMask, numbers("x", 1, 10, 12)),
    },
)
