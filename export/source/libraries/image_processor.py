"""What ``preprocessor_config.json`` of a folder says: how transformers prepares an image for a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from cloformer.io.fields import Fields

from ..preprocessing import MAX_SIDE, Preprocessing

__all__ = ["read_processor"]

# Those whose fields say all that they do.
_SAY_ALL = ("ViT", "DeiT", "Beit", "Bit", "ConvNext", "MobileViT", "MobileNetV1", "MobileNetV2")
_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_WHOLE_FROM = 384  # pixels: ConvNeXt's images of this size and more are not cropped
_MIDDLE = (
    "transformers gives this network the whole image, which an artifact cannot say: the middle is cut out"
)

T = TypeVar("T")


def read_processor(fields: Fields) -> tuple[Preprocessing, tuple[str, ...]]:
    """The preprocessing, and what of it an artifact cannot say. :class:`ValueError` for a file that says no size, or what no
    image can be prepared by."""
    notes = []
    kind = _read(fields, "image_processor_type", fields.text) or _read(
        fields, "feature_extractor_type", fields.text
    )
    name = (kind or "").removesuffix("Fast").removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
    if kind is not None and name not in _SAY_ALL:
        notes.append(
            f"{kind} was read by its fields alone: look at what `cloformer predict` says of a photograph"
        )
    height, width, resize_size, shows_all = _sizes(fields)
    notes += [_MIDDLE] if shows_all else []
    resample = _read(fields, "resample", fields.whole)
    if resample is not None and resample not in _FILTERS:
        notes.append("transformers resizes by a filter that an artifact cannot say: bilinear is taken")
    mean, std = (
        _read(fields, name, lambda name: fields.numbers(name, most=3)) for name in ("image_mean", "image_std")
    )
    is_normalized = _is_on(fields, "do_normalize", True) and mean is not None and std is not None
    factor = _read(fields, "rescale_factor", fields.number) or 1 / 255
    rule = Preprocessing(
        height,
        width,
        max(resize_size, height, width),
        _FILTERS.get(2 if resample is None else resample, "bilinear"),
        color_order="BGR" if _is_on(fields, "do_flip_channel_order", False) else "RGB",
        scale=factor if _is_on(fields, "do_rescale", True) else 1.0,
        mean=mean if mean is not None and is_normalized else (0.0,) * 3,
        std=std if std is not None and is_normalized else (1.0,) * 3,
    )
    return rule, tuple(notes)


def _sizes(fields: Fields) -> tuple[int, int, int, bool]:
    """Height and width of what the network is given, the image's short side before, and whether the whole image is in it."""
    keeps, sides = _size(fields, "size")
    share = _read(fields, "crop_pct", lambda name: fields.number(name, 0.1, 1))
    if _is_on(fields, "do_center_crop", False):
        _, (height, width) = _size(fields, "crop_size")
        return height, width, min(sides), not keeps
    height, width = sides
    if keeps and share is not None and height < _WHOLE_FROM:
        return height, width, int(height / share), False
    return height, width, max(sides), True


def _size(fields: Fields, name: str) -> tuple[bool, Sequence[int]]:
    """Whether proportions are kept, and height and width: of ``{"shortest_edge": 256}``, of ``{"height": 224, "width":
    224}``, or of 224, which is both."""
    value = fields.take(name)
    if isinstance(value, int):
        return False, (Fields({name: value}).whole(name, 1, MAX_SIDE),) * 2
    given = Fields(value, fields.at(name))
    if "shortest_edge" in given:
        return True, (given.whole("shortest_edge", 1, MAX_SIDE),) * 2
    return False, (given.whole("height", 1, MAX_SIDE), given.whole("width", 1, MAX_SIDE))


def _is_on(fields: Fields, name: str, default: bool) -> bool:
    found = _read(fields, name, fields.truth)
    return default if found is None else found


def _read(fields: Fields, name: str, read: Callable[[str], T]) -> T | None:
    """None if the field is null, or not there."""
    return fields.optional(name, read) if name in fields else None
