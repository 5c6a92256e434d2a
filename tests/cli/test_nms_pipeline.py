"""Core ML's own suppression behind a program: the pipeline is held to its specification, the program before it to PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import coremltools as ct
import numpy as np
import pytest
from coremltools.proto import Model_pb2
from dense_specs import spec_file
from outcome import Command

from cloformer.errors import UnsupportedError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.formats.coreml.mil import read_spec
from cloformer.export.formats.runners import open_model
from cloformer.export.source.roles import Coordinates
from cloformer.export.source.suppression import ForPipeline

_ASKED = ("--nms", "pipeline", "--max-detections", "9", "--iou-threshold", "0.4", "--score-threshold", "0.2")


def exported(command: Command, folder: Path, name: str, *options: str) -> Path:
    spec = spec_file(folder, name)
    done = command("export", "--model", f"dense_models:{name}", "--spec", spec, "--format", "coreml", *_ASKED, *options,
                   "--output", folder / "out", "--json")  # fmt: skip
    assert done.code == 0, done.err
    return Path(done.json["artifacts"][0]["folder"])


@pytest.mark.parametrize(("name", "precision"), [("yolo", "fp16"), ("centers", "fp32")])
def test_a_pipeline_is_what_its_specification_asks_for(
    name: str, precision: str, command: Command, tmp_path: Path
) -> None:
    """The rules of NonMaximumSuppression.proto and of Core ML's own validator of pipelines: names and types of what a stage takes are
    those of what the one before gives, element types are equal, shapes are ranges of two sizes, thresholds are shares."""
    folder = exported(command, tmp_path, name, "--precision", precision)
    artifact = read_artifact(folder)
    path = artifact.model_path
    assert ct.models.MLModel(str(path), skip_model_load=True).get_spec().WhichOneof("Type") == "pipeline"
    spec = Model_pb2.Model.FromString((path / "Data/com.apple.CoreML/model.mlmodel").read_bytes())
    _, stage = spec.pipeline.models
    known = {item.name: item.type for item in spec.description.input}
    for model in spec.pipeline.models:
        for item in model.description.input:
            assert item.type == known[item.name]
        known |= {item.name: item.type for item in model.description.output}
        assert model.specificationVersion == spec.specificationVersion >= 7
    assert [item.name for item in spec.description.output] == ["confidence", "coordinates"]
    assert all(item.type == known[item.name] for item in spec.description.output)
    own = stage.nonMaximumSuppression
    assert [item.name for item in stage.description.input] == [
        own.confidenceInputFeatureName,
        own.coordinatesInputFeatureName,
    ]
    boxes, scores = (item.spec for item in artifact.function.outputs)
    classes = scores.shape[2]
    shapes = [list(item.type.multiArrayType.shape) for item in stage.description.input]
    assert shapes == [[boxes.shape[1], classes], [boxes.shape[1], 4]]
    ranges = [
        [(size.lowerBound, size.upperBound) for size in item.type.multiArrayType.shapeRange.sizeRanges]
        for item in stage.description.output
    ]
    assert ranges == [[(0, 9), (classes, classes)], [(0, 9), (4, 4)]]
    kinds = {
        item.type.multiArrayType.dataType for model in (stage, spec) for item in model.description.output
    }
    assert kinds == {0x10000 | 32}
    assert (own.iouThreshold, own.confidenceThreshold, own.pickTop.perClass) == (0.4, 0.2, True)
    assert list(own.stringClassLabels.vector) == list(artifact.labels or ("0", "1", "2"))
    assert spec.description.metadata.userDefined["com.apple.coreml.model.preview.type"] == "objectDetector"
    # What the program gives the stage is its outputs without their first axis.
    inner = read_spec(spec, path / "Data/com.apple.CoreML", package=path).program.functions["main"]
    assert inner.outputs[-2:] == (own.confidenceInputFeatureName, own.coordinatesInputFeatureName)
    given = np.random.default_rng(0).integers(0, 256, artifact.signature.inputs[0].shape).astype(np.float32)
    with open_model(artifact.model) as runner:
        found = runner.values({"image": given})
    np.testing.assert_array_equal(found[own.coordinatesInputFeatureName], found[boxes.name][0])
    np.testing.assert_array_equal(found[own.confidenceInputFeatureName], found[scores.name][0])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["functions"][0]["outputs"][0]["coordinates"] == {"form": "center_size", "unit": "shares"}
    assert manifest["request"]["decoding"]["pipeline"]["max_detections"] == 9


def test_the_program_before_it_is_held_to_pytorch(command: Command, tmp_path: Path) -> None:
    folder = exported(command, tmp_path, "centers")
    judged = command(
        "parity", folder, "--model", "dense_models:centers", "--spec", tmp_path / "model.toml", "--json"
    )
    assert judged.code == 0, judged.out
    (report,) = judged.json["reports"]
    assert report["operators"] and not report["not_compared"]
    seen = command("predict", folder, "--json").json["predictions"][0]["boxes"]
    assert [box["label"] for box in seen][:3] == ["nose", "nose", "eye"]
    refused = command("bundle", "ios", folder, "--output", tmp_path / "app")
    assert refused.code == 4 and "Core ML's own suppression, which is for Vision" in refused.err
    again = exported(
        command, tmp_path / "again" if (tmp_path / "again").mkdir() is None else tmp_path, "centers"
    )
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert [name for name in files if (folder / name).read_bytes() != (again / name).read_bytes()] == []


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("yolo", ("--format", "onnx"), "a stage of Core ML's own, and ONNX has none"),
        ("deeplab", ("--image-size", "32"), "is for a model that gives boxes with box_scores of each class"),
    ],
)
def test_where_it_cannot_be(
    name: str, options: tuple[str, ...], line: str, command: Command, tmp_path: Path
) -> None:
    spec = spec_file(tmp_path, name)
    done = command("export", "--model", f"dense_models:{name}", "--spec", spec, "--format", "coreml", *options, "--nms", "pipeline",
                   "--output", tmp_path / "out")  # fmt: skip
    assert (done.code, line in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()


def test_places_as_the_stage_takes_them() -> None:
    import torch

    boxes = torch.tensor([[[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 100.0, 50.0]]])
    found, scores = ForPipeline(Coordinates("xyxy", "pixels"), (50, 100))(boxes, torch.tensor([[0.5, 0.25]]))
    assert found.tolist() == pytest.approx(np.array([[[0.2, 0.8, 0.2, 0.8], [0.5, 0.5, 1.0, 1.0]]]))
    assert scores.shape == (1, 2, 1)


def test_another_pipeline_is_not_run() -> None:
    spec = Model_pb2.Model()
    spec.pipeline.models.add().nonMaximumSuppression.iouThreshold = 0.5
    with pytest.raises(UnsupportedError, match="a pipeline of nonMaximumSuppression, and only an ML Program"):
        read_spec(spec, Path())
