"""Every precision of every format: what is written is the model with these weights, and a step's difference in one is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
import torch
import weighty
from changed_artifact import with_model
from onnx import numpy_helper
from photographs import quarters
from torch import Tensor, nn

from cloformer.errors import UnsupportedError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats import FORMATS
from cloformer.export.formats.onnx.runner import OnnxRuntimeRunner
from cloformer.export.formats.runners import open_model
from cloformer.export.parity.cost import Limits
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.preview import preview
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reports.parity import text as parity_text
from cloformer.export.reports.parity.page import html_page
from cloformer.export.schemas import schema
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

SPEC = ModelSpec((TensorSpec("image", weighty.SHAPE),))
RULE = Preprocessing(16, 16, 16, mean=(0.5,) * 3, std=(0.5,) * 3)
OF_IMAGES = ModelSpec((TensorSpec("image", weighty.SHAPE, "float32", "image"),), {"image": RULE})
MODEL = "weighty:build"


def written(folder: Path, name: str, precision: str, **options: str) -> Artifact:
    request = ExportRequest(
        model=MODEL, spec=SPEC, formats=(name,), precision=precision, options=options, output=folder
    )
    return export(request)[0].artifact


def held(artifact: Artifact, **changes: object) -> ParityReport:
    return compare(artifact, ParityRequest(model=MODEL, spec=SPEC, **changes))  # type: ignore[arg-type]


WRITTEN = [
    ("onnx", "fp16", {"opset": "18"}),
    ("onnx", "int8-weights", {"opset": "18"}),
    ("onnx", "int8-weights", {"opset": "23"}),
]
WRITTEN += [
    ("coreml", name, {"target": "ios16"})
    for name in FORMATS["coreml"].precisions
    if name not in ("fp16", "fp32", "int8", "int4-weights")
]
WRITTEN += [("coreml", name, {"target": "ios18"}) for name in ("int8-weights", "int4-weights", "palette-6")]
BITS = {"fp16": 16, "int8-weights": 8, "int4-weights": 4, "palette-8": 8, "palette-6": 6, "palette-4": 4}


@pytest.mark.parametrize(("name", "precision", "options"), WRITTEN)
def test_the_file_is_the_model_with_these_weights(
    name: str, precision: str, options: dict[str, str], tmp_path: Path
) -> None:
    artifact = written(tmp_path, name, precision, **options)
    report = held(artifact)
    assert report.passed, [
        str(item) for item in (*report.failures, *report.false_statements, *report.not_compared)
    ]
    numbers = sum(
        tensor.numel() for tensor in weighty.build().state_dict().values() if tensor.is_floating_point()
    )
    size = sum((artifact.folder / entry.path).stat().st_size for entry in artifact.manifest.model_files)
    assert size < numbers * BITS[precision] / 8 + 30_000


def test_a_step_in_one_stored_weight_is_found(tmp_path: Path) -> None:
    """The integer, its scale, and two channels' scales exchanged: each changes its own operator."""
    sound = written(tmp_path, "onnx", "int8-weights")

    def step(model: onnx.ModelProto, tensors: dict[str, np.ndarray], node: onnx.NodeProto) -> None:
        numbers = tensors[next(item.input[0] for item in model.graph.node if item.output[0] == node.input[0])]
        numbers.flat[5] += -1 if numbers.flat[5] > 0 else 1

    def scale(model: onnx.ModelProto, tensors: dict[str, np.ndarray], node: onnx.NodeProto) -> None:
        tensors[node.input[1]].flat[0] *= 1.01

    def exchanged(model: onnx.ModelProto, tensors: dict[str, np.ndarray], node: onnx.NodeProto) -> None:
        scales = tensors[node.input[1]]
        scales[[0, 1]] = scales[[1, 0]]

    for number, fault in enumerate((step, scale, exchanged)):

        def change(path: Path, fault=fault) -> None:  # type: ignore[no-untyped-def]
            model = onnx.load(path)
            tensors = {item.name: numpy_helper.to_array(item).copy() for item in model.graph.initializer}
            fault(
                model,
                tensors,
                next(
                    node
                    for node in model.graph.node
                    if node.op_type == "Mul" and node.input[1].endswith("_scales")
                ),
            )
            for item in model.graph.initializer:
                item.CopyFrom(numpy_helper.from_array(tensors[item.name], item.name))
            onnx.save(model, path)

        report = held(read_artifact(with_model(sound.folder, tmp_path / str(number), change)))
        assert report.first_divergence is not None
        assert report.first_divergence.operator == "cloformer.dequantize.default"
        assert report.first_divergence.module == "grouped"


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """The network in int8 as a format has it, each made once; its ranges are those of quarters of a photograph."""
    folder, made = tmp_path_factory.mktemp("int8"), {}

    def make(name: str, **options: str) -> Artifact:
        if name not in made:
            request = ExportRequest(
                model=MODEL,
                spec=OF_IMAGES,
                formats=(name,),
                precision="int8",
                calibration=Calibration(quarters()),
                options=options,
                output=folder,
            )
            made[name] = export(request)[0].artifact
        return made[name]

    return make


