"""Random views of the training images. Each is a law of its seed, so that order and number of processes change none.

Kornia draws from torch's one generator; it is seeded anew for every image and put back after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cloformer.errors import MissingRuntimeError
from cloformer.export.source.preprocessing import Preprocessing

from .recipe import Recipe

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Views", "mixed", "seed_of", "smoothed"]

_Augmentation: TypeAlias = Any  # kornia's: an optional package, without types
_Range: TypeAlias = "slice[int, int, int]"

_ASPECT = 4 / 3  # of a crop, this way or the other
_TRIES = 10
_OPERATIONS = 2  # of RandAugment, per image
_ERASED, _ERASED_ASPECT = (0.02, 1 / 3), (0.3, 3.3)


def seed_of(*numbers: int) -> int:
    """One seed of several numbers, none of which can stand for another."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class Views:
    """What the network sees of an image: (3, size, size), normalized as ``rule`` says."""

    recipe: Recipe
    rule: Preprocessing

    def check(self) -> None:
        """:class:`MissingRuntimeError` if what the recipe does to images needs a package that is not there."""
        if not self._changes_colours:
            return
        try:
            import kornia.augmentation  # noqa: F401
        except ImportError:
            raise MissingRuntimeError(
                "this recipe changes colours, shapes or parts of images, and kornia is not installed",
                "pip install 'cloformer[train]', or --set rand_augment=0 --set color_jitter=0 --set erasing=0",
            ) from None

    @property
    def _changes_colours(self) -> bool:
        return bool(self.recipe.rand_augment or self.recipe.color_jitter or self.recipe.erasing)

    def validation(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(self.rule.prepare(image)[0])

    def training(self, image: Image.Image, seed: int) -> Tensor:
        """A random part of the image, mirrored or not, recoloured and partly blanked as the recipe says."""
        from PIL import Image as Pillow

        draw = np.random.Generator(np.random.PCG64(seed))
        size = self.rule.height, self.rule.width
        shown = image.resize(
            size, Pillow.Resampling[self.rule.interpolation.upper()], box=self._box(image.size, draw)
        )
        if draw.random() < self.recipe.flip:
            shown = shown.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)
        pixels = np.asarray(shown)
        if not self._kornia:
            return torch.from_numpy(self.rule.normalize(pixels)[0])
        value_1CHW = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 255
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if "rand" in self._kornia:
                magnitude = draw.normal(self.recipe.rand_augment, self.recipe.rand_augment_std)
                self._kornia["rand"].m = float(np.clip(magnitude, 0.01, 29.99))
                value_1CHW = self._kornia["rand"](value_1CHW)
            if "colour" in self._kornia:
                value_1CHW = self._kornia["colour"](value_1CHW)
            mean, std = (torch.tensor(each)[:, None, None] for each in (self.rule.mean, self.rule.std))
            value_1CHW = (value_1CHW.clamp(0, 1) * (255 * self.rule.scale) - mean) / std
            if "erase" in self._kornia:
                value_1CHW = self._kornia["erase"](value_1CHW)
        return value_1CHW[0].contiguous()

    def _box(self, size: tuple[int, int], draw: np.random.Generator) -> tuple[float, float, float, float]:
        """Left, upper, right and lower edge of a random part (Szegedy et al., arXiv 1409.4842)."""
        width, height = size
        for _ in range(_TRIES):
            area = width * height * draw.uniform(min(self.recipe.crop_area, 1), 1)
            aspect = math.exp(draw.uniform(-math.log(_ASPECT), math.log(_ASPECT)))
            columns, rows = math.sqrt(area * aspect), math.sqrt(area / aspect)
            if columns <= width and rows <= height:
                left, top = draw.uniform(0, width - columns), draw.uniform(0, height - rows)
                return left, top, min(left + columns, width), min(top + rows, height)
        side = min(size)  # too thin for what was drawn
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side

    @cached_property
    def _kornia(self) -> dict[str, _Augmentation]:
        recipe = self.recipe
        if not self._changes_colours:
            return {}
        import kornia.augmentation as kornia
        from kornia.augmentation.auto import RandAugment

        made: dict[str, _Augmentation] = {}
        if recipe.rand_augment:
            made["rand"] = RandAugment(_OPERATIONS, 15, transformation_matrix_mode="skip")
        if recipe.color_jitter:
            made["colour"] = kornia.ColorJitter(*(recipe.color_jitter,) * 3, 0.0, p=1.0)
        if recipe.erasing:
            made["erase"] = kornia.RandomErasing(_ERASED, _ERASED_ASPECT, value=0.0, p=recipe.erasing)
        return made


def smoothed(labels_B: Tensor, classes: int, smoothing: float, dtype: torch.dtype) -> Tensor:
    """(B, classes): 1 at the label, with a share of it spread over all classes."""
    return F.one_hot(labels_B, classes).to(dtype) * (1 - smoothing) + smoothing / classes


def mixed(x_BCHW: Tensor, target_BK: Tensor, recipe: Recipe, *seed: int) -> tuple[Tensor, Tensor]:
    """Each image mixed with its neighbour (mixup, Zhang et al., arXiv 1710.09412), or with a part of it in its place
    (CutMix, Yun et al., arXiv 1905.04899), one or the other by chance, and the targets in the same shares.

    Neighbours are first and second, third and fourth: both are always in one process. A last one alone stays.
    ``seed`` and an image's place in the batch decide everything; its first number must be the pairs' own start.
    """
    kinds = [("mixup", recipe.mixup), ("cutmix", recipe.cutmix)]
    kinds = [(name, alpha) for name, alpha in kinds if alpha]
    if not kinds:
        return x_BCHW, target_BK
    x, target = x_BCHW.clone(), target_BK.clone()
    for one, other, draw in _pairs(len(x), seed):
        name, alpha = kinds[int(draw.integers(len(kinds)))]
        share = float(draw.beta(alpha, alpha))
        if name == "mixup":
            x[one] = share * x_BCHW[one] + (1 - share) * x_BCHW[other]
            x[other] = share * x_BCHW[other] + (1 - share) * x_BCHW[one]
        else:
            rows, columns = _cut(x.shape[2], x.shape[3], 1 - share, draw)
            x[one, :, rows, columns] = x_BCHW[other, :, rows, columns]
            x[other, :, rows, columns] = x_BCHW[one, :, rows, columns]
            cut = (rows.stop - rows.start) * (columns.stop - columns.start)
            share = 1 - cut / (x.shape[2] * x.shape[3])
        target[one] = share * target_BK[one] + (1 - share) * target_BK[other]
        target[other] = share * target_BK[other] + (1 - share) * target_BK[one]
    return x, target


def _pairs(count: int, seed: tuple[int, ...]) -> Iterator[tuple[int, int, np.random.Generator]]:
    first, *rest = seed
    for one in range(0, count - 1, 2):
        yield one, one + 1, np.random.Generator(np.random.PCG64(seed_of(first + one, *rest)))


def _cut(height: int, width: int, share: float, draw: np.random.Generator) -> tuple[_Range, _Range]:
    """A rectangle of that share around a random centre, as far as it is inside."""
    slices = []
    for side in (height, width):
        half, centre = round(side * math.sqrt(share) / 2), int(draw.integers(side))
        slices.append(slice(max(centre - half, 0), min(centre + half, side)))
    return slices[0], slices[1]
