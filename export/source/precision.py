"""The number formats an artifact's weights and activations have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json

from .quantization import Quantization

__all__ = [
    "AUTO",
    "AUTO_IS",
    "PRECISIONS",
    "Precision",
    "precisions",
    "read_precision_map",
    "with_exceptions",
]

_MAP_VERSION = 1
_MAX_MAP_BYTES = 2**24


@dataclass(frozen=True)
class Precision:
    """What weights and activations are stored and computed in.

    ``granularity`` is what one scale, or one palette, of the weights covers: a "tensor", a "channel" of the output, or
    "block 32", so many numbers along the input's axis; ``exceptions`` are the types that nodes of the lowered program are
    computed in instead, by name. ``layers`` is what convolutions and linear layers compute on: "float", "int8", with steps
    that ``quantization`` says and that are None until they are known, or "int8 by range", with steps from what each inference reads.
    """

    name: str
    weights: str
    activations: str
    granularity: str = "tensor"
    layers: str = "float"
    quantization: Quantization | None = None
    exceptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def are_weights_compressed(self) -> bool:
        """Whether large weights are stored in fewer bits than what is computed: as whole numbers, which a scale or a palette makes
        numbers of, or as shorter numbers."""
        return self.weights != self.activations

    @property
    def are_layers_quantized(self) -> bool:
        """Whether layers read and give whole numbers, too, in steps that are known before."""
        return self.layers == "int8"

    @property
    def are_layers_dynamic(self) -> bool:
        """Whether layers read whole numbers in steps from what each inference reads."""
        return self.layers == "int8 by range"

    @property
    def bits(self) -> int:
        """Of one stored weight."""
        return _BITS_OF_FLOATS.get(self.weights) or int(self.weights.removeprefix("uint").removeprefix("int"))

    @property
    def constants(self) -> str:
        """The type of the weights that are not compressed, of scales, and of palettes."""
        return self.activations if self.are_weights_compressed else self.weights

    @property
    def constant_bits(self) -> int:
        """Of a number of that type."""
        return _BITS_OF_FLOATS[self.constants]

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {
            "name": self.name,
            "weights": self.weights,
            "activations": self.activations,
            "granularity": self.granularity,
            "exceptions": dict(self.exceptions),
        }
        return found | ({} if self.layers == "float" else {"layers": self.layers})

    @classmethod
    def from_fields(cls, fields: Fields, rows: Mapping[str, Precision]) -> Precision:
        """One of a format's ``rows`` with its exceptions, from a JSON object; :class:`FieldError` for anything else."""
        row = rows[fields.choice("name", rows)]
        for name, value in row.to_json().items():
            if name not in ("name", "exceptions") and fields.take(name) != value:
                raise fields.error(name, f"is not {value!r}, which {row.name} has")
        exceptions = fields.table("exceptions")
        for node, kind in exceptions.items():
            if kind != "float32" or row.activations != "float16":
                raise fields.error("exceptions", f"has {kind[:40]!r} for {node[:80]!r}")
        # What later versions may say of groups of operators; this one computes all of them alike.
        if list(fields.each("groups")):
            raise fields.error("groups", "is for a later cloformer: update it")
        fields.done()
        return replace(row, exceptions=exceptions)


_BITS_OF_FLOATS = {"float16": 16, "float32": 32}

# The names on the command line: what weights are stored in, what one scale or palette covers, and what layers compute on.
# None: as activations.
_WEIGHTS: dict[str, tuple[str | None, str, str]] = {
    "fp32": (None, "tensor", "float"),
    "fp16": ("float16", "tensor", "float"),
    "int8": ("int8", "channel", "int8"),
    "int8-dynamic": ("int8", "channel", "int8 by range"),
    "int8-weights": ("int8", "channel", "float"),
    "int4-weights": ("int4", "block 32", "float"),
    "palette-8": ("uint8", "tensor", "float"),
    "palette-6": ("uint6", "tensor", "float"),
    "palette-4": ("uint4", "tensor", "float"),
}
PRECISIONS = tuple(_WEIGHTS)
# Layers in 8 bits, but for those that a goal needs in float: a way to choose, and no precision of its own.
AUTO, AUTO_IS = "auto", "int8"


def precisions(**activations: str) -> dict[str, Precision]:
    """A format's rows, by names of :data:`PRECISIONS` with "_" for "-": what each computes in."""
    rows = {}
    for key, computed in activations.items():
        name = key.replace("_", "-")
        weights, granularity, layers = _WEIGHTS[name]
        rows[name] = Precision(name, weights or computed, computed, granularity, layers)
    return rows


def read_precision_map(path: Path) -> dict[str, str]:
    """The nodes to keep in float32, as `cloformer parity --precision-map` wrote them, or the layers that stayed in float, of an
    artifact's manifest: a type by name.

    Raises :class:`InputError` for a file that is not one.
    """
    advice = "write one with `cloformer parity ARTIFACT --precision-map FILE`, or give an int8 artifact's manifest.json"
    content = read_json(path, _MAX_MAP_BYTES, advice)
    try:
        fields = Fields(content)
        if "request" in fields:
            steps = fields.child("request").child("quantization")
            return dict.fromkeys(sorted(steps.texts("in_float")), "float32")
        if fields.whole("schema_version", 1) > _MAP_VERSION:
            raise InputError(f"{path} is of a newer cloformer", "update cloformer, or write the map again")
        names = [entry.text("node") for entry in fields.objects("float32")]
    except FieldError as error:
        raise InputError(f"precision map {path} cannot be read: {error}", advice) from None
    return dict.fromkeys(sorted(names), "float32")


def with_exceptions(precision: Precision, exceptions: Mapping[str, str]) -> Precision:
    """``precision`` but for some nodes. Raises :class:`UnsupportedError` where there is nothing to except."""
    if precision.activations != "float16":
        raise UnsupportedError(
            f"{precision.name} has nothing that a precision map could keep in float32",
            "--precision-map goes with what computes in float16: --precision fp16",
        )
    return replace(precision, exceptions=dict(exceptions))
