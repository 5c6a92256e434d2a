"""LiteRT files from anybody: read within bounds, refused where they are damaged, run as they say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extras import needs_litert

from cloformer.errors import InputError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.formats.runners import RunnerOptions, open_model
from cloformer.export.formats.work_limit import EndlessWorkError

pytestmark = needs_litert
KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2" / "litert"
MODEL = KEPT / "model.tflite"


def test_what_is_inside() -> None:
    from cloformer.export.formats.litert.contents import read_contents
    from cloformer.export.formats.litert.file import operators, read_model

    contents = read_contents(MODEL)
    assert contents.labels == ("cat", "dog", "fish")
    assert set(contents.results.values()) == set(contents.weights) == {"float32"}
    assert sum(contents.weights.values()) == 127  # the network's parameters
    kinds = [item.kind for item in operators(read_model(MODEL))]
    assert kinds == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_written_again_it_is_the_same_model() -> None:
    """And every constant lies where kernels can read it."""
    from cloformer.export.formats.litert.file import packed, read_model

    model = read_model(MODEL)
    assert MODEL.read_bytes().startswith(packed(model))
    constants = [buffer.data for buffer in model.buffers if buffer.data is not None]
    whole = packed(model)
    assert all(whole.index(data.tobytes()) % 16 == 0 for data in constants if len(data) > 64)


def test_constants_behind_the_flatbuffer_are_the_models(tmp_path: Path) -> None:
    """Where converters put those of large models: the runtime takes them, and so do we."""
    from ai_edge_litert.interpreter import Interpreter

    from cloformer.export.formats.litert.file import packed, read_model

    model = read_model(MODEL)
    constants = [buffer for buffer in model.buffers if buffer.data is not None and len(buffer.data) > 64]
    data = [buffer.data.tobytes() for buffer in constants]
    for buffer, numbers in zip(constants, data, strict=True):
        buffer.data, buffer.offset, buffer.size = None, 2, len(numbers)
    end = len(packed(model))
    for buffer, numbers in zip(constants, data, strict=True):
        buffer.offset, end = end, end + len(numbers)
    path = tmp_path / "model.tflite"
    path.write_bytes(packed(model) + b"".join(data))

    assert packed(read_model(path)) == packed(read_model(MODEL))
    image = np.random.Generator(np.random.PCG64(0)).standard_normal((1, 16, 16, 3)).astype(np.float32)
    results = []
    for file in (MODEL, path):
        runtime = Interpreter(str(file)).get_signature_runner()
        (name,) = runtime.get_input_details()
        results.append(list(runtime(**{name: image}).values()))
    assert constants and all(np.array_equal(one, other) for one, other in zip(*results, strict=True))


def test_its_values_and_its_outputs() -> None:
    artifact = read_artifact(KEPT)
    image = np.random.Generator(np.random.PCG64(0)).standard_normal((1, 3, 16, 16)).astype(np.float32)
    (spec,) = artifact.signature.outputs
    with open_model(artifact.model) as runner:
        outputs, values = runner.run({"image": image}), runner.values({"image": image})
    assert np.allclose(outputs[spec.name], values[spec.name], rtol=1e-6, atol=1e-7)
    assert values["relu"].shape == (1, 7, 7, 4) and values["relu"].min() == 0


def _without_graph(model: Any) -> None:
    model.subgraphs = []


def _tensor_of_no_buffer(model: Any) -> None:
    model.subgraphs[0].tensors[1].buffer = 10**6


def _operand_that_is_not_there(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs = [0, 10**6, 1]


def _operator_without_kind(model: Any) -> None:
    model.subgraphs[0].operators[0].opcodeIndex = 99


def _loop(model: Any) -> None:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    code = model.operatorCodes[model.subgraphs[0].operators[0].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.WHILE


def _large_value(model: Any) -> None:
    model.subgraphs[0].tensors[1].shape = [2**15, 2**15]


def _without_function(model: Any) -> None:
    model.signatureDefs = None


def _constants_in_other_files(model: Any) -> None:
    from ai_edge_litert.schema_py_generated import ExternalBufferGroupT

    model.externalBufferGroups = [ExternalBufferGroupT(name=b"weights.bin")]


def _constants_behind_the_file(model: Any) -> None:
    for buffer in model.buffers[1:]:
        buffer.data, buffer.offset, buffer.size = None, 2**40, 64


def _constants_of_one_place(model: Any) -> None:
    for buffer in model.buffers[1:]:
        buffer.data, buffer.offset, buffer.size = None, 2, MODEL.stat().st_size // 2


def _constant_in_two_places(model: Any) -> None:
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.offset, buffer.size = 2, len(buffer.data)


def _another_type_moved(model: Any) -> None:
    from ai_edge_litert.schema_py_generated import BuiltinOperator, TensorType

    graph = model.subgraphs[0]
    item = graph.operators[0]
    code = model.operatorCodes[item.opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.PAD
    graph.tensors[item.outputs[0]].type = TensorType.INT8


def _signed_and_unsigned(model: Any) -> None:
    from ai_edge_litert.schema_py_generated import TensorType

    graph = model.subgraphs[0]
    image, weight, *_ = graph.operators[0].inputs
    graph.tensors[image].type, graph.tensors[weight].type = TensorType.UINT8, TensorType.INT8


DAMAGED: dict[str, tuple[Callable[[Any], None], str]] = {
    "no graph": (_without_graph, "has no graph"),
    "no function": (_without_function, "is not one function with inputs and outputs"),
    "no buffer": (_tensor_of_no_buffer, "a tensor whose buffer is not there"),
    "no operand": (_operand_that_is_not_there, "refers to a tensor that is not there"),
    "no kind": (_operator_without_kind, "an operator without a kind"),
    "a loop": (_loop, r"a loop or a branch \(WHILE\)"),
    "a large value": (_large_value, "more than 268435456 elements"),
    "constants in other files": (_constants_in_other_files, "keeps constants in other files"),
    "constants behind the file": (_constants_behind_the_file, "begins or ends behind the file"),
    "constants of one place": (_constants_of_one_place, "larger together than the file"),
    "a constant in two places": (_constant_in_two_places, "stands in two places"),
    "signed and unsigned": (_signed_and_unsigned, "takes signed and unsigned bytes for the same"),
    "another type moved": (
        _another_type_moved,
        r"\(PAD\) that only moves numbers, and gives them another type",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    from cloformer.export.formats.litert.file import packed, read_model

    change, told = DAMAGED[name]
    model = read_model(MODEL)
    change(model)
    (tmp_path / "model.tflite").write_bytes(packed(model))
    with pytest.raises(InputError, match=told):
        read_model(tmp_path / "model.tflite")


def test_a_part_that_is_referred_to_again_and_again_is_not_read(tmp_path: Path) -> None:
    """3,000 graphs that are one, of 3,000 operators that are one: nine million to read, in 30 kB."""
    from fuzz.inputs.litert_files import of_one_graph

    from cloformer.export.formats.litert.file import read_model

    for depth in (1, 2):
        (tmp_path / "model.tflite").write_bytes(of_one_graph(3_000, depth)(b""))
        with pytest.raises(
            InputError, match="to the same parts again and again" if depth == 2 else "as a LiteRT|function"
        ):
            read_model(tmp_path / "model.tflite")


def test_bytes_of_any_kind_are_refused_or_read(tmp_path: Path) -> None:
    """Cut anywhere, or with any byte of its tables changed."""
    from cloformer.export.formats.litert.file import read_model

    sound, path = MODEL.read_bytes(), tmp_path / "model.tflite"
    random = np.random.Generator(np.random.PCG64(0))
    refused = 0
    for number in range(300):
        data = bytearray(sound)
        if number % 3 == 0:
            del data[int(random.integers(len(data))) :]
        else:
            data[int(random.integers(len(data)))] = int(random.integers(256))
        path.write_bytes(data)
        try:
            read_model(path)
        except InputError:
            refused += 1
    assert refused > 100


def test_labels_that_are_none(tmp_path: Path) -> None:
    from cloformer.export.formats.litert.metadata import read_labels, with_labels

    path = tmp_path / "model.tflite"
    path.write_bytes(with_labels(b"model", ["a", "b"]))
    assert read_labels(path) == ("a", "b")
    path.write_bytes(with_labels(b"model", None))
    assert read_labels(path) is None
    damaged = with_labels(b"model", ["a", "b"]).replace(b"a\nb\n", b"a\nc\n")
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="the labels in"):
        read_labels(path)


def test_an_inference_that_computes_too_much_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(KEPT, tmp_path / "artifact")
    artifact = read_artifact(folder)
    with pytest.raises(EndlessWorkError), open_model(artifact.model, options=RunnerOptions(max_work=1000)):
        pass
