"""LiteRT in fewer bits: what is written is the model with these weights and steps, on whole numbers wherever that was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from changed_artifact import with_model
from extras import needs_litert_torch
from photographs import quarters
from test_precisions import MODEL, OF_IMAGES

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

pytestmark = needs_litert_torch
BETWEEN = "test_precisions:between"


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


@pytest.mark.parametrize("precision", ["int8", "int8-weights"])
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


@pytest.mark.parametrize("what", ["number", "scale", "zero point"])
def test_a_step_in_what_is_stored_is_found(
    written: Callable[..., Artifact], tmp_path: Path, what: str
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

    changed = read_artifact(with_model(written(MODEL, "int8").folder, tmp_path / "changed", change))
    report = held(changed, MODEL)
    assert not report.passed and report.first_divergence is not None
    assert "conv" in " ".join((report.first_divergence.operator, *report.first_divergence.group))
