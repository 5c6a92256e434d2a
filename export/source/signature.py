"""What goes into a model and what comes out: names, shapes, dtypes, roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["DTYPES", "ROLES", "Signature", "TensorSpec"]

DTYPES = ("float32", "float16", "int64", "int32", "bool")
ROLES = ("image", "tensor", "logits", "probabilities")  # an input is one of the first two


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
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} of {self.name} is not one of {', '.join(ROLES)}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype {self.dtype!r} of {self.name} is not one of {', '.join(DTYPES)}")
        if any(size < 1 for size in self.shape):
            raise ValueError(f"shape {list(self.shape)} of {self.name} has a size below 1")
        if self.role == "image" and (len(self.shape) != 4 or self.shape[1] not in (1, 3)):
            raise ValueError(f"{self.name} is an image, so its shape is [batch, 1 or 3, height, width]")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorSpec:
        return cls(data["name"], tuple(data["shape"]), data["dtype"], data["role"])


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
