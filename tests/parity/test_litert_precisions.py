"""LiteRT in fewer bits: what is written is the model with these weights and steps, on whole numbers wherever that was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from changed_artifact import with_model
from extras import needs_litert_torch
from outcome import Command
from photographs import quarters
from test_precisions import MODEL, OF_IMAGES
from torch import Tensor, nn

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

pytestmark = needs_litert_torch
BETWEEN = "test_precisions:between"
ENDS = "test_litert_precisions:ends"


class Ends(nn.Module):
    """Layers that are called after something else: after what is computed with them, and after an output."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.every = nn.Conv2d(3, 48, 3, 2, 1), nn.Conv2d(48, 32, 1, stride=2)
        self.line, self.head = nn.Linear(32, 64), nn.Linear(64, 40)

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.every(torch.nn.functional.gelu(self.stem(image))).flatten(2).transpose(1, 2)
        return self.head(self.line(tokens).relu().mean(1))


def ends() -> nn.Module:
    torch.manual_seed(0)
    return Ends().eval()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """A network in a precision, each made once; ranges are those of quarters of a photograph."""
    made: dict[tuple[str, str], Artifact] = {}

    def make(model: str, precision: str) -> Artifact:
        if (model, precision) not in made:
            request = ExportRequest(
                model=model,
                spec=OF_IMAGES,
                formats=("litert",),
                precision=precision,
                calibration=Calibration(quarters()) if precision == "int8" else None,
                output=tmp_path_factory.mktemp(precision),
            )
            made[model, precision] = export(request)[0].artifact
        return made[model, precision]

    return make


def held(artifact: Artifact, model: str) -> ParityReport:
    return compare(artifact, ParityRequest(model=model, spec=OF_IMAGES))


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "int8-weights"])
@pytest.mark.parametrize("model", [MODEL, BETWEEN])
def test_the_file_is_what_was_meant(written: Callable[..., Artifact], model: str, precision: str) -> None:
    artifact = written(model, precision)
    report = held(artifact, model)
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]
    assert all(item.figures.snr_db > 20 for item in report.costs) and report.costs


def test_layers_compute_on_whole_numbers(written: Callable[..., Artifact]) -> None:
    from cloformer.export.formats.litert.file import dtype_of, operators, read_model

    artifact = written(MODEL, "int8")
    model = read_model(artifact.model_path)
    tensors = model.subgraphs[0].tensors
    whole = [
        item.kind
        for item in operators(model)
        if len(item.inputs) > 1 and {dtype_of(tensors[place]) for place in item.inputs[:2]} == {"int8"}
    ]
    # The convolutions, that along one axis among them, and the linear layer; with steps between them alone.
    assert sorted(whole) == ["CONV_2D"] * 4 + ["FULLY_CONNECTED"]
    assert artifact.manifest.graph.partitions == 1 and artifact.manifest.graph.undelegated == ()
    # As LiteRT's own writers declare them: an older runtime refuses what it has not.
    versions = [
        (item.kind, model.operatorCodes[made.opcodeIndex].version)
        for item, made in zip(operators(model), model.subgraphs[0].operators, strict=True)
        if dtype_of(tensors[item.inputs[0]]) == "int8"
    ]
    least = {"CONV_2D": 3, "FULLY_CONNECTED": 4, "DEQUANTIZE": 2, "PAD": 2, "TRANSPOSE": 2}
    assert all(version >= least.get(kind, 1) for kind, version in versions)
    assert ("DEQUANTIZE", 5) in versions


