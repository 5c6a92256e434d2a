"""ExecuTorch: programs are written, held to PyTorch operator by operator inside their delegates, and found wrong where they are."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_artifact import with_model
from extras import needs_executorch
from outcome import Command
from photographs import quarters
from shared import Exports

from cloformer.errors import UsageError
from cloformer.export.artifact.folder import CONFORMANCE, read_artifact
from cloformer.export.artifact.forms import form_of
from cloformer.export.artifact.vectors import read_vectors
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats.profiler import Rate
from cloformer.export.formats.runners import RunnerOptions, open_model
from cloformer.export.latency import operator_times
from cloformer.export.latency.roofline import Roofline
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec
from cloformer.io.tensors import read_tensors, tensors_as_bytes

pytestmark = needs_executorch
ONE_BLOCK, OPERATORS = "reference_weights:one_block_a_stage", "delegated:operators"
LAYERS = "delegated:layers"


@pytest.fixture(scope="module")
def folder(exported: Exports) -> Path:
    """A CloFormer of one block a stage."""
    return exported(model=ONE_BLOCK, formats=("executorch",), image_size=(64, 64))["executorch"]


@pytest.fixture(scope="module")
def operators(exported: Exports) -> Path:
    """What XNNPACK has operators for."""
    return exported(model=OPERATORS, formats=("executorch",), image_size=(16, 16))["executorch"]


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers on whole numbers, with ranges of quarters of a photograph."""
    request = ExportRequest(
        model=LAYERS, formats=("executorch",), precision="int8", calibration=Calibration(quarters()), image_size=(16, 16),
        output=tmp_path_factory.mktemp("int8"),
    )  # fmt: skip
    return export(request)[0].artifact.folder


def _compared(folder: Path, model: str, **request: Any) -> ParityReport:
    return compare(read_artifact(folder, verify=False), ParityRequest(model=model, **request))


def test_wide_layers_in_parts_are_in_the_delegate(exported: Exports) -> None:
    """Which takes five values together at most."""
    made = exported(model=ONE_BLOCK, formats=("executorch",), image_size=(128, 128))["executorch"]
    manifest = read_artifact(made).manifest
    wide = next(item for item in manifest.passes if item.name.startswith("split_channels"))
    assert len(wide.sites) == 3
    assert (manifest.graph.partitions, manifest.graph.undelegated) == (1, ())


def test_one_delegate_and_every_operator_is_right(folder: Path) -> None:
    graph = read_artifact(folder).manifest.graph
    assert (graph.partitions, graph.undelegated) == (1, ())
    report = _compared(folder, ONE_BLOCK)
    assert report.passed, [item.failure for item in report.outputs if item.failure]
    assert report.not_compared == ()
    told = {name for item in report.operators for name in item.group}
    assert len(report.operators) > 150 and {"conv2d", "relu", "softmax", "gelu", "linear"} <= told


def test_negative_whole_numbers(exported: Exports) -> None:
    spec, model = ModelSpec((TensorSpec("ids", (2, 5), "int64", values=(0, 9)),)), "delegated:whole_numbers"
    artifact = read_artifact(exported(model=model, formats=("executorch",), spec=spec)["executorch"])
    report = compare(artifact, ParityRequest(model=model, spec=spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.operators) if not item.passed]


