"""The keys of the TOML file that ``--spec`` takes: read by :mod:`.spec`, listed by `cloformer spec`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloformer.io.fields import Fields

from .preprocessing import COLOR_ORDERS, CROPS, INTERPOLATIONS, MAX_SIDE
from .roles import FORMS, UNITS
from .signature import DTYPES, INPUT_ROLES, OUTPUT_ROLES, values_of

__all__ = [
    "INPUT",
    "METADATA",
    "OUTPUT",
    "PREPROCESSING",
    "SECTIONS",
    "TOP",
    "Key",
    "Section",
    "example",
    "key_names",
]


@dataclass(frozen=True)
class Key:
    """``kind`` is its type and ``default`` its default, in words: "" if it must be there. ``example`` is its value in the
    example, as TOML spells it; with ``is_shown`` that line is no comment there."""

    name: str
    kind: str
    default: str
    meaning: str
    example: str
    read: Callable[[Fields, str], object]
    is_shown: bool = False


@dataclass(frozen=True)
class Section:
    """``header`` is the line above its keys; "" for those at the top of the file."""

    header: str
    meaning: str
    keys: tuple[Key, ...]

    def read(self, fields: Fields) -> dict[str, object]:
        """What ``fields`` say, from which the sections inside were taken before. :class:`FieldError` for the first key that
        is of another type, not known, or missing: in this order, for what is misspelt is missing too."""
        found = {key.name: key.read(fields, key.name) for key in self.keys if key.name in fields}
        fields.done()
        for key in self.keys:
            if not key.default and key.name not in found:
                fields.take(key.name)
        return found


def _choice(known: Sequence[str]) -> Callable[[Fields, str], str]:
    return lambda fields, name: fields.choice(name, known)


def _name(fields: Fields, name: str) -> str:
    return fields.text(name, longest=200, empty=False)


def _words(known: Sequence[str]) -> str:
    return ", ".join(known)


def _numbers(fields: Fields, name: str) -> tuple[float, ...]:
    return fields.numbers(name, most=3)


TOP = Section(
    "",
    "a model's outputs and classes",
    (
        Key("outputs", "list of text", "output, or output_0, output_1, ...",
            "Names of the outputs, in the order in which the model returns them.", '["logits"]', Fields.texts),
        Key("labels", "text", "none", "File of class names, one a line, in this file's folder.", '"labels.txt"', Fields.text),
        Key("labels_of", "text", "the first", "The output whose classes the labels name.", '"logits"', _name),
    ),
)  # fmt: skip
INPUT = Section(
    "[[inputs]]",
    "one for each input, in the order in which the model takes them; none: an image of --image-size",
    (
        Key("name", "text", "", "A name of your choice: letters, digits and _.", '"image"', _name, True),
        Key("shape", "list of whole numbers", "", "All sizes; of an image [batch, 1 or 3, height, width].",
            "[1, 3, 224, 224]", lambda fields, name: fields.wholes(name, 1, 2**31, most=16), True),
        Key("dtype", "text", "float32", f"One of {_words(DTYPES)}.", '"float32"', Fields.text),
        Key("role", "text", "image with preprocessing, else tensor",
            "image or tensor. Apps prepare photographs for an image.", '"image"', _choice(INPUT_ROLES), True),
        Key("values", "list of whole numbers", "found by running the model",
            "The lowest and the highest number that an input of integers takes.", "[0, 999]", values_of),
    ),
)  # fmt: skip
PREPROCESSING = Section(
    "[inputs.preprocessing]",
    "how a photograph becomes the image above it: (scale * pixel - mean) / std of its middle",
    (
        Key("resize_size", "whole number", "8/7 of the longer side; of a letterbox that side",
            "Pixels of the short side before the middle is cut out.", "256",
            lambda fields, name: fields.whole(name, 1, MAX_SIDE), True),
        Key("interpolation", "text", "bicubic", f"One of {_words(INTERPOLATIONS)}.", '"bicubic"',
            _choice(INTERPOLATIONS), True),
        Key("crop", "text", "center", f"{' or '.join(CROPS)}: the middle, or all of it with a border.", '"center"', _choice(CROPS)),
        Key("fill", "whole number", "114", "What a letterbox's border is, 0 to 255.", "114",
            lambda fields, name: fields.whole(name, 0, 255)),
        Key("color_order", "text", "RGB", f"{' or '.join(COLOR_ORDERS)}.", '"RGB"', _choice(COLOR_ORDERS), True),
        Key("scale", "number", "1/255", "What a pixel, 0 to 255, is multiplied by.", "0.00392156862745098",
            Fields.number, True),
        Key("mean", "list of numbers", "ImageNet's; 0.5 of a grey image", "One for each channel, after scale.",
            "[0.485, 0.456, 0.406]", _numbers, True),
        Key("std", "list of numbers", "ImageNet's; 0.5 of a grey image", "One for each channel, after scale.",
            "[0.229, 0.224, 0.225]", _numbers, True),
        Key("height", "whole number", "the image's", "The shape says it already.", "224",
            lambda fields, name: fields.whole(name, 1, MAX_SIDE)),
        Key("width", "whole number", "the image's", "The shape says it already.", "224",
            lambda fields, name: fields.whole(name, 1, MAX_SIDE)),
    ),
)  # fmt: skip
OUTPUT = Section(
    "[[outputs]]",
    "instead of names alone: one for each output, in the order in which the model returns them, with what it means to an app",
    (
        Key("name", "text", "", "A name of your choice: letters, digits and _.", '"boxes"', _name),
        Key("role", "text", "",
            "tensor, logits or probabilities of any shape; class_scores [N, classes, H, W]; class_map [N, H, W]; boxes [N, n, 4] and "
            "box_scores [N, n(, classes)] or with box_classes [N, n]; masks [N, n, H, W]; keypoints [N(, n), points, 2 or 3]; image "
            "[N, 1 or 3, H, W].",
            '"boxes"', _choice(OUTPUT_ROLES)),
        Key("form", "text", "needed of boxes and keypoints",
            "xyxy (left, top, right, bottom) or center_size (the centre's x and y, width, height) of boxes; xy of keypoints.",
            '"xyxy"', _choice(FORMS)),
        Key("unit", "text", "needed of boxes and keypoints", "pixels of the input, or shares of its width and height.", '"pixels"',
            _choice(UNITS)),
    ),
)  # fmt: skip
METADATA = Section(
    "[metadata]",
    "any text, written into the manifest; author and license into the model too",
    (
        Key("author", "text", "none", "Who made the model.", '"..."', Fields.text),
        Key("license", "text", "none", "What others may do with it.", '"MIT"', Fields.text),
    ),
)  # fmt: skip
SECTIONS = (TOP, INPUT, PREPROCESSING, OUTPUT, METADATA)


def key_names() -> list[str]:
    """Of all sections, each once."""
    return list(dict.fromkeys(key.name for section in SECTIONS for key in section.keys))


def example() -> str:
    """A file that ``--spec`` takes as it is: one image, prepared as ImageNet's. What it does not need is a comment."""
    lines = [
        "# What cloformer is to know of a model: cloformer export --model nets.py:build --spec model.toml"
    ]
    for section in SECTIONS:
        # A table of a list that need not be there is a comment as a whole: its keys do not belong to the table above.
        is_left_out = section.header.startswith("[[") and not any(key.is_shown for key in section.keys)
        header = f"#   {section.header}" if is_left_out else section.header
        lines += ["", f"# {section.meaning}", *([header] if header else [])]
        for key in section.keys:
            line = f"{'#   ' if is_left_out else '' if key.is_shown else '# '}{key.name} = {key.example}"
            lines.append(f"{line:<34}# {key.meaning}")
    return "\n".join(lines) + "\n"