INT8 = [("onnx", {}), ("coreml", {"target": "ios17"})]


def test_the_oldest_opset_holds_layers_in_8_bits(tmp_path: Path) -> None:
    request = ExportRequest(
        model="test_precisions:between",
        spec=OF_IMAGES,
        precision="int8",
        calibration=Calibration(quarters()),
        options={"opset": "18"},
        output=tmp_path,
    )
    artifact = export(request)[0].artifact
    report = compare(artifact, ParityRequest(model=request.model, spec=OF_IMAGES))
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]


@pytest.mark.parametrize(("name", "options"), INT8)
def test_layers_in_8_bits_are_those_that_were_meant(
    name: str, options: dict[str, str], quantized: Callable[..., Artifact]
) -> None:
    artifact = quantized(name, **options)
    report = compare(artifact, ParityRequest(model=MODEL, spec=OF_IMAGES))
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]
    compared = {item.operator for item in report.operators}
    assert {"cloformer.quantize.default", "cloformer.dequantize.default"} <= compared
    assert all(item.figures.snr_db > 20 for item in report.costs) and len(report.costs) == 2
    record = artifact.manifest.request.precision.quantization
    assert record is not None and record.images == 4 and record.ranges == "mse"
    jsonschema.Draft202012Validator(schema("manifest")).validate(artifact.manifest.to_json())


def _one_step(model: onnx.ModelProto, tensors: dict[str, np.ndarray], node: onnx.NodeProto) -> None:
    tensors[node.input[2]] = (tensors[node.input[2]] + 1).astype(np.int8)


def _wider(model: onnx.ModelProto, tensors: dict[str, np.ndarray], node: onnx.NodeProto) -> None:
    tensors[node.input[1]] = tensors[node.input[1]] * np.float32(1.02)


@pytest.mark.parametrize("fault", [_one_step, _wider])
@pytest.mark.parametrize("kind", ["QuantizeLinear", "DequantizeLinear"])
def test_other_steps_than_those_of_the_manifest_are_found(
    fault: Callable[..., None], kind: str, quantized: Callable[..., Artifact], tmp_path: Path
) -> None:
    def change(path: Path) -> None:
        model = onnx.load(path)
        tensors = {item.name: numpy_helper.to_array(item).copy() for item in model.graph.initializer}
        computed = {name for node in model.graph.node for name in node.output} | {"image"}
        node = [
            item for item in model.graph.node if item.op_type == kind and item.input[0] in computed
        ][2]  # fmt: skip
        for place in (1, 2):  # of its own, whoever else reads the same
            model.graph.initializer.append(
                numpy_helper.from_array(tensors[node.input[place]], f"own_{place}")
            )
            tensors[f"own_{place}"] = tensors[node.input[place]]
            node.input[place] = f"own_{place}"
        fault(model, tensors, node)
        for item in model.graph.initializer:
            item.CopyFrom(numpy_helper.from_array(tensors[item.name], item.name))
        onnx.save(model, path)

    changed = read_artifact(with_model(quantized("onnx").folder, tmp_path / "changed", change))
    report = compare(changed, ParityRequest(model=MODEL, spec=OF_IMAGES))
    assert not report.passed and report.first_divergence is not None
    wanted = "cloformer.quantize.default" if kind == "QuantizeLinear" else "cloformer.dequantize.default"
    assert report.first_divergence.operator == wanted


