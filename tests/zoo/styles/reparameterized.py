"""Blocks in the form they are trained in: branches over one input that could be one convolution."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


def conv_bn(in_channels, out_channels, kernel_size, stride, padding, groups=1):
    result = nn.Sequential()
    result.add_module(
        "conv", nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
    )
    result.add_module("bn", nn.BatchNorm2d(num_features=out_channels))
    return result


class ThreeBranches(nn.Module):
    """RepVGG: 3x3, 1x1 and the identity, each with a batch norm."""

    def __init__(self, in_channels, out_channels, stride=1, groups=1):
        super().__init__()
        self.nonlinearity = nn.ReLU()
        same = out_channels == in_channels and stride == 1
        self.rbr_identity = nn.BatchNorm2d(in_channels) if same else None
        self.rbr_dense = conv_bn(in_channels, out_channels, 3, stride, 1, groups)
        self.rbr_1x1 = conv_bn(in_channels, out_channels, 1, stride, 0, groups)

    def forward(self, inputs):
        id_out = 0 if self.rbr_identity is None else self.rbr_identity(inputs)
        return self.nonlinearity(self.rbr_dense(inputs) + self.rbr_1x1(inputs) + id_out)


class VGGStyle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage0 = ThreeBranches(3, 8, 2)
        self.stage1 = nn.Sequential(ThreeBranches(8, 16, 2), ThreeBranches(16, 16, groups=2))
        self.gap, self.linear = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10)

    def forward(self, x):
        out = self.gap(self.stage1(self.stage0(x)))
        return self.linear(out.view(out.size(0), -1))


class OverParameterized(nn.Module):
    """MobileOne: several depthwise branches, a scale branch and a skip branch, summed in a loop."""

    def __init__(self, channels=16, num_conv_branches=3):
        super().__init__()
        self.num_conv_branches = num_conv_branches
        self.stem = conv_bn(3, channels, 3, 2, 1)
        self.rbr_skip = nn.BatchNorm2d(channels)
        self.rbr_conv = nn.ModuleList(
            conv_bn(channels, channels, 3, 1, 1, channels) for _ in range(num_conv_branches)
        )
        self.rbr_scale = conv_bn(channels, channels, 1, 1, 0, channels)
        self.pointwise = nn.ModuleList(conv_bn(channels, 24, 1, 1, 0) for _ in range(2))
        self.activation = nn.ReLU()

    def forward(self, x):
        x = self.stem(x)
        out = self.rbr_scale(x) + self.rbr_skip(x)
        for ix in range(self.num_conv_branches):
            out += self.rbr_conv[ix](x)
        out = self.activation(out)
        return self.activation(sum(branch(out) for branch in self.pointwise)).mean((-2, -1))


class Asymmetric(nn.Module):
    """ACNet: a square kernel, one of a row and one of a column, each normalized."""

    def __init__(self):
        super().__init__()
        self.square = conv_bn(3, 12, 3, 1, 1)
        self.ver = nn.Sequential(nn.Conv2d(3, 12, (3, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(12))
        self.hor = nn.Sequential(nn.Conv2d(3, 12, (1, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(12))
        self.head = nn.Conv2d(12, 4, 1)

    def forward(self, x):
        return self.head(F.relu(self.square(x) + self.ver(x) + self.hor(x)))


class PaddedNorm(nn.Module):
    """A batch norm whose border is what it makes of zero, so that a 3x3 without padding can follow a 1x1."""

    def __init__(self, pad, channels):
        super().__init__()
        self.bn, self.pad = nn.BatchNorm2d(channels), pad

    def forward(self, x):
        output = self.bn(x)
        pad = self.bn.bias.detach() - self.bn.running_mean * self.bn.weight.detach() / torch.sqrt(
            self.bn.running_var + self.bn.eps
        )
        output = F.pad(output, [self.pad] * 4)
        pad = pad.view(1, -1, 1, 1)
        output[:, :, 0 : self.pad, :] = pad
        output[:, :, -self.pad :, :] = pad
        output[:, :, :, 0 : self.pad] = pad
        output[:, :, :, -self.pad :] = pad
        return output


class DiverseBranches(nn.Module):
    """Diverse branch block: 1x1 then 3x3, 1x1 then average, 1x1, and 3x3."""

    def __init__(self, channels=8):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        self.dbb_origin, self.dbb_1x1 = (
            conv_bn(channels, channels, 3, 1, 1),
            conv_bn(channels, channels, 1, 1, 0),
        )
        self.dbb_avg = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            PaddedNorm(1, channels),
            nn.AvgPool2d(3, 1, 0),
            nn.BatchNorm2d(channels),
        )
        self.dbb_1x1_kxk = nn.Sequential(
            nn.Conv2d(channels, 12, 1, bias=False),
            PaddedNorm(1, 12),
            nn.Conv2d(12, channels, 3, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        x = self.stem(x)
        out = self.dbb_origin(x)
        out += self.dbb_1x1(x)
        out += self.dbb_avg(x)
        out += self.dbb_1x1_kxk(x)
        return torch.relu(out)


class LargeKernel(nn.Module):
    """RepLKNet and UniRepLKNet: a depthwise kernel of 11 beside small ones, some of them dilated."""

    def __init__(self, dim=12):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, dim, 4, 4), nn.BatchNorm2d(dim))
        self.lk_origin = nn.Conv2d(dim, dim, 11, 1, 5, groups=dim, bias=False)
        self.origin_bn = nn.BatchNorm2d(dim)
        for k, r in ((5, 1), (5, 2), (3, 3)):
            branch = nn.Conv2d(dim, dim, k, 1, r * (k - 1) // 2, dilation=r, groups=dim, bias=False)
            self.add_module(f"dil_conv_k{k}_{r}", branch)
            self.add_module(f"dil_bn_k{k}_{r}", nn.BatchNorm2d(dim))
        self.pw = nn.Conv2d(dim, 4 * dim, 1)
        self.out = nn.Conv2d(4 * dim, dim, 1)

    def forward(self, x):
        x = self.stem(x)
        out = self.origin_bn(self.lk_origin(x))
        for k, r in ((5, 1), (5, 2), (3, 3)):
            conv, bn = getattr(self, f"dil_conv_k{k}_{r}"), getattr(self, f"dil_bn_k{k}_{r}")
            out = out + bn(conv(x))
        return x + self.out(F.gelu(self.pw(out)))


class RepMixer(nn.Module):
    """FastViT: what mixes tokens minus their normalization, scaled by channel, beside the identity."""

    def __init__(self, dim=16):
        super().__init__()
        self.stem = conv_bn(3, dim, 3, 2, 1)
        self.norm = nn.BatchNorm2d(dim)
        self.mixer = nn.ModuleDict(
            {
                "conv": conv_bn(dim, dim, 3, 1, 1, dim),
                "scale": conv_bn(dim, dim, 1, 1, 0, dim),
                "skip": nn.BatchNorm2d(dim),
            }
        )
        self.layer_scale = nn.Parameter(1e-1 * torch.ones((dim, 1, 1)), requires_grad=True)

    def forward(self, x):
        x = F.gelu(self.stem(x))
        mixed = self.mixer["conv"](x) + self.mixer["scale"](x) + self.mixer["skip"](x)
        x = x + self.layer_scale * (mixed - self.norm(x))
        return x


NETWORKS = rows(
    "re-parameterized",
    {
        "vgg_style": (VGGStyle, image(32)),
        "over_parameterized": (OverParameterized, image(32)),
        "asymmetric": (Asymmetric, image(16)),
        "diverse_branches": (DiverseBranches, image(24)),
        "large_kernel": (LargeKernel, image(64)),
        "rep_mixer": (RepMixer, image(32)),
    },
)
