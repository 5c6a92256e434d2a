"""Which images are seen when: a law of the seed and the epoch, whatever the number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from cloformer.errors import CloformerError
from cloformer.export.accuracy.data import Images

from .augment import Views, seed_of
from .batch_size import refuse_what_does_not_fit
from .recipe import Recipe

__all__ = ["Order", "Part", "training_parts", "validation_parts"]

_Key: TypeAlias = "tuple[int | None, int]"  # the view's seed, None for validation, and the image
_Item: TypeAlias = "tuple[Tensor, int] | CloformerError"
_VIEW = 1  # tells seeds of views from seeds of orders


@dataclass(frozen=True)
class Part:
    """What one process computes at once: ``images`` (B, 3, H, W), ``labels`` (B), and which they are.

    ``start`` is the first one's place in the epoch's order.
    """

    images: Tensor
    labels: Tensor
    start: int
    indices: Sequence[int]


@dataclass(frozen=True)
class Order:
    """Steps of an epoch, each in ``processes * accumulate`` parts. What does not fill a step waits for another epoch.

    :class:`UsageError` if a step cannot be divided so, :class:`InputError` if there are too few images for one.
    """

    recipe: Recipe
    count: int
    processes: int = 1

    def __post_init__(self) -> None:
        refuse_what_does_not_fit(self.recipe, self.count, self.processes)

    @property
    def steps(self) -> int:
        return self.count // self.recipe.batch_size

    @property
    def part_size(self) -> int:
        return self.recipe.batch_size // (self.processes * self.recipe.accumulate)

    def of(self, epoch: int, process: int, first_step: int = 0) -> list[tuple[int, list[int]]]:
        """The place and the images of every part that ``process`` computes, in turn."""
        draw = np.random.Generator(np.random.PCG64(seed_of(self.recipe.seed, epoch)))
        order = draw.permutation(self.count).tolist()
        parts = []
        for step in range(first_step, self.steps):
            for turn in range(self.recipe.accumulate):
                start = (
                    step * self.recipe.batch_size + (process * self.recipe.accumulate + turn) * self.part_size
                )
                parts.append((start, order[start : start + self.part_size]))
        return parts


def training_parts(
    images: Images, views: Views, order: Order, epoch: int, process: int, first_step: int, workers: int
) -> Iterator[Part]:
    """One epoch's, from ``first_step`` on; :class:`InputError` for an image that can no longer be read."""
    parts = order.of(epoch, process, first_step)
    seed = order.recipe.seed
    keys: list[list[_Key]] = [
        [(seed_of(seed, epoch, index, _VIEW), index) for index in some] for _, some in parts
    ]
    loader = _loader(_Shown(images, views), keys, workers)
    for (start, indices), loaded in zip(parts, loader, strict=True):
        yield Part(*_whole(loaded), start, indices)


def validation_parts(
    images: Images, views: Views, size: int, process: int, processes: int, workers: int
) -> Iterator[Part]:
    """Every image once, over all processes."""
    mine = range(process, len(images.labels), processes)
    parts = [list(mine[at : at + size]) for at in range(0, len(mine), size)]
    loader = _loader(_Shown(images, views), [[(None, index) for index in some] for some in parts], workers)
    for indices, loaded in zip(parts, loader, strict=True):
        yield Part(*_whole(loaded), indices[0], indices)


def _loader(shown: _Shown, keys: list[list[_Key]], workers: int) -> DataLoader[_Item]:
    return DataLoader(
        shown,
        batch_sampler=[list(some) for some in keys],
        num_workers=workers,
        collate_fn=_collated,
        generator=torch.Generator(),
    )


@dataclass(frozen=True)
class _Shown(torch.utils.data.Dataset[_Item]):
    images: Images
    views: Views

    def __getitem__(self, key: _Key) -> _Item:
        seed, index = key
        try:
            image = self.images.load(index)
        except CloformerError as error:
            return error  # raised here, a worker would bury its words in a traceback
        view = self.views.validation(image) if seed is None else self.views.training(image, seed)
        return view, self.images.labels[index]


def _collated(loaded: list[_Item]) -> CloformerError | list[Tensor]:
    return next((one for one in loaded if isinstance(one, CloformerError)), None) or default_collate(loaded)


def _whole(loaded: CloformerError | list[Tensor]) -> tuple[Tensor, Tensor]:
    if isinstance(loaded, CloformerError):
        raise loaded
    x_BCHW, labels_B = loaded
    return x_BCHW, labels_B