class Between(nn.Module):
    """A layer between two others, which reads what the first gives and gives what the last reads; and a transposed convolution,
    which is none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.beside = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 1)
        self.between, self.last = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 8, 1)
        self.up, self.behind = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(8, 8, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(image).relu()
        return self.last(self.between(x).relu()) + self.beside(x)[:, :8], self.behind(self.up(x).relu())


def between() -> nn.Module:
    torch.manual_seed(0)
    return Between().eval()


def test_a_layer_in_float_between_others_stays_in_float(tmp_path: Path) -> None:
    """ONNX Runtime makes weights whole by itself where it finds whole numbers on both sides."""
    request = ExportRequest(
        model="test_precisions:between",
        spec=OF_IMAGES,
        precision="int8",
        calibration=Calibration(quarters()),
        output=tmp_path,
    )
    whole = export(request)[0].artifact
    layers = json.loads((whole.folder / "origins.json").read_text("utf-8"))["nodes"]
    kept = next(name for name, place in layers.items() if place["module"] == "between" and "conv" in name)
    chosen = tmp_path / "map.json"
    chosen.write_text(json.dumps({"schema_version": 1, "float32": [{"node": kept}]}))
    artifact = export(replace(request, precision_map=chosen, output=tmp_path / "mixed"))[0].artifact
    with open_model(artifact.model) as runner:
        assert isinstance(runner, OnnxRuntimeRunner)
        _, optimized = runner.graphs()
    made = {name: node.op_type for node in optimized.graph.node for name in node.output}
    for node in optimized.graph.node:
        if node.op_type == "ConvTranspose":
            assert "DequantizeLinear" not in [made.get(name) for name in (node.input[0], node.input[2])]
    held = {item.name: item.data_type for item in optimized.graph.initializer}
    weights = [
        held.get(node.input[1]) for node in optimized.graph.node if node.op_type in ("Conv", "FusedConv")
    ]
    # Of whole numbers, the weights that ONNX Runtime leaves apart are dequantized.
    assert weights.count(onnx.TensorProto.FLOAT) == 1
    report = compare(artifact, ParityRequest(model=request.model, spec=OF_IMAGES))
    assert report.passed, [str(item) for item in report.failures]


def test_a_processor_that_adds_up_in_16_bits_computes_in_float(
    quantized: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = quantized("onnx")
    monkeypatch.setattr("cloformer.export.formats.onnx.runner.stops_at_16_bits", lambda: True)
    report = compare(artifact, ParityRequest(model=MODEL, spec=OF_IMAGES, operators=False))
    assert report.passed and any("no VNNI" in note for note in report.notes)
    with open_model(artifact.model) as runner:
        assert isinstance(runner, OnnxRuntimeRunner)
        _, optimized = runner.graphs()
    assert not [node.op_type for node in optimized.graph.node if node.op_type.startswith("QLinear")]


def test_what_it_costs_is_said_and_limited(tmp_path: Path) -> None:
    artifact = written(tmp_path, "coreml", "palette-4")
    report = held(artifact, limits=Limits(min_snr=5.0))
    assert report.passed and {item.output for item in report.costs} == {"output_0", "output_1"}
    assert all(5 < item.figures.snr_db < 40 for item in report.costs)  # sixteen levels: 20 dB or so
    assert sum(item.share or 0.0 for item in report.operator_costs) == pytest.approx(1)
    largest = report.operator_costs[0]
    assert largest.module in parity_text.render(report) and largest.location in html_page([report])
    strict = held(artifact, limits=Limits(min_snr=60.0))
    assert not strict.passed and not strict.failures
    assert [item.problem is None for item in strict.costs] == [False, False]


@pytest.mark.parametrize(("name", "precision"), [("onnx", "int8-weights"), ("coreml", "palette-6")])
def test_a_dry_run_says_how_large_it_will_be(name: str, precision: str, tmp_path: Path) -> None:
    request = ExportRequest(model=MODEL, spec=SPEC, formats=(name,), precision=precision, output=tmp_path)
    (planned,) = preview(request)
    assert not list(tmp_path.iterdir())
    artifact = export(request)[0].artifact
    assert planned.bytes <= artifact.manifest.model_bytes <= planned.bytes + 30_000  # with the graph


def test_a_target_that_cannot_hold_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="ios17 cannot hold int4-weights") as caught:
        written(tmp_path, "coreml", "int4-weights", target="ios17")
    assert "--target ios18" in caught.value.lines[1]


def test_nothing_to_store_in_fewer_bits(tmp_path: Path) -> None:
    request = ExportRequest(model="tiny:net", formats=("onnx",), precision="int8-weights", output=tmp_path)
    with pytest.raises(UnsupportedError, match="no weight can be stored in int8"):
        export(request)
