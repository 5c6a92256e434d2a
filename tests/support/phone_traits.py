"""A network with every trait that `cloformer lint` has a rule for, each in a branch of its own.

The line of a branch ends with the name of its rule. Other branches have the same operators where no rule has anything against them,
those of rules about magnitudes below these.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["IMAGE_SIZE", "large", "lines"]

IMAGE_SIZE = (132, 132)


class Traits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.wide = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(3, 1, 1), nn.Conv2d(8, 32, 1)
        self.hidden, self.last = nn.Linear(8, 16), nn.Linear(16, 4)
        self.qkv, self.deep = nn.Linear(8, 24), nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.keys, self.narrow = nn.Linear(8, 24), nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.plain = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.stem(x)
        z = 40 * y
        pooled = y.mean((2, 3))
        q, k, v = self.qkv(y.flatten(2).transpose(1, 2)[:, :64]).chunk(3, -1)
        found = [
            F.softplus(z).amax((2, 3)),  # softplus-above-10
            F.mish(0.9 * z).amax((2, 3)),  # softplus-above-10
            torch.logsumexp(40 * self.wide(y), 1).amax((1, 2))[:, None],  # logsumexp-without-maximum
            self.last(F.hardswish(self.hidden(pooled))),  # product-of-2-axes
            (100 * z)[..., 3:9].amax((2, 3)) / 4096,  # width-slice-off-zero
            ((q @ k.transpose(1, 2) * 0.4).softmax(-1) @ v).mean(1),  # attention-of-3-axes
            z.mean((1, 2, 3))[:, None],  # sum-beyond-half
            y.reshape(1, 2, 4, 33, 33).transpose(1, 2).reshape(y.shape).mean((2, 3)),  # more-than-4-axes
            F.avg_pool2d(y, 4, 3, ceil_mode=True).mean((2, 3)),  # average-in-ceil-mode
            self.one(x).flatten(1).softmax(1).amax(1, keepdim=True),  # long-softmax
            (y / (y.pow(2).mean(1, keepdim=True) + 1e-6).sqrt()).mean((2, 3)),  # subnormal-epsilon
            torch.sinh(y.clamp(-1, 1)).mean((2, 3)),  # float32-island
            self.deep(y).mean((2, 3)),  # large-depthwise
        ]
        found += self.without(y, pooled)
        return torch.cat(found, 1), pooled.argmax(1)  # index-at-the-end

    def without(self, y: Tensor, pooled: Tensor) -> list[Tensor]:
        """No trait."""
        q, k, v = self.keys(y.flatten(2).transpose(1, 2)[:, :64]).unsqueeze(1).chunk(3, -1)
        shifted = 40 * y - (40 * y).amax(1, keepdim=True)
        return [
            F.softplus(y).amax((2, 3)) + F.softplus(-(40 * y).abs()).amax((2, 3)),
            torch.logsumexp(y, 1).amax((1, 2))[:, None],
            torch.logsumexp(y - 30, 1).amax((1, 2))[:, None],
            torch.logsumexp(shifted, 1).amax((1, 2))[:, None],
            shifted.exp().sum(1).log().amax((1, 2))[:, None],
            y.mean((1, 2, 3))[:, None],
            self.plain(pooled),
            F.hardswish(y).amax((2, 3)),
            (4000 * y)[..., :6].amax((2, 3)) / 4096,
            y[..., 3:9].amax((2, 3)),
            ((q @ k.transpose(2, 3) * 0.4).softmax(-1) @ v).mean((1, 2)),
            y.reshape(1, 2, 4, 1089).transpose(1, 2).reshape(1, 8, 1089).amax(2),
            F.avg_pool2d(y, 3, 3, ceil_mode=True).mean((2, 3)),
            (y / (y.pow(2).mean(1, keepdim=True) + 1e-3).sqrt()).mean((2, 3)),
            self.narrow(y).mean((2, 3)),
            y.argmax(1).flatten(1)[:, :4] * pooled[:, :4],
        ]


def large() -> nn.Module:
    """With weights that keep the size of what they are given."""
    network, generator = Traits(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            size = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.normal_(0, size, generator=generator)
    return network.eval()


def lines() -> Mapping[str, list[int]]:
    """By rule, the lines of this file that have its trait."""
    text, first = inspect.getsourcelines(Traits)
    found: dict[str, list[int]] = {}
    for number, line in enumerate(text, first):
        code, mark, rule = line.partition("  # ")
        if mark and code.strip():
            found.setdefault(rule.strip(), []).append(number)
    return found
