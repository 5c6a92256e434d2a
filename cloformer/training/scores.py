"""How often a classifier is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Scores", "counted", "interval", "scores_of"]

_Z = 1.959963984540054  # of 95 % of the normal distribution


@dataclass(frozen=True)
class Scores:
    """Shares of ``images`` whose class is the first guess, or one of the first five; the mean cross-entropy."""

    images: int
    top1: float
    top5: float
    loss: float

    def to_json(self) -> dict[str, object]:
        return {
            "images": self.images,
            "top1": self.top1,
            "top1_interval": list(interval(self.top1, self.images)),
            "top5": self.top5,
            "top5_interval": list(interval(self.top5, self.images)),
            "loss": self.loss,
        }


def counted(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    """Images, first guesses that are right, right ones among five, and the sum of cross-entropies: to be added up."""
    logits_BK, labels_B = logits_BK.double().cpu(), labels_B.cpu()
    right_BN = logits_BK.topk(min(5, logits_BK.shape[1])).indices == labels_B[:, None]
    loss = F.cross_entropy(logits_BK, labels_B, reduction="sum")
    return torch.stack(
        [torch.tensor(float(len(labels_B))).double(), right_BN[:, 0].sum(), right_BN.sum(), loss]
    )


def scores_of(sums: Tensor) -> Scores:
    """Of what :func:`counted` gave, added up over all images."""
    images, first, five, loss = sums.tolist()
    return Scores(int(images), first / images, five / images, loss / images)


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of ``count`` (Wilson, 1927)."""
    spread = _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)
