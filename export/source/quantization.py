"""What rounds the numbers that layers in 8 bits read and give: their steps, and what these were taken from."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cloformer.io.fields import Fields

__all__ = ["LEVELS", "Quantization", "Steps"]

LEVELS = 256
_FIRST, _LAST = -128, 127
_MOST_LAYERS = 2**20
# By type, how Python packs a number of it, and its smallest normal one.
_TYPES = {"float16": ("<e", 2.0**-14), "float32": ("<f", 2.0**-126)}
_SMALLEST, _LARGEST = 2.0**-126, 2.0**127


@dataclass(frozen=True)
class Steps:
    """A value's 256 numbers: ``scale * (q - zero_point)`` for q from -128 to 127; zero is among them."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float, stored: str) -> Steps:
        """From ``low`` to ``high``, and to zero, with a scale that is a number of the type ``stored``: the nearest, for half a
        step at the ends is no loss. Of zeros, or of what that type has no step for, the scale is its smallest normal number."""
        low, high = min(low, 0.0), max(high, 0.0)
        packed, smallest = _TYPES[stored]
        scale = struct.unpack(packed, struct.pack(packed, max((high - low) / (LEVELS - 1), smallest)))[0]
        return cls(scale, min(max(round(_FIRST - low / scale), _FIRST), _LAST))

    def to_json(self) -> dict[str, object]:
        return {"scale": self.scale, "zero_point": self.zero_point}

    @classmethod
    def from_fields(cls, fields: Fields) -> Steps:
        found = cls(fields.number("scale", _SMALLEST, _LARGEST), fields.whole("zero_point", _FIRST, _LAST))
        fields.done()
        return found

    @property
    def low(self) -> float:
        return self.scale * (_FIRST - self.zero_point)

    @property
    def high(self) -> float:
        return self.scale * (_LAST - self.zero_point)


@dataclass(frozen=True)
class Quantization:
    """``steps`` are by the value's name in the graph before it is quantized, and ``in_float`` the layers that stay in float,
    by name. ``ranges`` is the method that chose them, of so many ``images`` with one ``images_sha256``; "" and 0 where ranges
    were given."""

    steps: Mapping[str, Steps]
    in_float: tuple[str, ...] = ()
    ranges: str = ""
    images: int = 0
    images_sha256: str = ""

    def to_json(self) -> dict[str, object]:
        return {
            "ranges": self.ranges,
            "images": self.images,
            "images_sha256": self.images_sha256,
            "in_float": list(self.in_float),
            "steps": {name: steps.to_json() for name, steps in self.steps.items()},
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Quantization:
        """From a JSON object; :class:`FieldError` for the first field that is wrong."""
        values = fields.child("steps")
        found = cls(
            steps={name: Steps.from_fields(values.child(name)) for name in values.names()},
            in_float=fields.texts("in_float", most=_MOST_LAYERS),
            ranges=fields.text("ranges", longest=100),
            images=fields.whole("images", 0, 2**31),
            images_sha256=fields.text("images_sha256", longest=64),
        )
        fields.done()
        return found
