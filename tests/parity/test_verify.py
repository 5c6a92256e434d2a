"""`cloformer parity`: sound artifacts pass, by every way of naming the reference; what is not sound is named."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from outcome import Command
from photographs import encoded
from shared import Exports

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact.folder import ORIGINS, read_artifact
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import PHOTOGRAPH
from cloformer.export.source.spec import ModelSpec, parse_input

ONE_BLOCK = "reference_weights:one_block_a_stage"


def test_every_operator_of_a_sound_artifact_is_right(
    artifacts: dict[str, Path], checkpoint: Path, command: Command
) -> None:
    done = command("parity", *artifacts.values(), "--weights", checkpoint, "--json")
    assert done.code == 0, done.err
    assert {report["format"] for report in done.json["reports"]} == {"onnx", "coreml"}
    for report in done.json["reports"]:
        assert report["passed"] and report["first_divergence"] is None and not report["not_compared"]
        assert {output["kind"] for output in report["outputs"]} == {"photograph", "noise", "hostile"}
        assert all(output["pytorch_float32"]["max_rel"] < 1e-5 for output in report["outputs"])
        assert len(report["operators"]) >= 0.95 * report["operators_total"] > 350
        assert {operator["verdict"] for operator in report["operators"]} == {"right"}


def test_what_nothing_rewrote_is_right_too(tmp_path: Path) -> None:
    """There onnxsim folds products into convolutions, which keep their names."""
    request = ExportRequest(model=ONE_BLOCK, image_size=(64, 64), reparameterize=False, output=tmp_path)
    report = compare(export(request)[0].artifact, ParityRequest(model=ONE_BLOCK))
    assert report.passed, [str(item) for item in report.failures]
    assert len(report.operators) > 140


def test_the_graph_before_it_is_written(exported: Exports, command: Command) -> None:
    """What the passes did, apart from format and runtime; float32 whatever the artifact's precision."""
    folder = exported(model=ONE_BLOCK, formats=("coreml",), image_size=(64, 64))["coreml"]
    done = command("parity", folder, "--model", ONE_BLOCK, "--runner", "pytorch", "--json")
    assert done.code == 0, done.err
    report = done.json["reports"][0]
    assert report["runner"].startswith("PyTorch") and len(report["operators"]) > 140
    assert max(output["figures"]["max_rel"] for output in report["outputs"]) < 1e-4


def test_the_graph_is_made_from_the_model(small: Path, command: Command) -> None:
    done = command("parity", small, "--runner", "pytorch")
    assert done.code == 2 and "--model" in done.err


def test_without_the_model_the_vectors_are_compared(artifacts: dict[str, Path], command: Command) -> None:
    for folder in artifacts.values():
        done = command("parity", folder, "--json")
        report = done.json["reports"][0]
        assert done.code == 0
        assert report["reference"] == "conformance vectors"
        assert {output["kind"] for output in report["outputs"]} == {"photograph", "noise"}
        assert report["operators"] == []
        assert any("--weights" in note for note in report["notes"])


def test_other_weights_are_refused(artifacts: dict[str, Path], tmp_path: Path, command: Command) -> None:
    save_checkpoint(cloformer.create_model("cloformer_xxs"), tmp_path / "other.safetensors")
    done = command("parity", artifacts["onnx"], "--weights", tmp_path / "other.safetensors")
    assert done.code == 3
    assert "not the weights" in done.err and len(done.err.strip().splitlines()) <= 3


def test_a_module_is_never_imported_because_a_manifest_names_it(small: Path, command: Command) -> None:
    sys.modules.pop("user_models", None)
    done = command("parity", small)
    assert done.code == 0, done.err
    assert "user_models" not in sys.modules
    named = command("parity", small, "--model", "user_models:resnet", "--json")
    assert named.code == 0, named.err
    assert named.json["reports"][0]["operators"]


def test_vectors_that_do_not_hold_fail(small: Path, tmp_path: Path, command: Command) -> None:
    """A model whose last bias is another: exit 1, and the reason in words."""
    import onnx

    folder = tmp_path / small.name
    shutil.copytree(small, folder)
    model = onnx.load(folder / "model.onnx")
    bias = next(item for item in model.graph.initializer if item.name.endswith("fc.bias"))
    changed = onnx.numpy_helper.to_array(bias) + np.float32(0.01)
    bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
    onnx.save(model, folder / "model.onnx")
    assert command("parity", folder).code == 3  # the manifest's hash shows it first
    report = compare(read_artifact(folder, verify=False), ParityRequest())
    assert not report.passed
    assert "allowed" in str(report.outputs[0].failure)


