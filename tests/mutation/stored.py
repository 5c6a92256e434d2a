"""Faults in weights that are stored small: a number off by one step, a scale, channels exchanged; and whether parity names them.

::

    PYTHONPATH=tests:tests/support python -m mutation.stored [--count N] [--write]

A network with a large weight of every kind is exported in every precision that stores weights small. A fault changes the numbers
of one of them in the file; one that leaves all weights as they were is none, and another is drawn. It is caught if parity fails,
and named if the first operator that parity names is the weight's. Exit code 1 if fewer than 98 % are caught or 95 % named, or a
sound file fails.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import functools
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from benchmarks.markdown import replace_between
from changed_artifact import with_model
from mil_package import WEIGHTS
from numpy.random import Generator
from onnx import numpy_helper
from weighty import SHAPE

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.artifact.origins import read_origins
from cloformer.export.formats.runners import open_model
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import Inputs, noise_case
from cloformer.export.reference.references import References
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

FORMS = (
    ("onnx", "int8-weights", {}), ("coreml", "int8-weights", {"target": "ios16"}), ("coreml", "int8-weights", {"target": "ios18"}),
    ("coreml", "int4-weights", {"target": "ios18"}), ("coreml", "palette-8", {"target": "ios16"}),
    ("coreml", "palette-6", {"target": "ios18"}), ("coreml", "palette-4", {"target": "ios16"}),
)  # fmt: skip
MODEL, SPEC = "weighty:build", ModelSpec((TensorSpec("image", SHAPE),))
CAUGHT, NAMED = 0.98, 0.95
DOCUMENT = Path(__file__).parents[2] / "docs" / "mutation-score.md"
MARKS = "<!-- stored weights: python -m mutation.stored --write -->\n", "<!-- end of the stored weights -->"
_SENTINEL = 0xDEADBEEF  # before each blob of a package's weights, with its type, its size and where it begins
_FLOATS = (1, 2)
Fault = Callable[[Path, Generator], str]


@dataclass(frozen=True)
class Trial:
    form: str
    kind: str
    caught: bool
    named: bool


def in_onnx(path: Path, drawn: Generator) -> str:
    """A fault of one weight's whole numbers, or of its scales."""
    model = onnx.load(path)
    arrays = {item.name: numpy_helper.to_array(item).copy() for item in model.graph.initializer}
    products = [
        node for node in model.graph.node if len(node.input) > 1 and node.input[1].endswith("_scales")
    ]
    product = products[drawn.integers(len(products))]
    cast = next(node for node in model.graph.node if node.output[0] == product.input[0])
    numbers, scales = arrays[cast.input[0]], arrays[product.input[1]]
    axis = next(axis for axis, size in enumerate(scales.shape) if size > 1)
    one, other = drawn.choice(scales.shape[axis], 2, replace=False)
    place = drawn.integers(numbers.size)
    kind = str(drawn.choice(list(_IN_ONNX)))
    _IN_ONNX[kind](np.moveaxis(numbers, axis, 0), np.moveaxis(scales, axis, 0), place, one, other)
    for item in model.graph.initializer:
        item.CopyFrom(numpy_helper.from_array(arrays[item.name], item.name))
    onnx.save(model, path)
    return kind


def _step(numbers: Any, _scales: Any, place: int, *_: int) -> None:
    at = np.unravel_index(place, numbers.shape)
    numbers[at] += 1 if numbers[at] < 127 else -1


def _sign(numbers: Any, _scales: Any, place: int, *_: int) -> None:
    numbers[np.unravel_index(place, numbers.shape)] *= -1


def _clipped(numbers: Any, *_: Any) -> None:
    np.clip(numbers, -100, 100, out=numbers)


def _exchanged(values: Any, one: int, other: int) -> None:
    values[[one, other]] = values[[other, one]]


def _scaled(_numbers: Any, scales: Any, _place: int, one: int, _other: int) -> None:
    scales[one] *= 1 + 1 / 64


def _left_out(_numbers: Any, scales: Any, *_: int) -> None:
    scales[...] = 1.0


def _turned(_numbers: Any, scales: Any, *_: int) -> None:
    scales[...] = np.roll(scales, 1, 0)


_IN_ONNX: Mapping[str, Callable[..., None]] = {
    "a number off by a step": _step,
    "a number's sign": _sign,
    "a clipped range": _clipped,
    "a scale off by 1/64": _scaled,
    "two scales exchanged": lambda numbers, scales, place, one, other: _exchanged(scales, one, other),
    "two channels exchanged": lambda numbers, scales, place, one, other: _exchanged(numbers, one, other),
    "scales left out": _left_out,
    "scales of the next channel": _turned,
}


