"""How networks end: most in one tensor of numbers, others as it comes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .draw import Draw, Shape

__all__ = ["HEADS"]


class Classifier(nn.Module):
    def __init__(self, channels: int, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear, self.end = nn.Linear(channels, 10), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.linear(x.mean((2, 3))))


class Flat(nn.Module):
    """A classifier of every pixel."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(shape[0], 4, 1)
        self.linear = nn.Linear(4 * shape[1] * shape[2], 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.reduce(x).flatten(1))


class Several(nn.Module):
    """``give`` makes what is returned of the map and a projection of it."""

    def __init__(self, channels: int, give: Callable[[Tensor, Tensor], object]) -> None:
        super().__init__()
        self.project, self.give = nn.Conv2d(channels, 6, 1), give

    def forward(self, x: Tensor) -> object:
        return self.give(x, self.project(x))


def _boxes(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([y[:, :4].sigmoid() * 640, y[:, 4:].sigmoid()], 1).flatten(2)


def _pyramid(x: Tensor, y: Tensor) -> dict[str, object]:
    return {"map": y, "levels": [x[:, :2].mean(3), y[:, 1:3].amax((2, 3))]}


def _several(give: Callable[[Tensor, Tensor], object]) -> Callable[[Draw, Shape], nn.Module]:
    return lambda _draw, shape: Several(shape[0], give)


HEADS: dict[str, Callable[[Draw, Shape], nn.Module]] = {
    "classifier": lambda _, shape: Classifier(shape[0], lambda x: x),
    "probabilities": lambda _, shape: Classifier(shape[0], lambda x: x.softmax(-1)),
    "log probabilities": lambda _, shape: Classifier(shape[0], lambda x: x.log_softmax(-1)),
    "every pixel": lambda _, shape: Flat(shape),
    "map": _several(lambda _, y: y),
    "tokens": _several(lambda _, y: y.flatten(2).transpose(1, 2)),
    "tokens as rows": _several(lambda _, y: y.flatten(2).transpose(1, 2).flatten(0, 1)),
    "one number": _several(lambda _, y: y.square().mean()),
    "boxes and scores": _several(_boxes),
    "pair": _several(lambda x, y: (y, y.tanh().mean((2, 3)))),
    "pyramid": _several(_pyramid),
    "one tensor twice": _several(lambda _, y: [y, y]),
    "class map": _several(lambda _, y: y.argmax(1)),
    "mask": _several(lambda _, y: (y[:, :1] > 0.1, y)),
    "counts": _several(lambda _, y: (y > 0).sum((2, 3))),
    "best places": _several(lambda _, y: y.flatten(2).topk(3, dim=2)),
    "integers": _several(lambda _, y: ((y * 4).round().int(), y)),
    "nothing among them": _several(lambda _, y: (y, None)),
}
