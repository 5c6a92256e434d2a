"""CloFormer, from "Rethinking Local Perception in Lightweight Vision Transformer".

arXiv 2303.17803. Parameter names are those of the published checkpoints, so that
one loads without renaming a key; parameters are created in the published order.

Shape letters: B batch, C channels, H and W height and width of the feature map,
M heads of one branch, D channels of a head, N = H * W positions,
K positions of the pooled map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .variants import Variant, Widths

__all__ = [
    "MAPS_MULTIPLE",
    "MIN_IMAGE_SIZE",
    "SIZE_MULTIPLE",
    "AttnConv",
    "CloFormer",
    "ConvFFN",
    "EfficientAttention",
    "Trunk",
]

MIN_IMAGE_SIZE = 32
SIZE_MULTIPLE = 4
MAPS_MULTIPLE = 32  # of networks that read the maps of the stages


class DropPath(nn.Module):
    """Stochastic depth: drops the whole branch for a sample with probability ``rate``."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < keep
        return x * mask.to(x.dtype) / keep

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class ConvBNReLU(nn.Module):
    """Convolution 3x3 with bias, batch norm, ReLU (one step of the stem)."""

    def __init__(self, in_chans: int, out_chans: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_chans, out_chans, 3, stride, 1),
            nn.BatchNorm2d(out_chans),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class PatchEmbed(nn.Module):
    """The stem: (B, in_chans, H, W) to (B, dim, H/4, W/4)."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(in_chans, dim // 2, stride=2)
        self.conv2 = ConvBNReLU(dim // 2, dim, stride=2)
        self.conv3 = ConvBNReLU(dim, dim, stride=1)
        self.conv4 = ConvBNReLU(dim, dim, stride=1)
        self.conv5 = nn.Conv2d(dim, dim, 1)
        self.layernorm = nn.GroupNorm(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv4(self.conv3(self.conv2(self.conv1(x))))
        out: Tensor = self.layernorm(self.conv5(x))
        return out


class AttnMap(nn.Module):
    """The two 1x1 convolutions with SiLU between them that make AttnConv's gate (Section 3.3)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.act_block = nn.Sequential(nn.Conv2d(dim, hidden, 1), nn.SiLU(), nn.Conv2d(hidden, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act_block(x)
        return out


class AttnConv(nn.Module):
    """The local branch's law (Section 3.3), on projections already mixed by the depthwise convolution.

    ``tanh(scale * act_block(q * k)) * v``: a convolution whose weights are gated by context.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, qkv_B3CHW: Tensor, act_block: nn.Module) -> Tensor:
        batch, _, height, width = qkv_B3CHW.shape
        qkv_3BCHW = qkv_B3CHW.reshape(batch, 3, -1, height, width).transpose(0, 1).contiguous()
        q_BCHW, k_BCHW, v_BCHW = qkv_3BCHW
        gate_BCHW = torch.tanh(act_block(q_BCHW * k_BCHW) * self.scale)
        out_BCHW: Tensor = gate_BCHW * v_BCHW
        return out_BCHW


class PooledAttention(nn.Module):
    """The global branch's law (Section 3.2): softmax attention to the pooled map's keys and values."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.scale = head_dim**-0.5

    def forward(self, q_BCHW: Tensor, kv_B2CHW: Tensor) -> Tensor:
        batch, _, height, width = q_BCHW.shape
        # The pooled map's own size: the published code assumes (H * W) / window**2, which
        # fails where the window does not divide the map.
        keys = kv_B2CHW.shape[2] * kv_B2CHW.shape[3]
        q_BMND = q_BCHW.reshape(batch, -1, self.head_dim, height * width).transpose(-1, -2).contiguous()
        kv_2BMKD = kv_B2CHW.view(batch, 2, -1, self.head_dim, keys).permute(1, 0, 2, 4, 3).contiguous()
        k_BMKD, v_BMKD = kv_2BMKD
        attention_BMNK = (self.scale * q_BMND @ k_BMKD.transpose(-1, -2)).softmax(dim=-1)
        out_BMND: Tensor = attention_BMNK @ v_BMKD
        return out_BMND.transpose(2, 3).reshape(batch, -1, height, width).contiguous()


