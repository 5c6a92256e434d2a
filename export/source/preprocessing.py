"""What turns a photograph into a model's input, step by step.

1. Decode the first frame, whole; turn it upright by its EXIF orientation.
2. RGB, 8 bits. Of 16 bits the upper eight count; grey becomes three equal channels. Transparency and
   colour profiles are ignored, as ImageNet's training code does: hidden pixels show what is stored.
3. Resize the short side to ``resize_size``, the long one to ``int(resize_size * long / short)``, with
   Pillow's antialiasing: the width, then the height, each rounded to 8 bits. (Pillow did so by itself up to version
   12; from 13 on it takes the height first where that is less work, which changes pixels of some tall images.)
4. Crop ``height`` x ``width`` in the middle, from ``round((side - crop) / 2)`` on.
   With ``crop`` "letterbox" instead of 3 and 4: resize the whole image, as large as it fits, and fill the border with ``fill``
   (:class:`.placement.Placement`).
5. Grey if there is one mean, else the channels in ``color_order``.
6. ``(scale * pixel - mean) / std`` per channel, in float64 and rounded to float32 once; channels first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError
from cloformer.io.fields import FieldError, Fields

from .arrays import Array
from .images import MAX_PIXELS, opened_image
from .placement import Placement

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

__all__ = [
    "COLOR_ORDERS",
    "CROPS",
    "INTERPOLATIONS",
    "MAX_SIDE",
    "Preprocessing",
    "as_planes",
    "load_image",
    "upright",
    "upright_size",
]

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
CROPS = ("center", "letterbox")
_GREY = 114  # the border's value that detectors are usually trained with
COLOR_ORDERS = ("RGB", "BGR")
MAX_SIDE = 8192  # pixels; an image of this size has as many as Pillow decodes
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF's, and its values that exchange width and height
_LARGEST = 1e9  # of scale, mean and std; the smallest is one over it: no pixel leaves float32's range


@dataclass(frozen=True)
class Preprocessing:
    """Sizes in pixels; ``resize_size`` is the short side before the crop, and of a letterbox the longer side of the input. ``mean`` and
    ``std`` are in units after ``scale``; ``fill``, 0 to 255, is what a letterbox's border is. :class:`ValueError` if they do not
    fit together."""

    height: int
    width: int
    resize_size: int
    interpolation: str = "bicubic"
    crop: str = "center"
    color_order: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    fill: int = _GREY

    def __post_init__(self) -> None:
        for name, size in (
            ("height", self.height),
            ("width", self.width),
            ("resize_size", self.resize_size),
        ):
            if type(size) is not int or not 1 <= size <= MAX_SIDE:
                raise FieldError(name, f"is {size!r}, not a whole number of pixels from 1 to {MAX_SIDE}")
        if self.resize_size < max(self.height, self.width):
            raise FieldError(
                "resize_size", f"{self.resize_size} is smaller than the crop {self.height} x {self.width}"
            )
        if self.crop == "letterbox" and self.resize_size != max(self.height, self.width):
            raise FieldError(
                "resize_size",
                f"{self.resize_size} is not the longer side of the letterbox {self.height} x {self.width}",
            )
        if type(self.fill) is not int or not 0 <= self.fill <= 255:
            raise FieldError("fill", f"is {self.fill!r}, not a whole number from 0 to 255")
        for name, value, known in (
            ("interpolation", self.interpolation, INTERPOLATIONS),
            ("crop", self.crop, CROPS),
            ("color_order", self.color_order, COLOR_ORDERS),
        ):
            if value not in known:
                raise FieldError(name, f"{value!r} is not one of {', '.join(known)}")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise FieldError("std", "needs 1 or 3 numbers, one per channel, and as many as mean")
        numbers = (("scale", self.scale), *(("mean", n) for n in self.mean), *(("std", n) for n in self.std))
        for name, number in numbers:
            if (
                not isinstance(number, (int, float)) or not abs(number) <= _LARGEST
            ):  # what is not a number fails
                raise FieldError(name, f"has {number!r}, not a number of at most {_LARGEST:g}")
            if name != "mean" and not number >= 1 / _LARGEST:
                raise FieldError(name, f"has {number!r}, and it must be above 0")

    @classmethod
    def imagenet(cls, height: int, width: int) -> Preprocessing:
        """The published evaluation: bicubic, ImageNet's statistics, and a short side of 256 / 224 of the
        crop's longer one, rounded down (256 for 224)."""
        return cls(height, width, max(height, width) * 256 // 224)

    def at_size(self, height: int, width: int) -> Preprocessing:
        """The same for another crop, which shows about as much of the image."""
        resized = max(height, width) * self.resize_size // max(self.height, self.width)
        return replace(self, height=height, width=width, resize_size=resized)

    def without_normalization(self) -> Preprocessing:
        """The same up to the pixels: :meth:`normalize` gives them as they are."""
        zeros, ones = (tuple([number] * len(self.mean)) for number in (0.0, 1.0))
        return replace(self, scale=1.0, mean=zeros, std=ones)

    def to_json(self) -> dict[str, object]:
        """The fields as plain JSON values; ``fill`` of a letterbox alone."""
        document = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        if self.crop != "letterbox":
            del document["fill"]
        return document

    @classmethod
    def from_json(cls, data: object) -> Preprocessing:
        """What :meth:`to_json` gave; :class:`ValueError` if ``data`` is something else."""
        return cls.from_fields(Fields(data, "preprocessing"))

    @classmethod
    def from_fields(cls, fields: Fields) -> Preprocessing:
        """What :meth:`to_json` gave, from a JSON object; :class:`FieldError` with the path of what is wrong."""
        height, width, resize_size = (
            fields.whole(name, 1, MAX_SIDE) for name in ("height", "width", "resize_size")
        )
        words = {
            name: fields.default(name, fields.text, default)
            for name, default in (("interpolation", "bicubic"), ("crop", "center"), ("color_order", "RGB"))
        }
        scale = fields.default("scale", fields.number, 1 / 255)
        mean, std = fields.numbers("mean", most=3), fields.numbers("std", most=3)
        fill = fields.default("fill", fields.whole, _GREY) if words["crop"] == "letterbox" else _GREY
        fields.done()
        try:
            return cls(height, width, resize_size, **words, scale=scale, mean=mean, std=std, fill=fill)
        except FieldError as error:
            raise fields.error(error.path, error.problem) from None

    @property
    def said(self) -> str:
        """What becomes of an image's size, in words."""
        if self.crop == "letterbox":
            return f"fitted into {self.height} x {self.width} ({self.interpolation}), its border {self.fill}"
        return f"short side to {self.resize_size} ({self.interpolation}), {self.height} x {self.width} from the middle"

    def placement(self, width: int, height: int) -> Placement:
        """Where an upright image of that size lies in the input. Raises :class:`InputError` for one so thin that it would be
        enormous with its short side at ``resize_size``."""
        if self.crop == "letterbox":
            return Placement.letterbox((width, height), (self.width, self.height))
        placed = Placement.middle((width, height), self.resize_size, (self.width, self.height))
        if placed.resized[0] * placed.resized[1] > MAX_PIXELS:
            raise InputError(
                f"an image of {width} x {height} pixels is too thin: resized for the model, it "
                f"would be {max(placed.resized)} pixels long",
                "cut out the part that matters",
            )
        return placed

    def crop_image(self, image: Image.Image) -> Pixels:
        """Resized and cropped pixels, (height, width, channels), 0 to 255, in ``color_order``. Raises as :meth:`placement` does."""
        import numpy as np
        from PIL import Image

        placed = self.placement(image.width, image.height)
        (across, down), (left, top) = placed.resized, placed.offset
        filter_ = Image.Resampling[self.interpolation.upper()]
        resized = _rgb(image).resize((across, image.height), filter_).resize((across, down), filter_)
        if self.crop == "letterbox":
            cropped = Image.new("RGB", (self.width, self.height), (self.fill,) * 3)
            cropped.paste(resized, (-left, -top))
        else:
            cropped = resized.crop((left, top, left + self.width, top + self.height))
        if len(self.mean) == 1:
            return np.array(cropped.convert("L"))[..., None]
        return self.in_order(np.array(cropped))

    def in_order(self, pixels_HWC: Pixels) -> Pixels:
        """R, G, B pixels in ``color_order``; and back again."""
        import numpy as np

        return pixels_HWC if self.color_order == "RGB" else np.ascontiguousarray(pixels_HWC[..., ::-1])

    def normalize(self, pixels_HWC: Pixels) -> Floats:
        """``(scale * pixel - mean) / std`` as (1, channels, height, width).

        Raises :class:`ValueError` unless the pixels are 8-bit with one channel per mean.
        """
        import numpy as np

        if pixels_HWC.dtype != np.uint8 or pixels_HWC.shape[2:] != (len(self.mean),):
            raise ValueError(
                f"normalize takes uint8 pixels of shape (height, width, {len(self.mean)}), "
                f"not {pixels_HWC.dtype} of {pixels_HWC.shape}"
            )
        values = (pixels_HWC.astype(np.float64) * self.scale - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)

    def pixels(self, normalized_NCHW: Array) -> Array:
        """The whole numbers, 0 to 255, that normalized ones were made of."""
        import numpy as np

        column = (1, -1, 1, 1)
        mean, std = np.reshape(self.mean, column), np.reshape(self.std, column)
        found: Array = np.rint((np.asarray(normalized_NCHW, np.float64) * std + mean) / self.scale)
        return found

    def prepare(self, image: Image.Image) -> Floats:
        """:meth:`crop_image`, then :meth:`normalize`."""
        return self.normalize(self.crop_image(image))

    __call__ = prepare


def as_planes(pixels_HWC: Pixels) -> Floats:
    """(1, channels, height, width) with values of 0 to 255, as a model that normalizes by itself takes it."""
    import numpy as np

    pixels: Floats = pixels_HWC.reshape(*pixels_HWC.shape[:2], -1).transpose(2, 0, 1)[None].astype(np.float32)
    return pixels


def load_image(path: Path) -> Image.Image:
    """The photograph at ``path``, upright, in RGB; :class:`InputError` if it is not a whole image, and
    :class:`MissingRuntimeError` if its format needs a package that is not there."""
    with opened_image(path) as image:
        return upright(image)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of what :func:`load_image` gives, without decoding it; raises the same."""
    with opened_image(path) as image:
        is_on_its_side = image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        return (image.height, image.width) if is_on_its_side else (image.width, image.height)


def upright(image: Image.Image) -> Image.Image:
    """Turned by its EXIF orientation, in 8-bit RGB; :class:`ValueError` if it has no such form."""
    from PIL import ImageOps

    return _rgb(ImageOps.exif_transpose(image))


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB; :class:`ValueError` where it is not known which value is white."""
    import numpy as np
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its pixels have more than 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are fractions without a fixed range")
    if image.mode == "P":
        image = image.convert("RGBA")  # Pillow warns of palettes with transparency otherwise
    return image.convert("RGB")
