"""An ML Program artifact on the reference runtime, fed as Core ML feeds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

import numpy as np

from cloformer.errors import InputError, choose

from ...source.signature import Signature, TensorSpec
from ..runner import Array, ModelFile, checked_outputs
from ..work_limit import MOST_WORK, WorkMeter
from .cliffs import CliffMet
from .mil import Arithmetic, Description, ImageInput, Interpreter, Operation, read_package
from .mil.interpreter import Observer
from .mil.work_limit import LimitedWork

__all__ = ["ReferenceMilRunner"]

_ESTIMATE = (
    "arithmetic neural-engine: the published cliffs of the Neural Engine are emulated, as if every float16 operator ran there; "
    "an estimate until a phone says so (docs/coreml-semantics.md)"
)


class ReferenceMilRunner:
    """Runs a Core ML artifact on any system; images are pixels, 0 to 255, in NCHW.

    ``arithmetic`` is how float16 operators compute, by its name in :class:`~.mil.Arithmetic`.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        threads: int = 0,
        arithmetic: str | Arithmetic = Arithmetic.WIDE,
        max_work: int | None = MOST_WORK,
    ) -> None:
        del threads  # torch's own setting holds for the whole process
        if isinstance(arithmetic, str):
            choose("arithmetic", arithmetic, [item.value for item in Arithmetic])
        self.signature: Signature = model.signature
        self._model, self.arithmetic = model, Arithmetic(arithmetic)
        self._meter = WorkMeter(str(model.path), max_work)
        self._interpreter: Interpreter | None = None
        self._description: Description | None = None
        self._met: dict[tuple[str, str], CliffMet] = {}

    def __enter__(self) -> ReferenceMilRunner:
        package = read_package(self._model.path)
        self._description, self._met = package.descriptions[package.default_function], {}
        self._interpreter = Interpreter(package.program.functions[package.default_function], self.arithmetic)
        return self

    @property
    def interpreter(self) -> Interpreter:
        """The program, ready to run."""
        assert self._interpreter is not None, "enter the runner first"
        return self._interpreter

    @property
    def notes(self) -> tuple[str, ...]:
        """What holds of figures in this arithmetic."""
        return (_ESTIMATE,) if self.arithmetic is Arithmetic.NEURAL_ENGINE else ()

    @property
    def cliffs_met(self) -> tuple[CliffMet, ...]:
        """The published cliffs that runs have met since the runner was entered, where they are emulated."""
        return tuple(self._met.values())

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name; a classifier's probabilities in the order of its labels."""
        return self._outputs(self._limited(inputs))

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor of the program that an operator computes, and the weights that are stored small as they are read."""
        seen: dict[str, Array] = {
            name: value.numpy() for name, value in self.interpreter.decompressed.items()
        }

        def note(_operation: Operation, made: Mapping[str, object], _values: Mapping[str, object]) -> None:
            seen.update({name: value.numpy() for name, value in made.items() if hasattr(value, "numpy")})

        outputs = self._outputs(self._limited(inputs, note))
        return seen | outputs

    def _limited(self, inputs: Mapping[str, Array], observe: Observer | None = None) -> dict[str, object]:
        """One run of the program, stopped where it would compute more than it may."""
        self._meter.start()
        with LimitedWork(self._meter):
            on_cliff = self._note_cliff if self.arithmetic is Arithmetic.NEURAL_ENGINE else None
            return self.interpreter.run(self.fed(inputs), observe=observe, on_cliff=on_cliff)

    def _note_cliff(self, met: CliffMet) -> None:
        key = met.cliff.name, met.value
        self._met[key] = met.worse(self._met.get(key))

    def fed(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What Core ML hands to the program: of an image, the channels in the package's own order."""
        assert self._description is not None, "enter the runner first"
        images = {item.name: item for item in self._description.images}
        declared = {
            item.spec.name: item.preprocessing.color_order
            for item in self._model.function.inputs
            if item.preprocessing is not None
        }
        return {
            name: _as_image(value, declared.get(name), images[name]) if name in images else np.asarray(value)
            for name, value in inputs.items()
        }

    def _outputs(self, raw: Mapping[str, object]) -> dict[str, Array]:
        is_exact = self.arithmetic is Arithmetic.EXACT
        given = {
            spec.name: _as_array(raw[spec.name], spec, self._model.labels or (), is_exact=is_exact)
            for spec in self.signature.outputs
            if spec.name in raw
        }
        return checked_outputs(self.signature, given)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interpreter = self._description = None


def _as_image(pixels: Array, given_order: str | None, image: ImageInput) -> Array:
    """Pixels in the order the app has declared, turned into the package's."""
    if tuple(pixels.shape[2:]) != (image.height, image.width):
        raise InputError(
            f"the image {image.name!r} is {image.height} x {image.width} in the package, and "
            f"{list(pixels.shape[2:])} is given"
        )
    reverse = image.color_layout in ("RGB", "BGR") and given_order not in (None, image.color_layout)
    return np.ascontiguousarray(pixels[:, ::-1]) if reverse else pixels


def _as_array(value: object, spec: TensorSpec, labels: Sequence[str], *, is_exact: bool) -> Array:
    """An output in its own type, which is then held to the manifest's; exact arithmetic gives float64. Of a classifier,
    the probability of each label, as an app reads them."""
    if isinstance(value, dict):
        named = [value[label] for label in labels] if set(labels) == set(value) else list(value.values())
        value = np.asarray(named, spec.dtype).reshape(spec.shape)
    array = np.asarray(value)
    return array.astype(spec.dtype) if is_exact and array.dtype == np.float64 else array