def test_origins_that_say_nothing_are_no_comparison(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / small.name
    shutil.copytree(small, folder)
    (folder / ORIGINS).write_text('{"nodes": {}, "values": []}')
    request = ParityRequest(model="user_models:resnet")
    assert compare(read_artifact(small), request).passed
    report = compare(read_artifact(folder, verify=False), request)
    assert not report.passed and not report.operators
    assert "could be matched" in report.not_compared[0]


def test_reports_are_written(small: Path, tmp_path: Path, command: Command) -> None:
    page, junit = tmp_path / "report.html", tmp_path / "junit.xml"
    done = command(
        "parity", small, "--model", "user_models:resnet", "--html", page, "--junit", junit, "--bisect"
    )
    assert done.code == 0, done.err
    assert "PASS" in done.out and "is wrong in itself" in done.out
    text = page.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>") and "data:image/png;base64," in text
    assert "<testsuites" in junit.read_text("utf-8")


def test_a_photograph_that_cannot_be_read_fails_and_stops_no_other(
    small: Path, tmp_path: Path, command: Command
) -> None:
    """It was given, and was not compared. Photographs of one name in two folders are two."""
    photos = tmp_path / "photos"
    (photos / "below").mkdir(parents=True)
    for name in ("a.heic", "below/a.heic", "b.avif"):
        (photos / name).write_bytes(encoded("AVIF" if name.endswith("avif") else "HEIF"))
    (photos / "notes.txt").write_text("words")
    arguments = ("parity", small, "--model", "user_models:resnet", "--images", photos, "--no-operators")
    good = command(*arguments, "--json")
    assert good.code == 0, good.err
    (report,) = good.json["reports"]
    names = {str(photos / "a.heic"), str(photos / "below" / "a.heic"), "b.avif"}
    assert {output["case"] for output in report["outputs"] if output["kind"] == "photograph"} == names
    assert report["notes"] == [f"left out of {photos}: 1 file that is no image (notes.txt)"]
    (photos / "bad.png").write_bytes(encoded("PNG")[:60])
    bad = command(*arguments)
    assert bad.code == 1
    assert "FAIL: 1 failure" in bad.out
    words = " ".join(bad.out.split())
    assert f"- not compared: image {photos / 'bad.png'} cannot be read: " in words
    assert f"note left out of {photos}" in words
    alone = command("parity", small, "--model", "user_models:resnet", "--images", photos / "bad.png")
    assert alone.code == 3


def test_photographs_that_fit_no_input_were_not_compared(exported: Exports) -> None:
    spec = ModelSpec((parse_input("image=1x3x8x8"), parse_input("scalars=1x4")))
    folder = exported(model="user_models:two_inputs", spec=spec)["onnx"]
    for images in ((), (PHOTOGRAPH,)):
        request = ParityRequest(model="user_models:two_inputs", spec=spec, images=images, operators=False)
        report = compare(read_artifact(folder), request)
        assert report.passed is not bool(images)
        assert all("the input scalars is no image" in line for line in report.not_compared)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--runner", "onnxruntim"), "Did you mean onnxruntime?"),
        (("--runner", "mil"), "does not run onnx"),
        (("--optimization", "most"), "optimization"),
        (("--arithmetic", "wide"), "has no --arithmetic"),
        (("--images", "nowhere.png"), "nowhere.png"),
        (("--headroom",), "float16"),
    ],
)
def test_wrong_usage(small: Path, command: Command, arguments: tuple[str, ...], words: str) -> None:
    done = command("parity", small, *arguments)
    assert done.code in (2, 3, 4)
    assert words in done.err and len(done.err.strip().splitlines()[-3:]) <= 3


def test_narrow_sums_are_worse_and_exact_ones_better(tmp_path: Path) -> None:
    from cloformer.export.formats.coreml.mil import Arithmetic

    model = "user_models:group_norm"
    request = ExportRequest(model=model, formats=("coreml",), image_size=(64, 64), output=tmp_path)
    artifact = export(request)[0].artifact
    errors = {}
    for arithmetic in Arithmetic:
        asked = ParityRequest(
            model=model, operators=False, options=RunnerOptions(arithmetic=arithmetic.value)
        )
        outputs = compare(artifact, asked).outputs
        errors[arithmetic] = next(item.figures.max_abs for item in outputs if item.kind == "photograph")
    assert errors[Arithmetic.EXACT] < errors[Arithmetic.WIDE] < errors[Arithmetic.NARROW]
    assert errors[Arithmetic.NEURAL_ENGINE] == errors[Arithmetic.WIDE]  # it meets no cliff
