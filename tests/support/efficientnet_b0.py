"""EfficientNet-B0 as its paper has it (Tan and Le, 2019, table 1), for images of 224 pixels, with drawn weights: ``network``.

Statistics are those of smooth and noisy images, so that values inside are of about unit size, as in a trained network; biases and
gains differ from the identity.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["IMAGE_SIZE", "EfficientNetB0", "network"]

IMAGE_SIZE = (224, 224)
# The stages: how much wider inside, the kernel, the stride of the first block, channels, blocks.
_STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip


class Conv(nn.Sequential):
    """A convolution, its normalization, and SiLU where it is wanted."""

    def __init__(
        self, wide: int, out: int, kernel: int, stride: int = 1, groups: int = 1, *, acts: bool = True
    ) -> None:
        conv = nn.Conv2d(wide, out, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out, eps=1e-3), *([nn.SiLU()] if acts else []))


class Squeeze(nn.Module):
    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, narrow, 1), nn.Conv2d(narrow, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(x.mean((2, 3), keepdim=True)))))


class Block(nn.Module):
    """MBConv: wider, a depthwise convolution, squeeze and excitation, and narrow again."""

    def __init__(self, wide: int, out: int, factor: int, kernel: int, stride: int) -> None:
        super().__init__()
        inside = factor * wide
        self.skips = wide == out and stride == 1
        self.body = nn.Sequential(
            *([Conv(wide, inside, 1)] if factor > 1 else []),
            Conv(inside, inside, kernel, stride, inside),
            Squeeze(inside, wide // 4),
            Conv(inside, out, 1, acts=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skips else self.body(x)


class EfficientNetB0(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        blocks, wide = [], 32
        for factor, kernel, stride, out, count in _STAGES:
            for number in range(count):
                blocks.append(Block(wide, out, factor, kernel, 1 if number else stride))
                wide = out
        self.stem, self.blocks, self.last = Conv(3, 32, 3, 2), nn.Sequential(*blocks), Conv(wide, 1280, 1)
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.last(self.blocks(self.stem(x))).mean((2, 3)))


@torch.no_grad()
def network() -> nn.Module:
    """With the weights of seed 0."""
    generator = torch.Generator().manual_seed(0)
    model = EfficientNetB0()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
        elif name.endswith("bias"):
            parameter.normal_(0, 0.1, generator=generator)
        else:
            parameter.uniform_(0.6, 1.4, generator=generator)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics of all images
    noise = torch.randn(2, 3, *IMAGE_SIZE, generator=generator)
    smooth = F.interpolate(
        torch.randn(2, 3, 9, 9, generator=generator), IMAGE_SIZE, mode="bicubic", align_corners=True
    )
    model.train()(torch.cat([noise, smooth]))
    return model.eval()
