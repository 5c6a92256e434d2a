"""What models are compared on: photographs first, then seeded noise, then inputs that models are bad at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import EllipsisType

import numpy as np

from ..formats.runners import Array
from ..source.function import Function
from ..source.images import Unreadable, attempts, refuse_none
from ..source.preprocessing import Preprocessing, load_image
from ..source.resolve import Source
from ..source.signature import TensorSpec
from .photographs import reference_pixels

__all__ = [
    "PHOTOGRAPH",
    "Case",
    "Inputs",
    "Photographs",
    "hostile_cases",
    "image_cases",
    "in_own_order",
    "is_usual",
    "noise_case",
]

_ONES = (1, 1)  # which every table has: for an artifact that does not say what an input takes
_TRUE = 0.75
BLACK = "black"
PHOTOGRAPH = Path(__file__).parent.parent / "data" / "chelsea.jpg"


@dataclass(frozen=True)
class Inputs:
    """How a model is fed: its inputs, the preprocessing of those that are images, and whether the written
    model normalizes them itself."""

    specs: tuple[TensorSpec, ...]
    preprocessing: Mapping[str, Preprocessing]
    inside: Mapping[str, bool]

    @classmethod
    def of(cls, function: Function) -> Inputs:
        """As an artifact's function declares them."""
        return cls(
            function.signature.inputs,
            {
                item.spec.name: item.preprocessing
                for item in function.inputs
                if item.preprocessing is not None
            },
            {item.spec.name: item.preprocessing_inside for item in function.inputs},
        )

    @classmethod
    def of_source(cls, source: Source) -> Inputs:
        """As the model itself is fed, whatever an artifact says: it normalizes nothing."""
        return cls(source.inputs, source.preprocessing, dict.fromkeys(source.preprocessing, False))

    @property
    def are_all_images(self) -> bool:
        return len(self.specs) == len(self.preprocessing)


@dataclass(frozen=True)
class Case:
    """One set of inputs. An image is pixels, 0 to 255, NCHW, in the colour order its preprocessing declares.

    ``own`` are the same inputs as the model's own preprocessing makes them, in its own colour order; None if
    there is nothing to make: ``values`` themselves. ``is_usual``: what the model may be given, so that its number format
    may end before nothing there; tensors that are larger than any model expects are not.
    """

    name: str
    kind: str  # "photograph", "noise" or "hostile"
    values: Mapping[str, Array]
    own: Mapping[str, Array] | None = None
    is_usual: bool = False

    def for_reference(self, inputs: Inputs) -> dict[str, Array]:
        """Float64, every image normalized. ``inputs`` are the model's own."""
        return _prepared(self.values if self.own is None else self.own, inputs, inputs)

    def as_declared(self, inputs: Inputs, own: Inputs) -> dict[str, Array]:
        """The same as the artifact declares it, in the model's ``own`` types."""
        return _prepared(self.values, inputs, own)

    def for_candidate(self, inputs: Inputs) -> dict[str, Array]:
        """In the written model's types; images normalized unless it does that itself."""
        prepared = _prepared(self.values, inputs, inputs)
        return {
            spec.name: np.ascontiguousarray(
                self.values[spec.name] if inputs.inside[spec.name] else prepared[spec.name], dtype=spec.dtype
            )
            for spec in inputs.specs
        }


@dataclass(frozen=True)
class Photographs:
    """A case per photograph, and the photographs that cannot be read."""

    cases: list[Case]
    unreadable: list[Unreadable]


def image_cases(inputs: Inputs, paths: Sequence[Path], own: Inputs | None = None) -> Photographs:
    """A case per photograph, fed to every input; none unless all inputs are images.

    ``inputs`` are the artifact's; the pixels for the reference are made apart from them, as ``own`` says. A photograph that
    cannot be read does not stop the others; where none can, the first one's error is raised.
    """
    if not inputs.are_all_images:
        return Photographs([], [])
    names = Counter(path.name for path in paths)

    def read(path: Path) -> Case:
        name = path.name if names[path.name] == 1 else str(path)
        return _photograph(name, path, inputs, own)

    found = list(attempts(paths, read))
    cases = [item for item in found if isinstance(item, Case)]
    unreadable = [item for item in found if isinstance(item, Unreadable)]
    if unreadable and not cases:
        refuse_none(unreadable)
    return Photographs(cases, unreadable)


def _photograph(name: str, path: Path, inputs: Inputs, own: Inputs | None) -> Case:
    image = load_image(path)
    values = {
        spec.name: _batch(inputs.preprocessing[spec.name].crop_image(image), spec) for spec in inputs.specs
    }
    apart = None
    if own is not None:
        apart = {
            spec.name: _batch(reference_pixels(path, own.preprocessing[spec.name]), spec)
            for spec in own.specs
        }
    return Case(name, "photograph", values, apart, is_usual=is_usual("photograph", inputs))


