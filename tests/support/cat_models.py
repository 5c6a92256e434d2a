"""Two networks whose weights are set by hand, for the photograph that comes with cloformer: what they find there can be seen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["centers", "parts"]

_STRIDE = 4
_SHARP = 60.0
# Shares of red, green and blue: of what is behind, of fur, of an eye, of the nose.
_REST, _FUR, _EYE, _NOSE = (
    (0.37, 0.33, 0.30),
    (0.46, 0.318, 0.222),
    (0.41, 0.378, 0.212),
    (0.61, 0.215, 0.175),
)


class Shares(nn.Module):
    """How near each place's share of red, green and blue is to each of some colours: -|x - c|^2 but for what all have, by a 1x1
    convolution."""

    def __init__(self, *colors: tuple[float, float, float]) -> None:
        super().__init__()
        self.near = nn.Conv2d(3, len(colors), 1)
        rows = torch.tensor(colors)
        with torch.no_grad():
            self.near.weight.copy_(2 * _SHARP * rows[..., None, None])
            assert self.near.bias is not None
            self.near.bias.copy_(-_SHARP * rows.square().sum(1))

    def forward(self, image: Tensor) -> Tensor:
        light = image + 0.04  # what is nearly black has no colour
        found: Tensor = self.near(light / light.sum(1, keepdim=True))
        return found


class Centers(nn.Module):
    """As CenterNet: at each place how much it is the middle of an eye or of a nose; peaks alone count, and all have one size."""

    def __init__(self) -> None:
        super().__init__()
        self.shares = Shares(_REST, _FUR, _EYE, _NOSE)
        self.size = nn.Parameter(torch.tensor([42.0, 40.0]).reshape(1, 2, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        near = self.shares(image)
        better = near[:, 2:] - near[:, :2].amax(1, keepdim=True)  # than what is around
        scores = (30 * F.avg_pool2d(better.clamp(-0.5, 0.5), 25, _STRIDE, 12) + 1.8).sigmoid()
        peaks = scores * (scores == F.max_pool2d(scores, 5, 1, 2))
        height, width = scores.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        middle = ((torch.stack((x, y)) + 0.5) * _STRIDE).expand(image.shape[0], -1, -1, -1)
        boxes = torch.cat((middle - self.size / 2, middle + self.size / 2), 1)
        return boxes.flatten(2).transpose(1, 2), peaks.flatten(2).transpose(1, 2)


class Parts(nn.Module):
    """As DeepLab: scores of four classes, of places near and far, at a quarter of the size and made large again."""

    def __init__(self) -> None:
        super().__init__()
        self.shares = Shares(_REST, _FUR, _EYE, _NOSE)

    def forward(self, image: Tensor) -> Tensor:
        near = F.avg_pool2d(self.shares(image), 9, _STRIDE, 4)
        far = F.avg_pool2d(near, 7, 1, 3)
        return F.interpolate(0.5 * near + 0.5 * far, image.shape[-2:], mode="bilinear", align_corners=False)


def centers() -> nn.Module:
    return Centers().eval()


def parts() -> nn.Module:
    return Parts().eval()