@pytest.mark.parametrize(
    ("precision", "what"),
    [("int8", "number"), ("int8", "scale"), ("int8", "zero point"), ("int8-dynamic", "number")],
)
def test_a_step_in_what_is_stored_is_found(
    written: Callable[..., Artifact], tmp_path: Path, precision: str, what: str
) -> None:
    from cloformer.export.formats.litert.file import dtype_of, operators, packed, read_model

    def change(path: Path) -> None:
        model = read_model(path)
        tensors = model.subgraphs[0].tensors
        layer = next(item for item in operators(model) if item.kind == "CONV_2D")
        weight = tensors[layer.inputs[1]]
        assert dtype_of(weight) == "int8"
        if what == "number":
            numbers = np.array(model.buffers[weight.buffer].data).view(np.int8).copy()
            numbers[5] += -1 if numbers[5] > 0 else 1
            model.buffers[weight.buffer].data = numbers.view(np.uint8)
        elif what == "scale":
            weight.quantization.scale = np.array(weight.quantization.scale) * np.float32(1.02)
        else:
            result = tensors[layer.outputs[0]].quantization
            result.zeroPoint = np.array(result.zeroPoint) + 1
        path.write_bytes(packed(model))

    changed = read_artifact(with_model(written(MODEL, precision).folder, tmp_path / "changed", change))
    report = held(changed, MODEL)
    assert not report.passed and report.first_divergence is not None
    assert "conv" in " ".join((report.first_divergence.operator, *report.first_divergence.group))


@pytest.mark.parametrize("precision", ["int8-dynamic", "int8-weights"])
def test_whatever_a_layer_is_called_its_weight_is_small(
    written: Callable[..., Artifact], precision: str
) -> None:
    """In `int8-dynamic` beside numbers for an input, which are rounded at each inference, but those of layers in groups."""
    from cloformer.export.formats.litert.file import dtype_of, operators, read_model, shape_of

    artifact = written(ENDS, precision)
    model = read_model(artifact.model_path)
    tensors, found = model.subgraphs[0].tensors, list(operators(model))
    made = {place for item in found for place in item.outputs}
    layers = [item for item in found if item.kind in ("CONV_2D", "FULLY_CONNECTED")]
    constants = [place for item in layers for place in item.inputs if place not in made and place >= 0]
    assert not [
        place
        for place in constants[1:]
        if dtype_of(tensors[place]) == "float32" and np.prod(shape_of(tensors[place])) >= 1024
    ]
    read = [tuple(dtype_of(tensors[place]) for place in item.inputs[:2]) for item in layers]
    dynamic = read.count(("float32", "int8"))
    assert (len(layers), dynamic) == (4, 4 if precision == "int8-dynamic" else 0)
    assert (artifact.manifest.graph.partitions, artifact.manifest.graph.undelegated) == (1, ())
    report = held(artifact, ENDS)
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]


def test_a_file_that_does_not_round_what_its_layers_read_is_found(
    written: Callable[..., Artifact], tmp_path: Path
) -> None:
    other = written(ENDS, "int8-weights").model_path.read_bytes()
    changed = with_model(
        written(ENDS, "int8-dynamic").folder,
        tmp_path / "changed",
        lambda path: path.write_bytes(other) and None,
    )
    report = held(read_artifact(changed), ENDS)
    assert not report.passed and report.first_divergence is not None
    assert "round_by_range" in report.first_divergence.group


def test_an_input_of_whole_numbers_is_not_fed_with_floats(
    written: Callable[..., Artifact], tmp_path: Path, command: Command
) -> None:
    """A file whose own rounding of its input was taken out, as others' quantizers write it, under a manifest that says float32."""
    from cloformer.export.formats.litert.file import operators, packed, read_model

    def change(path: Path) -> None:
        model = read_model(path)
        (graph,), (function,) = model.subgraphs, model.signatureDefs
        number, first = next((n, item) for n, item in enumerate(operators(model)) if item.kind == "QUANTIZE")
        assert first.inputs == tuple(graph.inputs)
        del graph.operators[number]
        graph.inputs = np.array(first.outputs)
        function.inputs[0].tensorIndex = first.outputs[0]
        path.write_bytes(packed(model))

    wrong = with_model(written(MODEL, "int8").folder, tmp_path / "wrong", change)
    shown = command("parity", wrong)
    assert shown.code == 3 and "value of type FLOAT32 but expected type INT8" in shown.err, shown.err
