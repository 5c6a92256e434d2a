"""Where an image lies in a model's input, and the way back to it."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Array

__all__ = ["Placement"]


@dataclass(frozen=True)
class Placement:
    """An image of ``width`` x ``height`` pixels, upright, that is resized to ``resized`` (width, height); the input's first pixel is the
    one at ``offset`` (x, y) of that, which is negative where a border lies before it."""

    width: int
    height: int
    resized: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def middle(cls, size: tuple[int, int], short: int, crop: tuple[int, int]) -> Placement:
        """The short side of an image of ``size`` (width, height) at ``short`` pixels, the long one rounded down, and the middle of
        ``crop`` (width, height): a half is rounded to the even number."""
        width, height = size
        other = int(short * max(size) / min(size))
        resized = (short, other) if width <= height else (other, short)
        left, top = (round((side - cut) / 2) for side, cut in zip(resized, crop, strict=True))
        return cls(width, height, resized, (left, top))

    @classmethod
    def letterbox(cls, size: tuple[int, int], into: tuple[int, int]) -> Placement:
        """The whole image as large as it fits ``into`` (width, height): one side fills, the other is rounded, a half up, to one
        pixel at least; what is left is divided, the odd pixel after the image. In whole numbers, so that every language gives the
        same."""
        (width, height), (across, down) = size, into
        if width * down >= height * across:
            resized = across, max(1, (2 * height * across + width) // (2 * width))
        else:
            resized = max(1, (2 * width * down + height) // (2 * height)), down
        left, top = (-((room - side) // 2) for room, side in zip(into, resized, strict=True))
        return cls(width, height, resized, (left, top))

    def back(self, points: Array) -> Array:
        """Points (..., 2), x and y in pixels of the input, in pixels of the image; in float64, added, multiplied and divided in
        this order."""
        import numpy as np

        moved = np.asarray(points, np.float64) + np.array(self.offset, np.float64)
        found: Array = (
            moved * np.array((self.width, self.height), np.float64) / np.array(self.resized, np.float64)
        )
        return found

    def there(self, points: Array) -> Array:
        """Points (..., 2) of the image in pixels of the input: the inverse of :meth:`back`."""
        import numpy as np

        scaled = np.asarray(points, np.float64) * np.array(self.resized) / np.array((self.width, self.height))
        found: Array = scaled - np.array(self.offset)
        return found
