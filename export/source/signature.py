"""What goes into a model and what comes out: names, shapes, dtypes, roles."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from cloformer.io.fields import FieldError, Fields

__all__ = ["DTYPES", "INPUT_ROLES", "MAX_ELEMENTS", "OUTPUT_ROLES", "Signature", "TensorSpec", "values_of"]

DTYPES = ("float32", "float16", "int64", "int32", "bool")
INPUT_ROLES = ("image", "tensor")
# What an output means. The first three are written today; the others are read, for models that give more than classes.
OUTPUT_ROLES = (
    "tensor", "logits", "probabilities",
    "class_scores", "class_map", "boxes", "box_scores", "box_classes", "masks", "keypoints", "image",
)  # fmt: skip
_ROLES = {*INPUT_ROLES, *OUTPUT_ROLES}

# Of one tensor: an image of 4096 x 4096 pixels has 2**25.6.
MAX_ELEMENTS = 2**26
_MAX_RANK = 16
_IMAGE_RANK = 4


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. ``role`` says what it means: an image is NCHW and has a preprocessing. ``values`` are the lowest
    and the highest number that an integer input takes; None if that is not known. ``channels_last``: the written model takes
    the image as NHWC, and its runner, which is given NCHW as every other, turns it; ``shape`` is NCHW all the same."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    role: str = "tensor"
    values: tuple[int, int] | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"tensor name {self.name!r} is not an identifier")
        if self.role not in _ROLES:
            raise ValueError(f"role {self.role!r} of {self.name} is not one of {', '.join(sorted(_ROLES))}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype {self.dtype!r} of {self.name} is not one of {', '.join(DTYPES)}")
        if any(size < 1 for size in self.shape):
            raise ValueError(f"shape {list(self.shape)} of {self.name} has a size below 1")
        if len(self.shape) > _MAX_RANK or math.prod(self.shape) > MAX_ELEMENTS:
            raise ValueError(
                f"{self.name} has more than {MAX_ELEMENTS} elements, or more than {_MAX_RANK} axes"
            )
        if self.values is not None and not self._holds(*self.values):
            raise ValueError(f"values of {self.name} are two whole numbers of its type, the lower first")
        if self.role == "image" and (len(self.shape) != 4 or self.shape[1] not in (1, 3)):
            raise ValueError(f"{self.name} is an image, so its shape is [batch, 1 or 3, height, width]")
        if self.channels_last and self.role != "image":
            raise ValueError(f"{self.name} is no image, so it has no channels that could be last")

    @property
    def written_shape(self) -> tuple[int, ...]:
        """The shape in the written model's own order of axes."""
        if not self.channels_last:
            return self.shape
        batch, channels, height, width = self.shape
        return batch, height, width, channels

    def _holds(self, low: int, high: int) -> bool:
        end = {"int32": 2**31, "int64": 2**63}.get(self.dtype, 0)
        return -end <= low <= high < end

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {
            "name": self.name, "shape": list(self.written_shape), "dtype": self.dtype, "role": self.role,
        }  # fmt: skip
        return document | ({} if self.values is None else {"values": list(self.values)})

    @classmethod
    def from_fields(
        cls, fields: Fields, roles: Collection[str], *, channels_last: bool = False
    ) -> TensorSpec:
        """The name, shape, type and role in a JSON object, which may have more; :class:`FieldError` for the first that
        is wrong. ``channels_last``: of an image whose shape is written as NHWC."""
        name, shape = (
            fields.text("name", longest=200),
            fields.wholes("shape", 1, MAX_ELEMENTS, most=_MAX_RANK),
        )
        dtype, role = fields.choice("dtype", DTYPES), fields.choice("role", roles)
        values = fields.default("values", lambda key: values_of(fields, key), None)
        if channels_last and len(shape) == _IMAGE_RANK:
            shape = (shape[0], shape[3], shape[1], shape[2])
        try:
            return cls(name, shape, dtype, role, values, channels_last)
        except ValueError as error:
            raise FieldError(fields.path, f"is no tensor: {error}") from None


def values_of(fields: Fields, key: str) -> tuple[int, int]:
    """The lowest and the highest number of an input."""
    found = fields.wholes(key, -(2**63), 2**63 - 1, most=2)
    if len(found) != 2:
        raise fields.error(key, "is not the lowest and the highest number, as in [0, 999]")
    return found[0], found[1]


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
