"""ONNX files: what the format allows and nobody writes, fields changed at random, damaged bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from mil_package import head
from onnx import helper, numpy_helper

from ..artifacts import any_reader, copied, model_of, rehash
from ..case import ANY, BAD, REFUSED, SOUND, InputClass, Place, Run, Trial
from ..protobuf import drawn_edit, nested
from ..sound import Sound
from ..values import NAMES, damage
from .onnx_troubles import TROUBLES, renamed

__all__ = ["ONNX_FILES", "model_codes"]

Edit = Callable[[Any], object]

# These do not run the model, and may not have to read it.
_WITHOUT_MODEL = ("inspect", "bundle", "import-device-report")


def model_codes(arguments: Sequence[str]) -> frozenset[int]:
    """For a model that cannot be read."""
    return ANY if arguments[0] in _WITHOUT_MODEL else REFUSED


def _run(
    place: Place, what: str, change: Callable[[Path], object], codes: frozenset[int] | None = None
) -> Run:
    """The artifact with another model, which its manifest names as if it had been exported so."""
    artifact = copied(place, "onnx")
    change(model_of(artifact))
    rehash(artifact)
    arguments = any_reader(place, artifact, "onnx", by_itself=codes == SOUND)
    return Run(what, arguments, codes or model_codes(arguments), ("out", "artifact-reports"))


def _edited(edit: Edit, codes: frozenset[int] | None, place: Place) -> Run:
    def change(path: Path) -> None:
        model = onnx.load(path)
        edit(model)
        path.write_bytes(model.SerializeToString())

    return _run(place, "", change, codes)


def _written(content: Callable[[bytes], bytes], place: Place) -> Run:
    return _run(place, "", lambda path: path.write_bytes(content(path.read_bytes())))


_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "all but a byte": lambda data: data[:-1],
    "text": lambda data: b"model\n" * 1000,
    "random bytes": lambda data: np.random.default_rng(0).bytes(10_000),
    "zeros": lambda data: bytes(1 << 20),
    "an endless number": lambda data: b"\xff" * 10_000,
    "a length beyond the file": lambda data: b"\x3a\xff\xff\xff\xff\x7f" + data,
    "a length of 2**63": lambda data: b"\x3a" + b"\xff" * 8 + b"\x7f" + data,
    "graphs 100,000 deep": lambda data: _in_a_model(nested(_GRAPHS, 100_000)),
    "graphs 90 deep": lambda data: _in_a_model(nested(_GRAPHS, 30)),
    "a picture": lambda data: b"\x89PNG\r\n\x1a\n" + data,
    "a zip file": lambda data: b"PK\x03\x04" + data,
}
_GRAPHS = ((onnx.GraphProto, "node"), (onnx.NodeProto, "attribute"), (onnx.AttributeProto, "g"))


def _in_a_model(graph: bytes) -> bytes:
    return head(onnx.ModelProto, "graph", len(graph)) + graph


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = [Trial(name, partial(_written, content)) for name, content in _BYTES.items()]
    trials += [Trial(name, partial(_edited, edit, codes)) for name, (edit, codes) in TROUBLES.items()]
    trials += [
        Trial(f"values and nodes called: {value.name}", partial(_edited, renamed(value.value), ANY))
        for value in NAMES
    ]
    return trials


def _drawn(place: Place) -> Run:
    """Fields of the message, bytes with the hash made right, and bytes with the hash as it was."""
    way = place.random.random()
    if way < 0.45:
        words = ""

        def change(path: Path) -> None:
            nonlocal words
            model = onnx.load(path)
            words = drawn_edit(model, place.random)
            path.write_bytes(model.SerializeToString())

        run = _run(place, "", change, ANY)
        return Run(words, run.arguments, run.codes, run.writes)
    artifact = copied(place, "onnx")
    path = model_of(artifact)
    before = path.read_bytes()
    data, words = damage(before, place.random)
    path.write_bytes(data)
    if way < 0.85:
        rehash(artifact)
        return Run(words, any_reader(place, artifact, "onnx"), ANY, ("out", "artifact-reports"))
    codes = BAD if data != before else ANY
    return Run(
        f"{words}; hash as it was", any_reader(place, artifact, "onnx"), codes, ("out", "artifact-reports")
    )


def _odd_edit(edit: Edit, place: Place) -> Run:
    return _edited(edit, SOUND, place)


_ODD: dict[str, Edit] = {
    "a description in another script": lambda m: setattr(m, "doc_string", "昆虫 🐝 насекомые"),
    "metadata": lambda m: helper.set_model_props(m, {"author": 'Jürgen "J" Müller', "note": "a\nb"}),
    "nodes in any script": renamed("層 "),
    "nodes with spaces and quotes": renamed("a 'layer' of \"mine\""),
    "an unused weight": lambda m: m.graph.initializer.append(
        numpy_helper.from_array(np.zeros(3, np.float32), "unused")
    ),
    "nodes without names": lambda m: [node.ClearField("name") for node in m.graph.node],
    "shapes of all values left out": lambda m: m.graph.ClearField("value_info"),
    "a domain that is not used": lambda m: m.opset_import.append(helper.make_opsetid("org.example", 1)),
}


def _odd(sound: Sound) -> Sequence[Trial]:
    return [
        Trial(name if again == 0 else f"{name}, again", partial(_odd_edit, edit))
        for again in range(2)
        for name, edit in _ODD.items()
    ]


ONNX_FILES = InputClass("ONNX file", _listed, _drawn, 600, _odd)
