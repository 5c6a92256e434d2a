"""Small networks that each meet one published cliff of the Neural Engine (``cliff_networks:softplus``), and beside three of them one that
computes the same in a form that meets none (``..._right``). Images have 32 pixels a side.

A convolution, scaled so that its values pass the edge on a photograph, the operator in question, and a head after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CHANNELS", "IMAGE_SIZE", "MET", "NETWORKS"]

IMAGE_SIZE = (32, 32)
CHANNELS = 32


class Network(nn.Module):
    """``function`` between a convolution whose values are ``scale`` times as large, about ``shift``, and a head. What the function
    gives is divided by ``scale``, so that the head's values are of about unit size."""

    def __init__(
        self, function: Callable[[Tensor], Tensor], scale: float, shift: float, out: int = CHANNELS
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.function, self.scale = nn.Conv2d(3, CHANNELS, 3, 2, 1), function, scale
        self.mix, self.head = nn.Conv2d(out, 16, 1), nn.Linear(16, 10)
        with torch.no_grad():
            self.stem.weight.mul_(scale)
            self.stem.bias.fill_(shift)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        found = self.function(self.stem(x)) / self.scale
        return self.head(F.relu(self.mix(found)).mean((2, 3)))


class Head(nn.Module):
    """The head of MobileNetV3: a product, hardswish, and another product, of rank 2, or as convolutions of a pixel."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.rank = nn.Conv2d(3, CHANNELS, 8, 8), rank
        self.inner, self.outer = nn.Linear(CHANNELS, 64), nn.Linear(64, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = 4 * self.stem(x).mean((2, 3))
        if self.rank == 2:
            return self.outer(F.hardswish(self.inner(pooled)))
        inner, outer = (layer.weight[:, :, None, None] for layer in (self.inner, self.outer))
        wide = F.conv2d(pooled[:, :, None, None], inner, self.inner.bias)
        return F.conv2d(F.hardswish(wide), outer).flatten(1)


def _stable_softplus(x: Tensor) -> Tensor:
    return x.clamp(min=0) + torch.log(1 + torch.exp(-x.abs()))


def _rows(x: Tensor) -> Tensor:
    return x[..., 3:, :]


def _stable_sum(x: Tensor) -> Tensor:
    largest = x.amax(1, keepdim=True)
    return largest + torch.logsumexp(x - largest, 1, keepdim=True)


@dataclass(frozen=True)
class Met:
    """The cliff that a network meets, and the operator of the trace that is out of line first, with its verdict."""

    cliff: str
    operator: str
    verdict: str = "wrong here"


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "softplus": lambda: Network(F.softplus, 4.0, 6.0),
    "softplus_right": lambda: Network(_stable_softplus, 4.0, 6.0),
    "log_sum_exp": lambda: Network(lambda x: torch.logsumexp(x, 1, keepdim=True), 1.0, 7.2, 1),
    "log_sum_exp_right": lambda: Network(_stable_sum, 1.0, 7.2, 1),
    "exponentials": lambda: Network(lambda x: torch.log(torch.exp(x).sum(1, keepdim=True)), 1.0, 7.2, 1),
    "flat_product": lambda: Head(2),
    "flat_product_right": lambda: Head(4),
    "slice": lambda: Network(lambda x: x[..., 3:], 4000.0, 0.0),
    "product": lambda: Network(_rows, 12000.0, 0.0),
}
MET = {
    "softplus": Met("softplus", "aten.softplus.default"),
    "log_sum_exp": Met("log_sum_exp", "aten.logsumexp.default"),
    "exponentials": Met("exponentials", "aten.sum.dim_IntList", "overflows"),
    "flat_product": Met("flat_product", "aten.hardswish.default"),
    "slice": Met("slice", "aten.slice.Tensor"),
    "product": Met("product", "aten.conv2d.default"),
}


def __getattr__(name: str) -> Callable[[], nn.Module]:
    if name not in NETWORKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lambda: NETWORKS[name]().eval()