def test_vectors_of_before_runtimes_that_add_in_order_are_read(folder: Path, tmp_path: Path) -> None:
    """They have what rounding costs where partial sums are kept side by side, and parity holds to that."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    tensors, _ = read_tensors(copy / CONFORMANCE, 2**31, "")
    assert any(" in order/" in key for key in tensors)
    earlier = {key.replace(" in order/", "/"): value for key, value in tensors.items()}
    (copy / CONFORMANCE).write_bytes(tensors_as_bytes(earlier, {"reference": "float64"}))
    artifact = read_artifact(copy, verify=False)
    read = read_vectors(artifact, form_of(artifact.format, "float32", narrow_sums=True))
    assert all(item.loss.is_stated for _, expected in read for item in expected)
    assert compare(artifact, ParityRequest()).passed


def test_the_same_bytes_in_another_process(
    folder: Path, tmp_path: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    arguments = (
        "export",
        "--model",
        ONE_BLOCK,
        "--image-size",
        "64",
        "--format",
        "executorch",
        "--quiet",
        "--json",
    )
    done = subprocess.run(
        [python, "-m", "cloformer", *arguments, "--output", tmp_path],
        capture_output=True, text=True, env=subprocess_environment | {"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # what the framework says of itself is not there
    json.loads(done.stdout)
    (made,) = tmp_path.iterdir()
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in made.iterdir())
    assert [name for name in names if (folder / name).read_bytes() != (made / name).read_bytes()] == []


def test_every_operator_that_is_known_is_what_the_runtime_computes(operators: Path) -> None:
    from cloformer.export.formats.executorch.operators import OPERATORS as KNOWN

    graph = read_artifact(operators).manifest.graph
    # Those that this version of ExecuTorch writes for nothing that it is given.
    unwritten = {"ArgMaxPooling2d", "Concatenate2", "Copy", "ELU", "PReLU", "ScaledDotProductAttention"}
    in_8_bits = {"Convert"}
    assert set(KNOWN) - set(graph.by_type) <= unwritten | in_8_bits
    report = _compared(operators, OPERATORS)
    assert report.passed, [str(item) for item in report.operators if not item.passed]


@pytest.mark.parametrize(
    ("table", "field", "change", "place"),
    [
        ("XNNConv2d", "padding_top", lambda value: value - 1, "conv2d"),
        ("XNNLeakyReLU", "negative_slope", lambda value: 2 * value, "leaky"),
        ("XNNStaticConstantPad", "padding_value", lambda value: value + 1, "pad"),
        ("OutputMinMax", "output_max", lambda value: value / 2, "clamp"),
        ("XNNStaticResizeBilinear2D", "flags", lambda value: 0, "upsample"),
        ("Double", "double_val", lambda value: 2 * value, "elu"),
    ],
    ids=[
        "a padding",
        "a slope",
        "a number that is padded with",
        "a bound",
        "corners",
        "an alpha outside",
    ],
)
def test_a_changed_attribute_is_named(
    operators: Path, tmp_path: Path, table: str, field: str, change: Callable[[float], float], place: str
) -> None:
    from program_faults import change_field

    wrong = with_model(operators, tmp_path / "wrong", lambda path: change_field(path, table, field, change))
    found = [item for item in _compared(wrong, OPERATORS).operators if item.verdict == "wrong here"]
    assert found and any(place in name for name in found[0].group), [str(item) for item in found]
    assert found[0].location.startswith("delegated:Operators:")


def test_what_lies_otherwise_in_memory_is_what_the_runtime_computes(exported: Exports) -> None:
    model = "delegated:laid_out"
    report = _compared(
        exported(model=model, formats=("executorch",), image_size=(16, 16))["executorch"], model
    )
    assert report.passed, (report.operators, [item.failure for item in report.outputs])
    assert report.not_compared == ()


def test_a_changed_weight_is_named(operators: Path, tmp_path: Path) -> None:
    from program_faults import change_weight

    def change(path: Path) -> None:
        change_weight(path, 4 * 6 * 3 * 3 * 3, lambda value: value + 0.01)

    found = _compared(with_model(operators, tmp_path / "wrong", change), OPERATORS)
    first = next(item for item in found.operators if item.verdict == "wrong here")
    assert first.group == ("conv2d", "relu") and first.operator == "aten.relu.default"


def test_layers_on_whole_numbers_are_those_that_were_meant(layers: Path) -> None:
    from program_faults import inside

    from cloformer.export.formats.executorch.operators import stored_operands

    artifact = read_artifact(layers)
    assert (artifact.manifest.graph.partitions, artifact.manifest.graph.undelegated) == (1, ())
    report = _compared(layers, LAYERS)
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]
    assert all(item.figures.snr_db > 20 for item in report.costs) and report.costs
    # Weights, biases and values alike: all that the passes made whole is held to them, whether the delegate computes on it or not.
    told = [name for item in report.operators for name in item.group]
    assert sum(name.startswith("quantize") for name in told) >= 8
    on_whole = [
        item
        for item in inside(artifact.model_path)
        if item.node.kind in ("Conv2d", "DepthwiseConv2d", "FullyConnected")
        and stored_operands(item.graph, item.node)
    ]
    assert len(on_whole) == 4  # a clip that the delegate does not take with it leaves one in float


@pytest.mark.parametrize(
    ("field", "change"),
    [("scale", lambda value: 1.02 * value), ("zero_point", lambda value: value + 1)],
)
def test_steps_of_another_size_are_named(
    layers: Path, tmp_path: Path, field: str, change: Callable[[float], float]
) -> None:
    """Of what the first layer gives: those before it are the input's, as it is given and with its channels last."""
    from program_faults import change_field

    wrong = with_model(
        layers, tmp_path / "wrong", lambda path: change_field(path, "PerTensorQuant", field, change, number=2)
    )
    found = [item for item in _compared(wrong, LAYERS).operators if item.verdict == "wrong here"]
    assert found and {"conv2d", "quantize_1", "dequantize_1"} & {*found[0].group}, [
        str(item) for item in found
    ]