class EfficientAttention(nn.Module):
    """The two branches of a Clo block (Figure 3): AttnConv groups and pooled attention, joined by ``proj``.

    ``groups`` holds (heads, kernel size) of each local group; a group of 0 heads does not exist. With ``kept``, a pruned
    network's local heads of each group and global heads, a head is as wide as it was, and so is the inside of a gate.
    """

    def __init__(
        self,
        dim: int,
        groups: tuple[tuple[int, int], ...],
        global_heads: int,
        window_size: int,
        kept: tuple[tuple[int, ...], int] | None = None,
    ) -> None:
        super().__init__()
        head_dim = dim // (sum(heads for heads, _ in groups) + global_heads)
        local_heads, global_heads = kept or (tuple(heads for heads, _ in groups), global_heads)
        existing = [(*group, heads) for group, heads in zip(groups, local_heads, strict=True) if heads > 0]
        gates = [heads * head_dim for heads, _, _ in existing]
        kernels = [kernel for _, kernel, _ in existing]
        widths = [heads * head_dim for _, _, heads in existing]
        self.head_dim = head_dim
        self.global_heads = global_heads
        if global_heads:
            self.global_q = nn.Conv2d(dim, global_heads * head_dim, 1)
            self.global_kv = nn.Conv2d(dim, 2 * global_heads * head_dim, 1)
            self.avgpool = nn.AvgPool2d(window_size, window_size) if window_size > 1 else nn.Identity()
            self.attend_globally = PooledAttention(head_dim)
        self.convs = nn.ModuleList(
            nn.Conv2d(3 * width, 3 * width, kernel, 1, kernel // 2, groups=3 * width)
            for width, kernel in zip(widths, kernels, strict=True)
        )
        self.act_blocks = nn.ModuleList(
            AttnMap(width, gate) for width, gate in zip(widths, gates, strict=True)
        )
        self.qkvs = nn.ModuleList(nn.Conv2d(dim, 3 * width, 1) for width in widths)
        self.attend_locally = AttnConv(head_dim**-0.5)
        self.proj = nn.Conv2d(sum(widths) + global_heads * head_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.attend_locally(conv(qkv(x)), act_block)
            for qkv, conv, act_block in zip(self.qkvs, self.convs, self.act_blocks, strict=True)
        ]
        if self.global_heads:
            branches.append(self.attend_globally(self.global_q(x), self.global_kv(self.avgpool(x))))
        out: Tensor = self.proj(torch.cat(branches, dim=1))
        return out


class ConvFFN(nn.Module):
    """1x1 convolution, GELU, depthwise 5x5, 1x1 convolution (Section 3.4)."""

    def __init__(self, dim: int, hidden: int, out_dim: int, stride: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.act = nn.GELU()
        self.dwconv = nn.Conv2d(hidden, hidden, 5, stride, 2, groups=hidden)
        self.fc2 = nn.Conv2d(hidden, out_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.dwconv(self.act(self.fc1(x))))
        return out


class CloBlock(nn.Module):
    """``x = x + attn(norm1(x))``, then ``x = downsample(x) + mlp(norm2(x))``.

    ``out_dim`` differs from ``dim`` only in the last block of a stage that another one
    follows: there both summands halve the feature map.
    """

    def __init__(
        self, dim: int, out_dim: int, attn: EfficientAttention, hidden: int, drop_path: float
    ) -> None:
        super().__init__()
        halves = out_dim != dim
        self.norm1 = nn.GroupNorm(1, dim)
        self.attn = attn
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.GroupNorm(1, dim)
        self.downsample: nn.Module = nn.Identity()
        if halves:
            self.downsample = nn.Sequential(
                nn.Conv2d(dim, dim, 5, 2, 2), nn.BatchNorm2d(dim), nn.Conv2d(dim, out_dim, 1)
            )
        self.mlp = ConvFFN(dim, hidden, out_dim, stride=2 if halves else 1)

    def attend(self, x: Tensor) -> Tensor:
        """The first half of the block, at the width and the size that it was given."""
        out: Tensor = x + self.drop_path(self.attn(self.norm1(x)))
        return out

    def lead_on(self, x: Tensor) -> Tensor:
        """The second half, at the width and the size of what follows."""
        out: Tensor = self.downsample(x) + self.drop_path(self.mlp(self.norm2(x)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.lead_on(self.attend(x))


class CloStage(nn.Module):
    """Blocks at one resolution; the last one leads to the next stage's width and half the size."""

    def __init__(self, blocks: list[CloBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Trunk(nn.Module):
    """The stem and the four stages of a :class:`Variant`, which the classifier and :mod:`.features` are made of.

    With ``widths``, which :mod:`.pruning` finds, it is pruned: narrower inside its blocks, and the same between them.
    """

    def __init__(
        self, variant: Variant, in_chans: int, drop_path_rate: float | None, widths: Widths | None
    ) -> None:
        super().__init__()
        self.variant = variant
        self.widths = widths or variant.widths
        self.in_chans = in_chans
        self.drop_path_rate = rate = variant.drop_path_rate if drop_path_rate is None else drop_path_rate
        dims = variant.embed_dims
        # Stochastic depth grows linearly from 0 over all blocks to ``rate`` at the last one.
        blocks = sum(variant.depths)
        drop_paths = iter([rate * index / (blocks - 1) for index in range(blocks)])
        kept = iter(zip(self.widths.hidden, self.widths.local_heads, self.widths.global_heads, strict=True))
        self.patch_embed = PatchEmbed(in_chans, dims[0])
        self.layers = nn.ModuleList()
        for stage, (dim, depth) in enumerate(zip(dims, variant.depths, strict=True)):
            next_dim = dims[min(stage + 1, len(dims) - 1)]
            stage_blocks = []
            for index in range(depth):
                hidden, local_heads, global_heads = next(kept)
                attention = EfficientAttention(
                    dim,
                    ((variant.local_heads[stage], variant.kernel_sizes[stage]),),
                    variant.global_heads[stage],
                    variant.window_sizes[stage],
                    kept=((local_heads,), global_heads),
                )
                out_dim = next_dim if index == depth - 1 else dim
                stage_blocks.append(CloBlock(dim, out_dim, attention, hidden, next(drop_paths)))
            self.layers.append(CloStage(stage_blocks))


class CloFormer(Trunk):
    """The network of a :class:`Variant`: images (B, in_chans, H, W) to logits (B, num_classes).

    With ``widths`` it is pruned, as :class:`Trunk` says.
    H and W are multiples of 4 and at least 32, and there is a class and a channel; :class:`ValueError` otherwise.
    """

    def __init__(
        self,
        variant: Variant,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_path_rate: float | None = None,
        widths: Widths | None = None,
    ) -> None:
        if num_classes < 1 or in_chans < 1:
            raise ValueError(f"num_classes {num_classes} and in_chans {in_chans} must be at least 1")
        super().__init__(variant, in_chans, drop_path_rate, widths)
        self.norm = nn.GroupNorm(1, variant.embed_dims[-1])
        self.head = nn.Linear(variant.embed_dims[-1], num_classes)
        self.apply(_initialize)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last stage's feature map after the final norm: (B, C, H/32, W/32), rounded up."""
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.norm(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        check_image_size(x.shape[-2], x.shape[-1])
        x = F.adaptive_avg_pool2d(self.forward_features(x), 1).flatten(1)
        out: Tensor = self.head(x)
        return out


def fitting_size(size: int, multiple: int = SIZE_MULTIPLE) -> int:
    """The size nearest to ``size`` that :func:`check_image_size` takes."""
    return max(MIN_IMAGE_SIZE, round(size / multiple) * multiple)


def check_image_size(height: int, width: int, multiple: int = SIZE_MULTIPLE) -> None:
    """Raise :class:`ValueError` unless both are multiples of ``multiple`` and at least 32 pixels."""
    for size in (height, width):
        if size < MIN_IMAGE_SIZE or size % multiple:
            raise ValueError(
                f"image size {size} does not fit CloFormer: "
                f"it takes multiples of {multiple} from {MIN_IMAGE_SIZE} on"
            )


def _initialize(module: nn.Module) -> None:
    """Truncated normal (0.02) weights for the linear layer, as published; torch's defaults elsewhere."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