def in_own_order(case: Case, inputs: Inputs, own: Inputs) -> Case:
    """A case that was drawn, not photographed: the same pixels in the model's own colour order."""
    orders = {
        name: (rule.color_order, inputs.preprocessing[name].color_order)
        for name, rule in own.preprocessing.items()
        if name in inputs.preprocessing
    }
    turned = {name for name, (wanted, declared) in orders.items() if wanted != declared}
    if not turned:
        return case
    return replace(
        case,
        own={name: value[:, ::-1] if name in turned else value for name, value in case.values.items()},
    )


def noise_case(inputs: Inputs, seed: int = 0) -> Case:
    """Uniform pixels, standard normal numbers; integers over what the input takes, and truths, most of them true: a mask
    that hides all leaves nothing."""
    generator = np.random.Generator(np.random.PCG64(seed))
    values: dict[str, Array] = {}
    for spec in inputs.specs:
        if spec.name in inputs.preprocessing:
            values[spec.name] = generator.integers(0, 256, spec.shape).astype(np.float32)
        elif spec.dtype.startswith("float"):
            values[spec.name] = generator.standard_normal(spec.shape).astype(np.float32)
        elif spec.dtype == "bool":
            values[spec.name] = generator.random(spec.shape) < _TRUE
        else:
            low, high = spec.values or _ONES
            values[spec.name] = generator.integers(low, high, spec.shape, np.int64, endpoint=True).astype(
                spec.dtype
            )
    return Case(f"noise, seed {seed}", "noise", values, is_usual=is_usual("noise", inputs))


def hostile_cases(inputs: Inputs, seed: int = 0) -> list[Case]:
    """All black, all white, the largest contrast, one hot pixel; for tensors zeros, large and one large number, for integers
    the lowest and the highest that the input takes. Truths are true, or drawn where there is contrast."""
    generator = np.random.Generator(np.random.PCG64(seed + 1))
    cases: dict[str, dict[str, Array]] = {name: {} for name in (BLACK, "white", "contrast", "hot pixel")}
    for spec in inputs.specs:
        dtype = np.float32 if spec.dtype.startswith("float") else np.dtype(spec.dtype)
        low, high, opposite = _ends(spec, is_image=spec.name in inputs.preprocessing)
        one = np.full(spec.shape, low, dtype)
        middle: tuple[EllipsisType | int, ...] = (..., *(size // 2 for size in spec.shape[2:]))
        one[middle] = high
        drawn = {
            BLACK: np.full(spec.shape, low, dtype),
            "white": np.full(spec.shape, high, dtype),
            "contrast": np.where(generator.random(spec.shape) < 0.5, opposite, high).astype(dtype),
            "hot pixel": one,
        }
        for name, value in drawn.items():
            cases[name][spec.name] = value
    return [
        Case(name, "hostile", values, is_usual=name == BLACK or is_usual("hostile", inputs))
        for name, values in cases.items()
    ]


def is_usual(kind: str, inputs: Inputs) -> bool:
    """Whether cases of this kind are what the model may be given: pixels always are, whatever they show."""
    return kind != "hostile" or inputs.are_all_images


def _ends(spec: TensorSpec, *, is_image: bool) -> tuple[float, float, float]:
    """The lowest and the highest number, and what stands beside the highest where there is contrast."""
    if is_image:
        return 0.0, 255.0, 0.0
    if spec.dtype.startswith("float"):
        return 0.0, 30.0, -30.0
    if spec.dtype == "bool":
        return True, True, False
    low, high = spec.values or _ONES
    return low, high, low


def _batch(pixels_HWC: Array, spec: TensorSpec) -> Array:
    """The same image for the whole batch; one channel of three is their mean."""
    pixels = pixels_HWC.reshape(*pixels_HWC.shape[:2], -1).transpose(2, 0, 1)[None].astype(np.float32)
    if pixels.shape[1] != spec.shape[1]:
        pixels = pixels.mean(1, keepdims=True).round()
    whole: Array = np.broadcast_to(pixels, spec.shape).copy()
    return whole


def _prepared(values: Mapping[str, Array], inputs: Inputs, typed: Inputs) -> dict[str, Array]:
    narrow = {spec.name for spec in typed.specs if spec.dtype == "float16"}
    found = {}
    for name, value in values.items():
        if name in inputs.preprocessing:
            value = _normalized(value, inputs.preprocessing[name])
        # An input of narrow numbers is given such: what others would be rounded by is no error of a file.
        found[name] = value.astype(np.float16).astype(value.dtype) if name in narrow else value
    return found


def _normalized(pixels_NCHW: Array, rule: Preprocessing) -> Array:
    column = (1, -1, 1, 1)
    mean, std = np.reshape(rule.mean, column), np.reshape(rule.std, column)
    normalized: Array = (pixels_NCHW.astype(np.float64) * rule.scale - mean) / std
    return normalized
