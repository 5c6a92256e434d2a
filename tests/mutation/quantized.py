"""Faults in files whose layers compute in 8 bits: steps of values, of weights and of biases; and whether parity names them.

::

    PYTHONPATH=tests:tests/support python -m mutation.quantized [--count N] [--write]

A network with layers of every kind is exported as ONNX and as Core ML in int8. A fault changes one operator of the file, or the
constants that it reads; one that leaves what the operator gives as it was, on noise, is none, and another is drawn. It is caught if
parity fails, and named if the first operator that parity names is the one that was changed, or the next, where a format joins the
two. Exit code 1 if fewer than 98 % are caught or 95 % named, or a sound file fails.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import weighty
from changed_artifact import with_model
from numpy.random import Generator
from onnx import numpy_helper
from photographs import quarters

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats.runners import open_model
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import Inputs, noise_case
from cloformer.export.reference.references import References
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

from .mil_graph import MilGraph
from .stored import Trial, report

RULE = Preprocessing(16, 16, 16, mean=(0.5,) * 3, std=(0.5,) * 3)
SPEC = ModelSpec((TensorSpec("image", weighty.SHAPE, "float32", "image"),), {"image": RULE})
MODEL = "weighty:build"
FORMS: tuple[tuple[str, Mapping[str, str]], ...] = (("onnx", {}), ("coreml", {"target": "ios17"}))
MARKS = (
    "<!-- layers in 8 bits: python -m mutation.quantized --write -->\n",
    "<!-- end of the layers in 8 bits -->",
)
Values = Mapping[str, Any]
Planted = tuple[str, set[str]]  # the kind of fault, and the values that may be named


class OnnxFile:
    """An ONNX model whose operators each get constants of their own, so that a fault is in one alone."""

    def __init__(self, path: Path) -> None:
        self.path, self.model = path, onnx.load(path)
        graph = self.model.graph
        self.arrays = {item.name: numpy_helper.to_array(item).copy() for item in graph.initializer}
        for node in graph.node:
            for place, name in enumerate(node.input):
                if node.op_type in ("QuantizeLinear", "DequantizeLinear") and place and name in self.arrays:
                    node.input[place] = f"{node.output[0]}/{place}"
                    self.arrays[node.input[place]] = self.arrays[name].copy()
        made = {name for node in graph.node for name in node.output} | {item.name for item in graph.input}
        self.steps = [
            node
            for node in graph.node
            if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[0] in made
        ]
        self.weights = [
            node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in self.arrays
        ]

    def reader(self, node: Any) -> Any:
        """The dequantization behind a quantization."""
        return next(item for item in self.steps if item.input[0] == node.output[0])

    def named(self, node: Any) -> set[str]:
        readers = [item for item in self.model.graph.node if node.output[0] in item.input]
        return {node.output[0], *(item.output[0] for item in readers)}

    def save(self) -> None:
        graph = self.model.graph
        del graph.initializer[:]
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in self.arrays.items())
        onnx.save(self.model, self.path)


def in_onnx(artifact: Artifact, path: Path, drawn: Generator) -> Planted:
    file = OnnxFile(path)
    arrays, kinds = file.arrays, sorted([*_STEPS, *_WEIGHTS])
    kind = kinds[drawn.integers(len(kinds))]
    if kind in _STEPS:
        node = file.steps[drawn.integers(len(file.steps))]
        other = file.steps[drawn.integers(len(file.steps))]
        _STEPS[kind](file, node, other)
    else:
        node = file.weights[drawn.integers(len(file.weights))]
        numbers, scales = arrays[node.input[0]], arrays[node.input[1]]
        _WEIGHTS[kind](numbers, scales, drawn)
    file.save()
    return f"{kind} of {'a value' if kind in _STEPS else 'a weight or bias'}", file.named(node)


def _scaled(file: OnnxFile, node: Any, _other: Any) -> None:
    file.arrays[node.input[1]] *= np.float32(1 + 1 / 64)


def _moved(file: OnnxFile, node: Any, _other: Any) -> None:
    zero = file.arrays[node.input[2]]
    zero += np.int8(1 if zero < 127 else -1)


def _left_out(file: OnnxFile, node: Any, _other: Any) -> None:
    file.arrays[node.input[1]][...], file.arrays[node.input[2]][...] = 1, 0


def _exchanged(file: OnnxFile, node: Any, other: Any) -> None:
    mine, theirs = file.arrays[node.input[1]], file.arrays[other.input[1]]
    mine[...] = theirs


def _clipped(file: OnnxFile, node: Any, _other: Any) -> None:
    """Half the range, on both sides of the whole number."""
    first = node if node.op_type == "QuantizeLinear" else None
    for each in (node, *([file.reader(node)] if first is not None else [])):
        file.arrays[each.input[1]] /= 2


_STEPS: Mapping[str, Callable[[OnnxFile, Any, Any], None]] = {
    "scale off by 1/64": _scaled,
    "zero point off by a step": _moved,
    "steps left out": _left_out,
    "scale of another": _exchanged,
    "half the range": _clipped,
}


def _a_step(numbers: Any, _scales: Any, drawn: Generator) -> None:
    at = np.unravel_index(drawn.integers(numbers.size), numbers.shape)
    numbers[at] += 1 if numbers[at] < 127 or numbers.dtype != np.int8 else -1


def _one_scale(_numbers: Any, scales: Any, drawn: Generator) -> None:
    scales.reshape(-1)[drawn.integers(scales.size)] *= 1 + 1 / 64


def _two_scales(_numbers: Any, scales: Any, drawn: Generator) -> None:
    one, other = drawn.integers(scales.size, size=2)
    flat = scales.reshape(-1)
    flat[[one, other]] = flat[[other, one]]


_WEIGHTS: Mapping[str, Callable[[Any, Any, Generator], None]] = {
    "number off by a step": _a_step,
    "one scale off by 1/64": _one_scale,
    "two scales exchanged": _two_scales,
}


def in_core_ml(artifact: Artifact, path: Path, drawn: Generator) -> Planted:
    """The steps of one value; of a weight's scales, one."""
    graph = MilGraph(artifact)
    kinds = ("quantize", "dequantize", "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale")
    steps = [item for item in graph.operators if item.kind in kinds]
    operator = steps[drawn.integers(len(steps))]
    scale = operator.constants["scale"]
    if operator.kind.startswith("constexpr"):
        changed = scale.copy()
        changed.reshape(-1)[drawn.integers(scale.size)] *= 1 + 1 / 64
        graph.set(operator, "scale", changed)
        kind = "one scale off by 1/64 of a weight or bias"
    elif "zero_point" in operator.constants and drawn.integers(2):
        zero = operator.constants["zero_point"]
        graph.set(operator, "zero_point", (zero + (1 if zero < 127 else -1)).astype(zero.dtype))
        kind = "zero point off by a step of a value"
    else:
        share = (1 + 1 / 64, 0.5)[drawn.integers(2)]
        graph.set(operator, "scale", (scale * share).astype(scale.dtype))
        kind = f"{'half the scale' if share == 0.5 else 'scale off by 1/64'} of a value"
    graph._write_model(path)
    readers = [item for item in graph.operators if operator.outputs[0] in item.reads.values()]
    return kind, {operator.outputs[0], *(item.outputs[0] for item in readers)}


