"""How often a classifier is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Scores", "Z", "counted", "first_classes", "interval", "right_first", "scores_of"]

Z = 1.959963984540054  # of 95 % of the normal distribution
_LAST = 2**31  # the place of a class among scores that are no numbers


@dataclass(frozen=True)
class Scores:
    """Shares of ``images`` whose class is the first guess, or one of the first five; the mean cross-entropy."""

    images: int
    top1: float
    top5: float
    loss: float

    @property
    def top1_interval(self) -> tuple[float, float]:
        """At 95 %, as the next."""
        return interval(self.top1, self.images)

    @property
    def top5_interval(self) -> tuple[float, float]:
        return interval(self.top5, self.images)

    def to_json(self) -> dict[str, object]:
        return {
            "images": self.images,
            "top1": self.top1,
            "top1_interval": list(self.top1_interval),
            "top5": self.top5,
            "top5_interval": list(self.top5_interval),
            "loss": self.loss if math.isfinite(self.loss) else None,
        }

    @staticmethod
    def nothing() -> dict[str, object]:
        """The same without labels."""
        return dict.fromkeys(("top1", "top1_interval", "top5", "top5_interval", "loss"))


def counted(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    """Images, first guesses that are right, right ones among five, and the sum of cross-entropies: to be added up."""
    logits_BK, labels_B = logits_BK.double().cpu(), labels_B.cpu()
    place_B = _places(logits_BK, labels_B)
    loss = F.cross_entropy(logits_BK, labels_B, reduction="sum")
    return torch.stack(
        [torch.tensor(float(len(labels_B))).double(), (place_B < 1).sum(), (place_B < 5).sum(), loss]
    )


def right_first(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    """(B,) truths: is the class the first guess?"""
    return _places(logits_BK, labels_B) < 1


def first_classes(logits_BK: Tensor) -> Tensor:
    """(B,) the first guess; -1 where a score is no number, for then there is none."""
    return logits_BK.argmax(1).masked_fill(logits_BK.isnan().any(1), -1)


def _places(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    """(B,) how many classes come before the right one. Of equal scores, which are common where a model computes in 8 bits, the
    first class is first, as in an app that looks for the largest; scores of which one is no number are right in nothing."""
    own_B1 = logits_BK.gather(1, labels_B[:, None])
    earlier_BK = torch.arange(logits_BK.shape[1]) < labels_B[:, None]
    before_BK = (logits_BK > own_B1) | ((logits_BK == own_B1) & earlier_BK)
    return before_BK.sum(1).masked_fill(logits_BK.isnan().any(1), _LAST)


def scores_of(sums: Tensor) -> Scores:
    """Of what :func:`counted` gave, added up over all images."""
    images, first, five, loss = sums.tolist()
    return Scores(int(images), first / images, five / images, loss / images)


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of ``count`` (Wilson, 1927)."""
    spread = Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)