@pytest.mark.parametrize("of", ["weight", "bias", "scales"])
def test_one_stored_number_is_named(layers: Path, tmp_path: Path, of: str) -> None:
    from program_faults import inside

    def change(path: Path) -> None:
        item = next(item for item in inside(path) if item.node.kind == "Conv2d")
        kept = item.graph.values[item.node.fields.whole("bias_id" if of == "bias" else "filter_id")]
        assert kept.rounded is not None and kept.constant is not None
        numbers = kept.rounded.scales if of == "scales" else kept.rounded.whole(kept.constant)
        before = numbers.numpy().copy()
        after = before.copy()
        after.reshape(-1)[3] += 1 if of != "scales" else 1e-5
        data = path.read_bytes()
        assert data.count(before.tobytes()) == 1
        path.write_bytes(data.replace(before.tobytes(), after.tobytes()))

    found = _compared(with_model(layers, tmp_path / "wrong", change), LAYERS)
    first = next(item for item in found.operators if item.verdict == "wrong here")
    assert first.operator == "cloformer.dequantize.default" and first.module == "first"


def test_an_alpha_that_the_delegate_ignores_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """As versions of ExecuTorch did."""
    from executorch.backends.xnnpack.partition.config.generic_node_configs import AddConfig

    monkeypatch.setattr(AddConfig, "check_constraints", lambda *_: True)
    shape = ("--image-size", "16", "--output", tmp_path)
    done = command("export", "--model", "delegated:scaled_sum", "--format", "executorch", *shape)
    assert done.code == 1
    assert "aten.add.Tensor add at the model (delegated:ScaledSum:" in done.err


def test_as_many_threads_as_are_asked_for(operators: Path) -> None:
    from executorch.extension.pybindings import portable_lib

    for threads in (2, 1):
        with open_model(read_artifact(operators).model, options=RunnerOptions(threads=threads)) as runner:
            assert portable_lib._threadpool_get_thread_count() == threads
            with pytest.raises(UsageError, match="one pool of threads"):
                open_model(
                    read_artifact(operators).model, options=RunnerOptions(threads=threads + 1)
                ).__enter__()
            shapes = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in runner.signature.inputs}
            assert runner.run(shapes).keys() == {spec.name for spec in runner.signature.outputs}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[: len(data) // 2], "ends before its last"),
        (lambda data: b"\0" * len(data), "is no ExecuTorch program"),
        (lambda data: data.replace(b"XH00", b"XH09"), "do not begin as XNNPACK's do"),
        (lambda data: data.replace(b"XnnpackBackend", b"CnnpackBackend"), "has a delegate (CnnpackBackend)"),
        (lambda data: data.replace(b"aten::add", b"aten::arc"), "has an operator (aten::arc.out)"),
    ],
    ids=["cut off", "zeros", "no graph", "another delegate", "another operator"],
)
def test_a_damaged_file_is_refused_before_it_is_loaded(
    operators: Path, tmp_path: Path, command: Command, change: Callable[[bytes], bytes], said: str
) -> None:
    wrong = with_model(
        operators, tmp_path / "wrong", lambda path: path.write_bytes(change(path.read_bytes()))
    )
    shown = command("parity", wrong)
    assert shown.code == 3 and said in shown.err, shown.err


def test_a_bias_that_is_no_constant_is_refused(operators: Path, tmp_path: Path, command: Command) -> None:
    """The delegate would read what is not there."""
    from program_faults import change_field

    def change(path: Path) -> None:
        change_field(path, "XNNFullyConnected", "bias_id", lambda place: place + 1)

    shown = command("parity", with_model(operators, tmp_path / "wrong", change))
    assert shown.code == 3 and "whose weights are no constants" in shown.err