def values_of(artifact: Artifact) -> Values:
    """Every value of the file on noise, by name."""
    inputs = Inputs.of(artifact.function)
    with open_model(artifact.model) as runner:
        return runner.values(noise_case(inputs).for_candidate(inputs))


def trials(count: int, folder: Path) -> tuple[list[Trial], list[str]]:
    """So many faults of each form, and the sound files that fail."""
    found, false_alarms, references = [], [], References()
    request = ParityRequest(model=MODEL, spec=SPEC)
    for name, options in FORMS:
        asked = ExportRequest(
            model=MODEL,
            spec=SPEC,
            formats=(name,),
            precision="int8",
            calibration=Calibration(quarters()),
            options=options,
            output=folder,
        )
        sound = export(asked)[0].artifact
        if not compare(sound, request, references=references).passed:
            false_alarms.append(name)
        before, drawn, number, tried = values_of(sound), np.random.default_rng(0), 0, 0
        plant = in_onnx if name == "onnx" else in_core_ml
        while number < count:
            planted: list[Planted] = []

            def change(path: Path, planted: list[Planted] = planted) -> None:
                planted.append(plant(sound, path, drawn))  # noqa: B023 - called at once

            tried += 1
            changed = read_artifact(with_model(sound.folder, folder / f"{name} {tried}", change))
            after, (kind, values) = values_of(changed), planted[0]
            if all(np.array_equal(before[value], after[value]) for value in values if value in before):
                continue
            judged = compare(changed, request, references=references)
            first = judged.first_divergence
            named = first is not None and first.value in values
            found.append(Trial(f"{name} int8", kind, not judged.passed, named))
            if not named:
                print(f"  {name} {kind}: {sorted(values)[:3]}, and parity says {first}", file=sys.stderr)
            number += 1
    return found, false_alarms


def main() -> int:
    return report("Faults in layers that compute in 8 bits.", trials, len(FORMS), MARKS, 50)


if __name__ == "__main__":
    sys.exit(main())
