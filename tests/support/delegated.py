"""Networks of what ExecuTorch's delegate has operators for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["bare", "laid_out", "layers", "operators", "scaled_sum", "shared", "whole_numbers"]


class Operators(nn.Module):
    """Each once, on numbers for which it is defined."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, dilation=1, groups=6)
        self.groups = nn.Conv2d(6, 8, 3, padding=(1, 0), groups=2)
        self.transposed = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.linear = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.relu(self.convolution(x))
        y = self.depthwise(y)
        y = F.elu(y, 0.7)
        z = F.leaky_relu(y - 0.1, 0.2)
        z = F.pad(z, (1, 2, 0, 1), value=0.5)
        z = torch.maximum(torch.minimum(z, z.abs() / 2), -z)
        z = F.interpolate(z, (8, 8), mode="bilinear", align_corners=True)
        z = F.max_pool2d(z, 2, 2)
        z = z.clamp(0.05, 0.2)
        w = self.transposed(self.groups(F.avg_pool2d(y, 2)))
        p = torch.sqrt(torch.exp(torch.tanh(z)) + 1.5) * torch.rsqrt(z.square() + 1)
        p = torch.log(p.abs() + 0.5) + torch.sin(z) * torch.cos(z) + torch.floor(2 * z) + torch.ceil(3 * z)
        p = F.hardswish(p) + F.gelu(p) + torch.sigmoid(p)
        q = torch.cat([p[:, :, 1:3], p, p[:, :, :1]], 2)
        q = torch.cat([q, q[:, :2], q[:, 2:3], q[:, 3:4]], 1)
        q = torch.cat([q, q[:, :1], q[:, 1:2], q[:, 2:3], q[:, 3:4]], 1)
        q = q.flatten(2).softmax(-1)
        q = torch.bmm(q, q.transpose(1, 2))
        share = torch.add(q.mean(1), q[:, 0], alpha=0.25)
        return self.linear(share[:, :6]) + self.linear(p.mean((2, 3), keepdim=True).flatten(1)), w


class ScaledSum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x)
        return torch.add(y, y.sigmoid(), alpha=0.5).tanh()


class LaidOut(nn.Module):
    """What the delegate computes along axes, of images whose channels lie last and of tables that were permuted."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.mix = nn.Conv2d(4, 4, 1).to(memory_format=torch.channels_last)
        self.volume = nn.Conv3d(4, 2, (3, 1, 3), stride=(2, 1, 1), padding=(1, 0, 1))
        self.table = nn.Parameter(torch.randn(16, 16, 4))
        self.row = nn.Parameter(torch.randn(1, 1, 4))
        for tensor in (self.norm.running_mean, self.norm.running_var, self.norm.weight):
            nn.init.uniform_(tensor, 0.5, 2.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.tanh(self.heads(x)) + self.table.permute(2, 0, 1).unsqueeze(0)
        attention = self.mix(self.mix(torch.relu(self.norm(y))).softmax(-1))
        one = y.mean((2, 3)).reshape(1, 4, 1, 1) + self.row.permute(2, 0, 1).unsqueeze(0)
        return attention @ x[:, :1] * one, self.volume(y.reshape(1, 4, 4, 4, 16))


class Shared(nn.Module):
    """A weight and a bias that are read besides by what is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 16, 3)
        self.linear = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x).mean((2, 3))
        z = self.linear(y) * (y @ self.linear.weight + self.linear.bias)
        return z + self.linear.bias + self.linear.weight[0] + (self.linear.weight * y).sum(1)


class Layers(nn.Module):
    """What is computed on whole numbers, between what is not: values that both read, clips that a layer takes with it and others, and
    an output that is read on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 12, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.groups = nn.Conv2d(12, 8, (3, 1), padding=(1, 0), groups=2, bias=False)
        self.clipped = nn.Conv2d(8, 10, 1)
        self.transposed = nn.ConvTranspose2d(10, 4, 2, stride=2)
        self.linear = nn.Linear(10, 40)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = F.relu6(self.first(x))
        z = self.groups(self.depthwise(y) + y.sigmoid())
        w = self.clipped(z).clamp(-0.4, 0.3).tanh()
        return z, self.linear((w * w + w).mean((2, 3), keepdim=True).flatten(1)), self.transposed(w)


def laid_out() -> nn.Module:
    torch.manual_seed(0)
    return LaidOut().eval()


def layers() -> nn.Module:
    torch.manual_seed(0)
    return Layers().eval()


def operators() -> nn.Module:
    torch.manual_seed(0)
    return Operators().eval()


class Bare(nn.Module):
    """Nothing for the delegate, and no constant: the file has no segments."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(1).cumsum(1)


def bare() -> nn.Module:
    return Bare()


def shared() -> nn.Module:
    torch.manual_seed(0)
    return Shared().eval()


def scaled_sum() -> nn.Module:
    torch.manual_seed(0)
    return ScaledSum().eval()


class WholeNumbers(nn.Module):
    """What runtimes give of negative whole numbers, in ways of their own."""

    def forward(self, ids: Tensor) -> list[Tensor]:
        x, odd = 7 * ids - 30, 2 * ids - 9
        return [
            x % 7, x % -5, x % odd, x.fmod(7), torch.fmod(x, odd), x // 7, torch.div(x, odd, rounding_mode="trunc"),
            x >> 2, x << 3, x ^ 12, x & 12, x.sign(), x**2, x.int() % 7, torch.bucketize(x / 3, torch.arange(-8.0, 9.0)),
        ]  # fmt: skip


def whole_numbers() -> nn.Module:
    return WholeNumbers()