def test_a_file_without_segments(exported: Exports) -> None:
    model = "delegated:bare"
    folder = exported(model=model, formats=("executorch",), image_size=(16, 16))["executorch"]
    graph, report = read_artifact(folder).manifest.graph, _compared(folder, model)
    assert (graph.partitions, len(graph.undelegated)) == (0, 2)
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]


def test_what_a_layer_reads_something_else_may_read_too(exported: Exports) -> None:
    """The delegate gives up what it has packed: each has a constant of its own."""
    model = "delegated:shared"
    folder = exported(model=model, formats=("executorch",), image_size=(16, 16))["executorch"]
    report = _compared(folder, model)
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]


@pytest.mark.parametrize(
    ("table", "field", "value", "said"),
    [
        ("XNNAdd", "input1_id", 5000, "reads what none before it makes"),
        ("XNNAdd", "output_id", 5000, "gives what is no value of its own"),
        ("XNNStaticTranspose", "num_dims", 5, "a list of another length"),
        ("XNNTensorValue", "num_dims", 5, "of a type that this version does not read"),
    ],
)
def test_a_graph_that_would_end_the_process_is_refused(
    operators: Path, tmp_path: Path, command: Command, table: str, field: str, value: int, said: str
) -> None:
    from program_faults import change_field

    wrong = with_model(
        operators, tmp_path / "wrong", lambda path: change_field(path, table, field, lambda _: value)
    )
    shown = command("parity", wrong)
    assert shown.code == 3 and said in shown.err, shown.err


def test_a_weight_that_is_read_as_a_number_is_refused(
    operators: Path, tmp_path: Path, command: Command
) -> None:
    from program_faults import inside

    def change(path: Path) -> None:
        items = list(inside(path))
        bias = next(
            item.node.fields.whole("bias_id")
            for item in items
            if item.step == items[0].step and item.node.kind == "Conv2d"
        )
        reader = next(
            item
            for item in items
            if item.step == items[0].step
            and item.named("input1_id", "input_id")
            and item.node.kind != "Conv2d"
        )
        place = reader.named("input1_id", "input_id")[0]
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, place.at, bias)
        path.write_bytes(data)

    shown = command("parity", with_model(operators, tmp_path / "wrong", change))
    assert shown.code == 3 and "reads a layer's weight or bias" in shown.err, shown.err


def test_work_without_end_is_refused(operators: Path) -> None:
    from cloformer.export.formats.work_limit import EndlessWorkError

    with pytest.raises(EndlessWorkError):
        open_model(read_artifact(operators).model, options=RunnerOptions(max_work=1000)).__enter__()


def test_the_time_of_operators_inside_the_delegate(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the model's module; what the delegate makes a part of another, a square that a mean reads, has no time by itself."""
    roofline = Roofline(1, (Rate("linear", 5, 80.0),), (Rate("add", 5, 10.0),))
    monkeypatch.setattr(operator_times, "measure_roofline", lambda *_: roofline)
    shown = command("profile", folder, "--runs", "2", "--json")
    assert shown.code == 0, shown.err
    report = shown.json["profile"]
    assert report["format"] == "executorch" and report["runtime"].startswith("ExecuTorch ")
    graph, rows = read_artifact(folder).manifest.graph, report["operators"]
    timed = Counter(row["operator"] for row in rows)
    left = {kind: number - timed[kind] for kind, number in graph.by_type.items() if number != timed[kind]}
    assert left.keys() <= {"Multiply", "StaticReshape"}
    layers = [row for row in rows if row["multiply_adds"]]
    assert {row["operator"] for row in layers} == {
        "BatchMatrixMultiply", "Conv2d", "DepthwiseConv2d", "FullyConnected",
    }  # fmt: skip
    assert all(row["module"] is not None for row in layers)


def test_how_fast_the_delegate_is(command: Command) -> None:
    from cloformer.export.formats.executorch.rates import measure_rates

    found = measure_rates(1, seconds=0.001, array_bytes=2**16)
    assert all(rate.giga_per_second > 0 for rate in (*found.products, *found.transfers))
