"""What goes into a model and what comes out: names, shapes, dtypes, roles."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass

from cloformer.io.fields import FieldError, Fields

__all__ = ["DTYPES", "INPUT_ROLES", "MAX_ELEMENTS", "OUTPUT_ROLES", "Signature", "TensorSpec"]

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


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. ``role`` says what it means: an image is NCHW and has a preprocessing."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    role: str = "tensor"

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
        if self.role == "image" and (len(self.shape) != 4 or self.shape[1] not in (1, 3)):
            raise ValueError(f"{self.name} is an image, so its shape is [batch, 1 or 3, height, width]")

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def from_fields(cls, fields: Fields, roles: Collection[str]) -> TensorSpec:
        """The name, shape, type and role in a JSON object, which may have more; :class:`FieldError` for the first that
        is wrong."""
        name, shape = (
            fields.text("name", longest=200),
            fields.wholes("shape", 1, MAX_ELEMENTS, most=_MAX_RANK),
        )
        dtype, role = fields.choice("dtype", DTYPES), fields.choice("role", roles)
        try:
            return cls(name, shape, dtype, role)
        except ValueError as error:
            raise FieldError(fields.path, f"is no tensor: {error}") from None


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
