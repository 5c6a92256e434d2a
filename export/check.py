"""The first question after an export: does the written file run, and give what the PyTorch model gives?"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .artifact import Artifact
from .errors import GateError, MissingRuntimeError
from .formats import FORMATS
from .predict import softmax
from .preprocessing import load_image
from .runners import Array, open_artifact
from .source import Source

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PHOTOGRAPH", "Difference", "check_against_reference"]

PHOTOGRAPH = Path(__file__).parent / "data" / "chelsea.jpg"

# Largest difference, relative to the largest output, that rounding explains. float32: 200 roundings of
# 2**-24 in a row, all one way, are 1.2e-5; CloFormer's exports stay below 2e-6. float16: the same with 2**-11
# is 0.1, so only gross faults are caught here; operator by operator is another command's work.
_TOLERANCES = {"float32": 1e-4, "float16": 5e-2}


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference from the float64 PyTorch model over all outputs and inputs tried.

    ``largest`` is the largest magnitude of the reference's outputs; ``inputs`` says what was tried.
    """

    max_abs: float
    largest: float
    reference: str
    inputs: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "max_abs_error": self.max_abs,
            "largest_output": self.largest,
            "reference": self.reference,
            "inputs": list(self.inputs),
        }


def check_against_reference(
    artifact: Artifact, source: Source, progress: Callable[[str], None] = lambda _: None
) -> Difference | None:
    """Run the artifact and the untouched model on a photograph and on seeded noise.

    None where this system has no runtime for the format. Raises :class:`GateError` if the difference
    is not a rounding error.
    """
    try:
        runner = open_artifact(artifact)
    except MissingRuntimeError:
        return None
    progress(f"{FORMATS[artifact.format].title}: comparing with PyTorch")
    inside = artifact.function["inputs"][0]["preprocessing_inside"]
    max_abs, largest, type_name, cases = 0.0, 0.0, "", _cases(source)
    with runner:
        for pixels in cases.values():
            fed = {
                name: _prepared(source, name, value, normalize=not inside) for name, value in pixels.items()
            }
            plain = {name: _prepared(source, name, value, normalize=True) for name, value in pixels.items()}
            got = runner.run(fed)
            want, type_name = _reference(source.model, plain, source)
            for spec, expected in zip(artifact.signature.outputs, want, strict=True):
                if spec.role == "probabilities":
                    expected = softmax(expected)
                error = np.abs(got[spec.name].astype(np.float64) - expected)
                max_abs, largest = (
                    max(max_abs, float(error.max())),
                    max(largest, float(np.abs(expected).max())),
                )
                if math.isnan(float(error.max())):
                    max_abs = math.inf
    tolerance = _TOLERANCES[artifact.manifest["precision"]["activations"]] * max(largest, 1e-6)
    if max_abs > tolerance:
        raise GateError(
            f"the written {artifact.format} model is not the PyTorch model: outputs differ by {max_abs:.3g} "
            f"where rounding explains {tolerance:.3g}",
            "nothing was replaced; please report this model, or try --no-reparameterize",
        )
    return Difference(max_abs, largest, type_name, tuple(cases))


def _cases(source: Source) -> dict[str, dict[str, Array]]:
    """Inputs by case: a photograph where every input is an image, and noise. Images are 0 to 255 pixels."""
    noise = np.random.Generator(np.random.PCG64(0))
    cases: dict[str, dict[str, Array]] = {}
    if len(source.inputs) == len(source.preprocessing):
        photograph = load_image(PHOTOGRAPH)
        cases["photograph"] = {
            spec.name: np.broadcast_to(
                _channels(source.preprocessing[spec.name].crop_image(photograph), spec.shape[1]), spec.shape
            ).astype(np.float32)
            for spec in source.inputs
        }
    cases["noise"] = {
        spec.name: noise.integers(0, 256, spec.shape).astype(np.float32)
        if spec.name in source.preprocessing
        else noise.standard_normal(spec.shape).astype(np.float32)
        if spec.dtype.startswith("float")
        else np.ones(spec.shape, spec.dtype)
        for spec in source.inputs
    }
    return cases


def _channels(pixels_HWC: Array, channels: int) -> Array:
    """NCHW pixels; one channel is the mean of three."""
    pixels: Array = pixels_HWC.reshape(*pixels_HWC.shape[:2], -1).transpose(2, 0, 1)[None]
    return pixels if pixels.shape[1] == channels else pixels.mean(1, keepdims=True).round()


def _prepared(source: Source, name: str, value: Array, *, normalize: bool) -> Array:
    rule = source.preprocessing.get(name)
    if rule is None or not normalize:
        return value
    column = (1, -1, 1, 1)
    mean, std = np.reshape(rule.mean, column), np.reshape(rule.std, column)
    return np.asarray((value * rule.scale - mean) / std, dtype=np.float32)


def _reference(model: nn.Module, inputs: Mapping[str, Array], source: Source) -> tuple[list[Array], str]:
    """The model's outputs in float64; in float32, and saying so, if the module insists on that type."""
    try:
        return _run(copy.deepcopy(model).double(), inputs, source), "float64"
    except RuntimeError:
        return _run(model, inputs, source), "float32"


def _run(model: nn.Module, inputs: Mapping[str, Array], source: Source) -> list[Array]:
    import torch
    from torch.utils import _pytree as pytree

    wide = any(parameter.dtype == torch.float64 for parameter in model.parameters())
    tensors = [torch.from_numpy(np.array(inputs[spec.name])) for spec in source.inputs]
    tensors = [tensor.double() if wide and tensor.is_floating_point() else tensor for tensor in tensors]
    with torch.no_grad():
        return [leaf.double().numpy() for leaf in pytree.tree_leaves(model(*tensors))]
