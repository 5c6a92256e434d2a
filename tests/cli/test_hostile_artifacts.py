"""Artifacts made by somebody who means harm, hashes and all: exit 3, three lines, in bounded memory and time."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mil_package
import numpy as np
import onnx
import pytest
from coremltools.proto import Model_pb2
from onnx import TensorProto, helper, numpy_helper
from outcome import Command
from shared import Exports

from cloformer.export.artifact.files import list_files
from cloformer.export.artifact.folder import MANIFEST

Change = Callable[[Path], object]


@pytest.fixture(scope="session")
def small_coreml(exported: Exports) -> Path:
    return exported(model="user_models:resnet", formats=("coreml",), image_size=(32, 32))["coreml"]


def _copy(folder: Path, tmp_path: Path, change: Change) -> Path:
    """The artifact with another model, which the manifest names as if it had been exported."""
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    manifest = json.loads((copy / MANIFEST).read_bytes())
    change(copy / manifest["model"]["path"])
    (copy / MANIFEST).unlink()
    roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
    entries = list_files(copy, roles | {manifest["model"]["path"]: "model"})
    manifest["files"] = [entry.to_json() for entry in entries]
    (copy / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return copy


def _shortened(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _edited(change: Callable[[onnx.ModelProto], object]) -> Change:
    def apply(path: Path) -> None:
        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())

    return apply


def _elsewhere(model: onnx.ModelProto) -> None:
    tensor = next(item for item in model.graph.initializer if len(item.dims) == 4)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../../../etc/passwd")


def _in_front(node: onnx.NodeProto, *constants: tuple[str, list[int]]) -> Callable[[onnx.ModelProto], None]:
    """A node that the first one is given the result of."""

    def change(model: onnx.ModelProto) -> None:
        for name, values in constants:
            model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        model.graph.node[0].input[0] = node.output[0]
        model.graph.node.insert(0, node)

    return change


def _endless(model: onnx.ModelProto) -> None:
    truth = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["again"])], "body",
        [count, helper.make_tensor_value_info("going", TensorProto.BOOL, [])], [truth],
    )  # fmt: skip
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def _nested(path: Path) -> None:
    """100,000 graphs in one another, as bytes: model.graph.node.attribute.g.node.attribute.g and so on."""
    data = b""
    heads, length = [], 0
    for _ in range(100_000):
        for message, field in (
            (onnx.AttributeProto, "g"),
            (onnx.NodeProto, "attribute"),
            (onnx.GraphProto, "node"),
        ):
            heads.append(mil_package.head(message, field, length))
            length += len(heads[-1])
    data = b"".join(reversed(heads))
    path.write_bytes(mil_package.head(onnx.ModelProto, "graph", len(data)) + data)


def _dims(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 20]


def _functions(model: onnx.ModelProto) -> None:
    """Each calls the one before it twice: 2**40 nodes in a small file."""
    opset = [helper.make_opsetid("doubling", 1)]
    for index in range(40):
        nodes = [helper.make_node(f"f{index}", ["a"], [name], domain="doubling") for name in "bc"]
        model.functions.append(helper.make_function("doubling", f"f{index + 1}", ["a"], ["b"], nodes, opset))


HOSTILE_ONNX: dict[str, Change] = {
    "truncated": _shortened,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\xff\x00garbage" * 1000),
    "external data outside": _edited(_elsewhere),
    "sizes that lie": _edited(_dims),
    "a value of 2**40": _edited(
        _in_front(helper.make_node("ConstantOfShape", ["size"], ["large"]), ("size", [1 << 40]))
    ),
    "endless loop": _edited(_endless),
    "functions that double": _edited(_functions),
    "nested 100,000 times": _nested,
}


def _mil(change: Callable[[Any], object]) -> Change:
    def apply(package: Path) -> None:
        path = package / mil_package.MODEL
        model = Model_pb2.Model.FromString(path.read_bytes())
        change(model)
        path.write_bytes(model.SerializeToString())

    return apply


def _pointing_out(package: Path) -> None:
    path = package / "Manifest.json"
    manifest = json.loads(path.read_bytes())
    for entry in manifest["itemInfoEntries"].values():
        entry["path"] = "../../../../../../etc/passwd"
    path.write_text(json.dumps(manifest), "utf-8")


HOSTILE_COREML: dict[str, Change] = {
    "model truncated": lambda package: _shortened(package / mil_package.MODEL),
    "weights truncated": lambda package: _shortened(package / mil_package.WEIGHTS),
    "garbage": lambda package: (package / mil_package.MODEL).write_bytes(b"\xff\x00garbage" * 1000),
    "weights outside": _mil(
        lambda model: setattr(
            mil_package.weight(model).blobFileValue, "fileName", "@model_path/../../../../../../etc/passwd"
        )
    ),
    "sizes that lie": _mil(lambda model: mil_package.change_size(model, 1 << 40, 1 << 20)),
    "entry elsewhere": _mil(
        lambda model: setattr(mil_package.weight(model).blobFileValue, "offset", (1 << 64) - 1)
    ),
    "nested 100,000 times": lambda package: (package / mil_package.MODEL).write_bytes(
        mil_package.blocks_in_blocks(100_000)
    ),
    "manifest that points outside": _pointing_out,
}


def _refused(command: Command, folder: Path) -> None:
    held, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    done = command("parity", folder)
    said = done.err[done.err.index("error: ") :].strip().splitlines()
    assert done.code == 3, said
    assert 1 <= len(said) <= 3 and "Traceback" not in done.err
    assert "root:" not in done.err + done.out  # of /etc/passwd
    assert time.monotonic() - begin < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 1 << 20  # KiB


@pytest.mark.parametrize("change", HOSTILE_ONNX.values(), ids=HOSTILE_ONNX.keys())
def test_hostile_onnx(small: Path, tmp_path: Path, command: Command, change: Change) -> None:
    _refused(command, _copy(small, tmp_path, change))


@pytest.mark.parametrize("change", HOSTILE_COREML.values(), ids=HOSTILE_COREML.keys())
def test_hostile_packages(small_coreml: Path, tmp_path: Path, command: Command, change: Change) -> None:
    _refused(command, _copy(small_coreml, tmp_path, change))


def test_in_four_gigabytes(small: Path, tmp_path: Path, subprocess_environment: dict[str, str]) -> None:
    """What asks for 4 TiB is refused by us, and not by a system that runs out of memory."""
    copy = _copy(small, tmp_path, HOSTILE_ONNX["a value of 2**40"])
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "cloformer", "parity", str(copy)],
        capture_output=True, text=True, timeout=120, env=subprocess_environment | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30)),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "elements" in done.stderr
    assert time.monotonic() - begin < 60
