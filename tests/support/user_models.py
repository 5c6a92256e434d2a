"""Models as users write them: nothing here knows cloformer.

``random_statistics`` gives every normalization statistics and gains that differ from the identity,
without which a wrong fold would pass unnoticed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def random_statistics(model: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)):
            module.weight.data.normal_(1, 0.1, generator=generator)
            module.bias.data.normal_(0, 0.05, generator=generator)
    return model.eval()


class BasicBlock(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, out_chans, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_chans)
        self.conv2 = nn.Conv2d(out_chans, out_chans, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_chans)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or in_chans != out_chans:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_chans, out_chans, 1, stride, bias=False), nn.BatchNorm2d(out_chans)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 7, 2, 3, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        self.blocks = nn.Sequential(BasicBlock(16, 16, 1), BasicBlock(16, 32, 2), BasicBlock(32, 32, 1))
        self.fc = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class InvertedResidual(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, stride: int) -> None:
        super().__init__()
        hidden = 4 * in_chans
        self.body = nn.Sequential(
            nn.Conv2d(in_chans, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Hardswish(inplace=True),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(hidden, 8, 1),
            nn.ReLU(),
            nn.Conv2d(8, hidden, 1),
            nn.Hardsigmoid(),
        )
        self.project = nn.Sequential(nn.Conv2d(hidden, out_chans, 1, bias=False), nn.BatchNorm2d(out_chans))
        self.skips = stride == 1 and in_chans == out_chans

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        y = self.project(y * self.squeeze(y))
        return x + y if self.skips else y


class MobileNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)
        )
        self.blocks = nn.Sequential(
            InvertedResidual(16, 16, 1), InvertedResidual(16, 24, 2), InvertedResidual(24, 24, 1)
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(24, 32),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(32, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        attention = ((q * self.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(b, n, c))


class EncoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * dim, dim))
        self.gamma = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.gamma * self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, classes: int = 10, size: int = 64, patch: int = 16, dim: int = 48) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, dim, patch, patch)
        self.cls = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.pos = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, dim) * 0.02)
        self.layers = nn.Sequential(EncoderLayer(dim, 4), EncoderLayer(dim, 4))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.pos
        return self.head(self.norm(self.layers(x))[:, 0])


class GroupNormNet(nn.Module):
    """What ``scale`` multiplies, the first normalization divides by again: the outputs change by rounding."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 2, 1)
        self.norm = nn.GroupNorm(1, 16)
        self.mix = nn.Conv2d(16, 32, 1)
        self.last_norm = nn.GroupNorm(4, 32)
        self.fc = nn.Linear(32, 10)
        random_statistics(self)
        with torch.no_grad():
            for parameter in self.conv.parameters():
                parameter *= scale

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(self.conv(x)))
        return self.fc(F.silu(self.last_norm(self.mix(x))).mean((2, 3)))


class TwoInputs(nn.Module):
    """An image and a vector in, two tensors out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.fc = nn.Linear(4, 8)

    def forward(self, image: Tensor, scalars: Tensor) -> dict[str, Tensor]:
        features = F.silu(self.conv(image)) + self.fc(scalars)[:, :, None, None]
        return {"features": features, "pooled": features.mean((2, 3))}


class TwoHeads(nn.Module):
    """An image in, scores of three classes and a map of features out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.fc = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = F.silu(self.conv(image))
        return {"scores": self.fc(features.mean((2, 3))), "features": features}


class Unexportable(nn.Module):
    """Uses operators that no format has, at two places."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.linalg.svdvals(x.flatten(2))
        z = torch.linalg.qr(x[:, 0])[0]
        return y.sum() + torch.special.bessel_j0(x).sum() + z.sum()


class DataDependent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def resnet() -> nn.Module:
    return random_statistics(ResNet())


def mobilenet() -> nn.Module:
    return random_statistics(MobileNet())


def vit() -> nn.Module:
    return random_statistics(ViT())


def group_norm() -> nn.Module:
    return GroupNormNet(1.0)


def group_norm_scaled() -> nn.Module:
    return GroupNormNet(256.0)


def two_inputs() -> nn.Module:
    return TwoInputs()


def two_heads() -> nn.Module:
    return TwoHeads()


def unexportable() -> nn.Module:
    return Unexportable()


def data_dependent() -> nn.Module:
    return DataDependent()


def fails() -> nn.Module:
    raise RuntimeError("the data set is not here")


not_a_module = 3