def in_core_ml(path: Path, drawn: Generator) -> str:
    """The lowest bit of a byte in the stored whole numbers; of scales and palettes, the lowest of a number."""
    file = path / WEIGHTS
    data = bytearray(file.read_bytes())
    blobs = [
        struct.unpack_from("<IIQQ", data, place)
        for place in range(64, len(data) - 24, 64)
        if struct.unpack_from("<I", data, place)[0] == _SENTINEL
    ]
    whole = [blob for blob in blobs if blob[1] not in _FLOATS]
    _, _, size, begin = whole[drawn.integers(len(whole))]
    data[begin + int(drawn.integers(size))] ^= 1
    file.write_bytes(data)
    return "a bit of the stored numbers"


def weights_of(artifact: Artifact) -> dict[str, Any]:
    """The weights that are stored small as they are read, by the value's name."""
    places = read_origins(artifact)
    stored = {value for node, value in places.equals.items() if node.startswith(("dequantize", "look_up"))}
    with open_model(artifact.model) as runner:
        values = runner.values(
            noise_case(Inputs.of(artifact.function)).for_candidate(Inputs.of(artifact.function))
        )
    return {name: values[name] for name in stored}


def _plant(fault: Fault, drawn: Generator, kinds: list[str], path: Path) -> None:
    kinds.append(fault(path, drawn))


def trials(count: int, folder: Path) -> tuple[list[Trial], list[str]]:
    """So many faults of each form, and the sound files that fail."""
    found, false_alarms, references = [], [], References()
    request = ParityRequest(model=MODEL, spec=SPEC)
    for name, precision, options in FORMS:
        form = " ".join((name, precision, *options.values()))
        asked = ExportRequest(
            model=MODEL,
            spec=SPEC,
            formats=(name,),
            precision=precision,
            options=options,
            output=folder / form,
        )
        sound = export(asked)[0].artifact
        if not compare(sound, request, references=references).passed:
            false_alarms.append(form)
        before, drawn, number = weights_of(sound), np.random.default_rng(0), 0
        fault: Fault = in_onnx if name == "onnx" else in_core_ml
        kinds: list[str] = []
        while number < count:
            copy = folder / f"{form} {number} {len(kinds)}"
            plant = functools.partial(_plant, fault, drawn, kinds)
            changed = read_artifact(with_model(sound.folder, copy, plant))
            after = weights_of(changed)
            wrong = {value for value, array in before.items() if not np.array_equal(array, after[value])}
            if not wrong:
                continue
            report = compare(changed, request, references=references)
            first = report.first_divergence
            found.append(
                Trial(form, kinds[-1], not report.passed, first is not None and first.value in wrong)
            )
            number += 1
    return found, false_alarms


def table(found: list[Trial]) -> list[str]:
    lines = ["| form | fault | planted | caught | named |", "| --- | --- | ---: | ---: | ---: |"]
    planted = Counter((item.form, item.kind) for item in found)
    for key in sorted(planted):
        rows = [item for item in found if (item.form, item.kind) == key]
        caught, named = sum(item.caught for item in rows), sum(item.named for item in rows)
        lines.append(f"| {key[0]} | {key[1]} | {len(rows)} | {caught} | {named} |")
    caught, named = sum(item.caught for item in found), sum(item.named for item in found)
    return [*lines, f"| all of them | | {len(found)} | {caught} | {named} |"]


def report(
    description: str,
    made: Callable[[int, Path], tuple[list[Trial], list[str]]],
    sound: int,
    marks: tuple[str, str],
    count: int,
) -> int:
    """The command line of a program that plants faults in ``sound`` files: what ``made`` finds, as a table and an exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--count", type=int, default=count, metavar="N", help="faults of each form (%(default)s)"
    )
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, false_alarms = made(arguments.count, Path(folder))
    lines = [*table(found), "", f"Of {sound} sound files {len(false_alarms)} failed."]
    print("\n".join(lines))
    if arguments.write:
        replace_between(DOCUMENT, *marks, ["", *lines, ""])
    caught, named = sum(item.caught for item in found), sum(item.named for item in found)
    return int(bool(false_alarms) or caught < CAUGHT * len(found) or named < NAMED * len(found))


def main() -> int:
    return report("Faults in weights that are stored small.", trials, len(FORMS), MARKS, 40)


if __name__ == "__main__":
    sys.exit(main())
