"""Core ML itself, where there is one: macOS, through coremltools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import coremltools as ct
import numpy as np

from cloformer.errors import UnsupportedError, choose

from ...source.signature import Signature, TensorSpec
from ..runner import Array, ModelFile

__all__ = ["COMPUTE_UNITS", "CoreMLRunner"]

COMPUTE_UNITS = ("ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE")


class CoreMLRunner:
    """Runs a Core ML artifact on macOS; image inputs take pixel values, 0 to 255, in NCHW.

    ``compute_units`` are those that Core ML may use, one of ``COMPUTE_UNITS``.
    """

    def __init__(self, model: ModelFile, *, threads: int = 0, compute_units: str = "ALL") -> None:
        del threads  # Core ML schedules by itself
        self._units = choose("compute unit", compute_units, COMPUTE_UNITS, "--runner")
        self.signature: Signature = model.signature
        self._file = model
        self._model: Any = None

    def __enter__(self) -> CoreMLRunner:
        self.load()
        return self

    def check(self) -> None:
        """Nothing: Core ML reads packages of anybody's."""

    def load(self) -> None:
        """Compile the package for this machine and load it."""
        units = ct.ComputeUnit[self._units]
        if (
            self._file.path.is_dir()
            and ct.utils.load_spec(str(self._file.path)).WhichOneof("Type") == "pipeline"
        ):
            raise UnsupportedError(
                "Core ML gives what its own suppression leaves, and what is compared is the program before it",
                "use --runner mil",
            )
        self._model = ct.models.MLModel(str(self._file.path), compute_units=units)

    def prepare(self, inputs: Mapping[str, Array]) -> Callable[[], Any]:
        """Core ML's prediction through coremltools; it gives all outputs by name."""
        assert self._model is not None, "load first"
        predict, fed = self._model.predict, self._fed(inputs)
        return lambda: predict(fed)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name; a classifier's probabilities in the order of its labels."""
        raw = self._model.predict(self._fed(inputs))
        return {spec.name: self._as_array(raw[spec.name], spec) for spec in self.signature.outputs}

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Core ML gives none."""
        del inputs
        raise UnsupportedError(
            "Core ML does not give the values inside a model", "--runner mil compares operator by operator"
        )

    def _fed(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        return {
            item.spec.name: _as_fed(
                inputs[item.spec.name],
                item.spec,
                None if item.preprocessing is None else item.preprocessing.color_order,
            )
            for item in self._file.function.inputs
        }

    def _as_array(self, value: Any, spec: TensorSpec) -> Array:
        if isinstance(value, dict):
            value = [value[label] for label in self._file.labels or ()]
        return np.asarray(value, dtype=spec.dtype).reshape(spec.shape)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._model = None


def _as_fed(value: Array, spec: TensorSpec, color_order: str | None) -> Any:
    """Core ML takes an image as a PIL image in RGB, any other input as an array."""
    if spec.role != "image":
        return value
    from PIL import Image

    pixels = np.asarray(value[0], dtype=np.uint8).transpose(1, 2, 0)
    if color_order == "BGR":
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    return Image.fromarray(pixels.squeeze(2) if spec.shape[1] == 1 else pixels)
