"""What a page shows beside the numbers: images a model was compared on, and how errors are spread."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ...formats.runners import Array
    from ...parity.metrics import Figures
    from ...parity.report import OutputResult
    from ...reference.cases import Case

__all__ = ["BINS_PER_DECADE", "Collector", "Histogram", "Image", "Pictures", "histogram"]

BINS_PER_DECADE = 4
_IMAGES_SHOWN, _THUMBNAIL = 8, 160
_LOWEST, _HIGHEST = -16, 2  # decades; what is outside counts in the bin at the end


@dataclass(frozen=True)
class Image:
    """An input as a person sees it: a small PNG, the figures of its worst output, a line about it."""

    name: str
    png: bytes
    figures: Figures
    note: str = ""


@dataclass(frozen=True)
class Histogram:
    """How many values of one output are how far off, over the reference's largest magnitude.

    Bin ``k`` of ``counts`` holds the errors from 10 ** ((first + k) / BINS_PER_DECADE) on, up to the next;
    ``exact`` are the values without error, ``not_finite`` those whose error is no number. ``allowed`` is the
    tolerance, over the same magnitude.
    """

    name: str
    case: str
    first: int
    counts: tuple[int, ...]
    exact: int
    not_finite: int
    allowed: float | None = None

    @property
    def values(self) -> int:
        return sum(self.counts) + self.exact + self.not_finite


@dataclass(frozen=True)
class Pictures:
    """What is known beside one report."""

    images: tuple[Image, ...] = ()
    errors: tuple[Histogram, ...] = ()


def histogram(name: str, case: str, got: Array, want: Array, allowed: float | None = None) -> Histogram:
    """Of one output on one input; shapes must be equal. ``allowed`` is in the output's units."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        raise ValueError(f"{got.shape} is compared with {want.shape}")
    largest = float(np.abs(want).max(initial=0.0))
    scale = largest if largest > 0 and math.isfinite(largest) else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(got == want, 0.0, np.abs(got - want) / scale)
    finite = error[np.isfinite(error)]
    off = finite[finite > 0]
    bins = np.floor(np.log10(off) * BINS_PER_DECADE).astype(int)
    bins = bins.clip(_LOWEST * BINS_PER_DECADE, _HIGHEST * BINS_PER_DECADE - 1)
    first = int(bins.min()) if bins.size else 0
    counts = np.bincount(bins - first) if bins.size else np.zeros(0, int)
    exact, not_finite = int(finite.size - off.size), int(error.size - finite.size)
    share = None if allowed is None else allowed / scale
    return Histogram(name, case, first, tuple(int(item) for item in counts), exact, not_finite, share)


class Collector:
    """Watches a comparison and keeps what a page shows of it: the worst images small, and every output's
    errors on the worst input of each kind."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._errors: dict[tuple[str, str], tuple[float, Histogram]] = {}

    def __call__(
        self, case: Case, results: Sequence[OutputResult], got: Sequence[Array], want: Sequence[Array]
    ) -> None:
        """``got`` and ``want`` are the arrays that ``results`` are of."""
        worst = max((result.figures for result in results), key=lambda figures: figures.max_rel)
        for name, value in case.values.items():
            if value.ndim == 4 and case.name not in self._images:
                self._images[case.name] = Image(
                    case.name, _thumbnail(value), worst, f"{case.kind}, as {name}"
                )
        for result, found, expected in zip(results, got, want, strict=True):
            place = (result.name, result.kind)
            if np.shape(found) != np.shape(expected):
                continue
            if place not in self._errors or result.figures.max_rel > self._errors[place][0]:
                spread = histogram(result.name, case.name, found, expected, result.allowed)
                self._errors[place] = (result.figures.max_rel, spread)

    def pictures(self) -> Pictures:
        """The worst images first."""
        images = sorted(self._images.values(), key=lambda image: -image.figures.max_rel)[:_IMAGES_SHOWN]
        return Pictures(tuple(images), tuple(spread for _, spread in self._errors.values()))


def _thumbnail(pixels_NCHW: Array) -> bytes:
    """The first of the batch as a PNG, at most 160 pixels wide and high."""
    from PIL import Image as Pillow

    pixels = pixels_NCHW[0].clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    image = Pillow.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
