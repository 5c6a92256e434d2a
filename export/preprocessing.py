"""What turns a photograph into a model's input, step by step.

decode, EXIF orientation, RGB (transparency over black is dropped, not blended: the alpha channel is
ignored), resize the short side with antialiasing, crop the centre, then per channel
``(scale * pixel - mean) / std``, channels first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

__all__ = ["INTERPOLATIONS", "Preprocessing", "load_image"]

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class Preprocessing:
    """Sizes in pixels; ``resize_size`` is the short side before the crop. ``mean`` and ``std`` are in
    units after ``scale``. :class:`ValueError` if they do not fit together."""

    height: int
    width: int
    resize_size: int
    interpolation: str = "bicubic"
    crop: str = "center"
    color_order: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.resize_size < max(self.height, self.width):
            raise ValueError(
                f"resize_size {self.resize_size} is smaller than the crop {self.height} x {self.width}"
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation {self.interpolation!r} is not one of {', '.join(INTERPOLATIONS)}"
            )
        if self.crop != "center" or self.color_order not in ("RGB", "BGR"):
            raise ValueError("crop must be 'center' and color_order 'RGB' or 'BGR'")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and std need 1 or 3 numbers each, one per channel")
        if not self.scale > 0 or not all(value > 0 for value in self.std):
            raise ValueError("scale and every std must be above 0")

    @classmethod
    def imagenet(cls, height: int, width: int) -> Preprocessing:
        """The published evaluation: short side 8/7 of the crop (256 for 224), bicubic, ImageNet's statistics."""
        return cls(height, width, round(max(height, width) * 8 / 7))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preprocessing:
        return cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"])})

    def crop_image(self, image: Image.Image) -> Pixels:
        """Resized and cropped pixels, (height, width, channels), 0 to 255, in ``color_order``."""
        import numpy as np
        from PIL import Image

        short, long = sorted(image.size)
        other = int(self.resize_size * long / short)
        size = (self.resize_size, other) if image.width <= image.height else (other, self.resize_size)
        resized = image.resize(size, Image.Resampling[self.interpolation.upper()])
        left, top = round((resized.width - self.width) / 2), round((resized.height - self.height) / 2)
        cropped = resized.crop((left, top, left + self.width, top + self.height))
        if len(self.mean) == 1:
            return np.asarray(cropped.convert("L"))[..., None]
        pixels = np.asarray(cropped)
        return pixels if self.color_order == "RGB" else np.ascontiguousarray(pixels[..., ::-1])

    def normalize(self, pixels_HWC: Pixels) -> Floats:
        """``(scale * pixel - mean) / std`` as (1, channels, height, width)."""
        import numpy as np

        values = (pixels_HWC.astype(np.float64) * self.scale - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)

    def prepare(self, image: Image.Image) -> Floats:
        """:meth:`crop_image`, then :meth:`normalize`."""
        return self.normalize(self.crop_image(image))


def load_image(path: Path) -> Image.Image:
    """The photograph at ``path``, upright, in RGB; :class:`InputError` if it is not a whole image."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16") or upright.mode == "I":
                return upright.point(lambda value: value / 256).convert("L").convert("RGB")
            if upright.mode == "P":
                upright = upright.convert("RGBA")
            return upright.convert("RGB")
    except FileNotFoundError:
        raise InputError(f"there is no image {path}", "give a JPEG or PNG file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{path} is not an image that can be read: {error}", "give a whole JPEG or PNG file"
        ) from None
