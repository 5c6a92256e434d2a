"""``cloformer export``, ``inspect`` and ``predict`` as a user calls them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from outcome import Command
from reference_weights import one_block_a_stage
from shared import Exports

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.reference.cases import PHOTOGRAPH


def test_the_onnx_file_is_self_contained_and_says_where_its_nodes_come_from(
    artifacts: dict[str, Path],
) -> None:
    artifact = read_artifact(artifacts["onnx"])
    model = onnx.load(artifact.model_path, load_external_data=False)
    assert not [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    assert [(i.name, [d.dim_value for d in i.type.tensor_type.shape.dim]) for i in model.graph.input] == [
        ("image", [1, 3, 96, 96])
    ]
    assert [o.name for o in model.graph.output] == ["logits"]
    assert len(model.graph.node) == artifact.manifest.graph.operators <= 1700
    assert {entry.version for entry in model.opset_import if entry.domain == ""} == {20}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    for node in convolutions:
        data = {entry.key: entry.value for entry in node.metadata_props}
        assert data["cloformer.location"].startswith("cloformer.model:")
        assert data["cloformer.module"]
    assert str(Path.cwd()).encode() not in artifact.model_path.read_bytes()
    assert b"site-packages" not in artifact.model_path.read_bytes()


def test_the_core_ml_program(artifacts: dict[str, Path]) -> None:
    from coremltools.proto import Model_pb2

    artifact = read_artifact(artifacts["coreml"])
    graph = artifact.manifest.graph
    assert graph.operators <= 400
    assert graph.max_rank <= 4
    assert "transpose" not in graph.by_type
    spec = Model_pb2.Model.FromString(
        (artifact.model_path / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
    )
    assert spec.specificationVersion == 7  # iOS 16
    image = spec.description.input[0].type.imageType
    assert (image.width, image.height) == (96, 96)
    assert "conversion_date" not in str(spec.description.metadata)
    assert artifact.function.inputs[0].preprocessing_inside


def test_inspect_prints_counts_and_every_pass(command: Command, artifacts: dict[str, Path]) -> None:
    for format_name, bound in (("onnx", 1700), ("coreml", 400)):
        shown = command("inspect", artifacts[format_name])
        assert shown.code == 0
        manifest = command("inspect", artifacts[format_name], "--json").json["manifest"]
        assert f"{manifest['graph']['operators']} operators" in shown.out
        assert manifest["graph"]["operators"] <= bound
        for entry in manifest["passes"]:
            assert entry["name"] in shown.out
        by_name = {entry["name"].partition("[")[0]: len(entry["sites"]) for entry in manifest["passes"]}
        assert by_name["fold_batch_norm"] == 7
        assert by_name["split_by_chunk"] == 24


def test_predict_on_a_photograph(command: Command, artifacts: dict[str, Path], checkpoint: Path) -> None:
    """The same classes, and probabilities to 1e-5, as the PyTorch model gives."""
    import torch

    from cloformer.checkpoint import load_checkpoint
    from cloformer.export.source.preprocessing import Preprocessing, load_image

    shown = command("predict", artifacts["onnx"], PHOTOGRAPH, "--json")
    assert shown.code == 0
    top = shown.json["predictions"][0]["top"]
    model, _ = load_checkpoint(checkpoint)
    with torch.no_grad():
        x = torch.from_numpy(Preprocessing.imagenet(96, 96).prepare(load_image(PHOTOGRAPH)))
        expected = model(x).softmax(-1)[0].topk(5)
    assert [guess["class"] for guess in top] == expected.indices.tolist()
    np.testing.assert_allclose([guess["probability"] for guess in top], expected.values, atol=1e-5)
    text = command("predict", artifacts["onnx"]).out
    assert "NOT TRAINED" not in text
    assert f"{top[0]['probability']:.2%}  class {top[0]['class']}\n" in text  # nobody has named it


def test_core_ml_itself_cannot_run_here_and_the_reference_runtime_can(
    command: Command, artifacts: dict[str, Path]
) -> None:
    if os.uname().sysname == "Darwin":
        pytest.skip("this is a Mac")
    shown = command("parity", artifacts["coreml"], "--runner", "coreml")
    assert shown.code == 5
    assert "macOS" in shown.err
    found = [
        command("predict", folder, "--json").json["predictions"][0]["top"] for folder in artifacts.values()
    ]
    assert [guess["class"] for guess in found[0]] == [guess["class"] for guess in found[1]]


def test_a_model_is_the_same_by_its_file_and_by_its_module(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same folder and bytes; and parity takes either for the model of the other."""
    (tmp_path / "spelt").mkdir()
    (tmp_path / "spelt" / "nets.py").write_text(
        "from user_models import GroupNormNet\ndef build():\n    return GroupNormNet(1.0)"
    )
    monkeypatch.chdir(tmp_path)
    spellings = {"file": ["./spelt/nets.py:build"], "module": ["--model", "spelt.nets:build"]}
    folders = []
    for output, model in spellings.items():
        shown = command("export", *model, "--image-size", "32", "--output", output, "--json")
        assert shown.code == 0, shown.err
        folders.append(Path(shown.json["artifacts"][0]["folder"]))
    one, other = folders
    assert one.name == other.name == "spelt.nets.build-onnx-32-fp32"
    assert all((other / path.name).read_bytes() == path.read_bytes() for path in one.iterdir())
    shown = command("parity", one, "--model", tmp_path / "spelt" / "nets.py:build", "--no-operators")
    assert shown.code == 0, shown.out


@pytest.mark.parametrize("name", ["resnet", "mobilenet", "vit"])
def test_users_models_in_both_formats(command: Command, tmp_path: Path, name: str) -> None:
    shown = command(
        "export", "--model", f"user_models:{name}", "--image-size", "64", "--format", "onnx", "--format", "coreml",
        "--output", tmp_path, "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    onnx_result, coreml_result = shown.json["artifacts"]
    found = onnx_result["difference_from_pytorch"]
    assert found["max_abs_error"] <= 1e-5 * found["largest_output"]
    assert found["reference"] == "float64"
    assert coreml_result["manifest"]["graph"]["max_rank"] <= 4
    sites = {entry["name"]: entry["sites"] for entry in onnx_result["manifest"]["passes"]}
    assert sites["fold_batch_norm"] if name != "vit" else sites["fold_normalization_affine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"user_models.{name}-coreml-64-fp16", f"user_models.{name}-onnx-64-fp32",
    ]  # fmt: skip
    held = command("parity", *tmp_path.iterdir(), "--model", f"user_models:{name}", "--json")
    assert held.code == 0, held.out[:2000]
    assert all(report["operators"] and not report["not_compared"] for report in held.json["reports"])


def test_a_classifier_with_labels(command: Command, tmp_path: Path) -> None:
    from coremltools.proto import Model_pb2

    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class number {index}\n" for index in range(10)))
    shown = command(
        "export", "--model", "user_models:resnet", "--image-size", "64", "--format", "onnx", "--format", "coreml",
        "--labels", labels, "--output", tmp_path / "out",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    onnx_folder, coreml_folder = (
        next((tmp_path / "out").glob(f"*-{format_name}-*")) for format_name in ("onnx", "coreml")
    )
    predicted = command("predict", onnx_folder, "--top", "3")
    assert predicted.out.count("class number ") == 3
    coreml = read_artifact(coreml_folder)
    spec = Model_pb2.Model.FromString(
        (coreml.model_path / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
    )
    assert spec.description.predictedFeatureName == "classLabel"
    assert coreml.labels == tuple(f"class number {index}" for index in range(10))
    assert coreml.function.outputs[0].spec.role == "probabilities"
    assert coreml.manifest.graph.by_type["softmax"] == 1
    held = command("parity", coreml_folder, "--model", "user_models:resnet", "--no-operators", "--json")
    assert held.code == 0, held.out[:2000]
    names = {output["name"] for output in held.json["reports"][0]["outputs"]}
    assert names == {coreml.function.outputs[0].spec.name, "logits (inside)"}


def test_declared_inputs_and_outputs(command: Command, tmp_path: Path) -> None:
    spec = tmp_path / "model.toml"
    spec.write_text(
        'outputs = ["features", "pooled"]\n'
        "[metadata]\nauthor = 'A. Nonym'\nlicense = 'MIT'\n"
        "[[inputs]]\nname = 'photo'\nshape = [1, 3, 32, 32]\nrole = 'image'\n"
        "[inputs.preprocessing]\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\nresize_size = 40\n"
        "[[inputs]]\nname = 'scalars'\nshape = [1, 4]\n"
    )
    shown = command(
        "export", "--model", "user_models:two_inputs", "--spec", spec, "--format", "onnx", "--format", "coreml",
        "--output", tmp_path / "out", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    for result in shown.json["artifacts"]:
        function = result["manifest"]["functions"][0]
        assert [item["name"] for item in function["inputs"]] == ["photo", "scalars"]
        assert {item["name"] for item in function["outputs"]} == {"features", "pooled"}
        assert function["inputs"][0]["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
        assert command("predict", result["folder"]).code == 4


def test_the_plain_trace(command: Command, tmp_path: Path) -> None:
    arguments = ["export", "--model", "user_models:resnet", "--image-size", "64", "--format", "coreml"]
    shown = command(*arguments, "--no-reparameterize", "--output", tmp_path, "--json")
    assert shown.code == 0, shown.err
    manifest = shown.json["artifacts"][0]["manifest"]
    assert [entry["name"] for entry in manifest["passes"]] == [
        "fix_sizes",
        "read_truths",
        "unroll_recurrences",
        "take_apart",
        "write_out_operators",
        "lower_sampling[everywhere=False]",
        "fold_constants",
        "count_in_integers",
        "lower_rms_norm",
        "lower_arctangents",
        "lower_reciprocals",
        "lower_poolings",
        "lower_rounding",
        "lower_nearest[side_by_side=False]",
        "lower_log_softmax",
        "lower_resizing",
        "lower_log_sigmoid",
        "lower_ranks[most=5]",
        "write_out_arguments",
        "write_out_computed",
        "normalize_inside",
        "separate_outputs",
    ]
    assert shown.json["artifacts"][0]["folder"].endswith("-plain")


@pytest.mark.parametrize("target", ["ios17", "ios18", "ios26"])
def test_targets_and_float32(command: Command, tmp_path: Path, target: str) -> None:
    shown = command(
        "export", "--model", "user_models:vit", "--image-size", "64", "--format", "coreml", "--target", target,
        "--precision", "fp32", "--output", tmp_path, "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    assert shown.json["artifacts"][0]["folder"].endswith(f"-fp32-{target}")


def test_dry_run_writes_nothing(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it leave a temporary file, which a program that goes on would keep."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    asked = ("export", "--model", "user_models:resnet", "--format", "onnx", "--format", "coreml")
    shown = command(*asked, "--dry-run", "--output", tmp_path / "out", "--json")
    assert shown.code == 0
    assert {entry["name"]: entry["sites"] for entry in shown.json["artifacts"][0]["passes"]}[
        "fold_batch_norm"
    ] == 8
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "temporary").glob("*.mlpackage"))


def test_a_dry_run_shows_what_would_be_written(command: Command, tmp_path: Path) -> None:
    """And what an export would refuse at the end: a place that is taken."""
    names = [f"bird {number}" for number in range(10)]
    (tmp_path / "labels.txt").write_text("\n".join(names))
    common = [
        "export",
        "--model",
        "user_models:resnet",
        "--image-size",
        "32",
        "--labels",
        tmp_path / "labels.txt",
    ]
    common += ["--output", tmp_path / "out", "--dry-run"]
    found = command(*common, "--json").json["artifacts"][0]
    assert (found["inputs"][0]["shape"], found["inputs"][0]["preprocessing"]["resize_size"]) == (
        [1, 3, 32, 32],
        36,
    )
    assert [(item["name"], item["role"], item["shape"]) for item in found["outputs"]] == [
        ("logits", "logits", [1, 10])
    ]
    assert found["classes"] == 10
    shown = command(*common).out
    assert "logits float32 [1, 10] (logits; 10 classes: bird 0, bird 1, bird 2, ...)" in shown
    assert re.search(r"^    fold_batch_norm +8: ", shown, re.MULTILINE)
    written = command(*(word for word in common if word != "--dry-run"), "--json").json["artifacts"][0]
    size = (Path(written["folder"]) / "model.onnx").stat().st_size
    assert 0.8 * size < found["bytes"] < size  # the rest is the graph
    folder = tmp_path / "out" / found["folder"]
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "mine.txt").write_text("x")
    refused = command(*common)
    assert (refused.code, "is in the way" in refused.err) == (3, True)


def test_inputs_opset_and_seed_as_options(command: Command, tmp_path: Path) -> None:
    shown = command(
        "export", "--model", "user_models:two_inputs", "--input", "image=1x3x32x32", "--input", "scalars=1x4",
        "--opset", "18", "--seed", "3", "--output", tmp_path, "--dry-run", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    (found,) = shown.json["artifacts"]
    shapes = {entry["name"]: entry["shape"] for entry in found["request"]["inputs"]}
    assert shapes == {"image": [1, 3, 32, 32], "scalars": [1, 4]}
    assert "-opset18-seed3" in found["folder"]


def test_another_process_writes_the_same_bytes(
    exported: Exports, tmp_path: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    """By the command and not by a call, in another folder, with other hash seeds, without what ran here before."""
    from cloformer.checkpoint import save_checkpoint

    checkpoint, output = tmp_path / "weights.safetensors", tmp_path / "a longer name" / "out"
    save_checkpoint(one_block_a_stage(), checkpoint)
    model, formats = "reference_weights:one_block_a_stage", ("onnx", "coreml")
    here = exported(model=model, weights=checkpoint, formats=formats, image_size=(64, 64))
    arguments = [
        python,
        "-m",
        "cloformer",
        "export",
        "--format",
        "onnx",
        "--format",
        "coreml",
        "--model",
        model,
    ]
    arguments += ["--weights", str(checkpoint), "--image-size", "64", "--output", str(output)]
    environment = subprocess_environment | {"PYTHONHASHSEED": "1"}
    assert subprocess.run(arguments, env=environment, timeout=400).returncode == 0
    first, second = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (output, here["onnx"].parent)
    )
    assert first.keys() == second.keys()
    assert (
        len(first) == 14
    )  # two manifests, origins, vectors, kits and .gitattributes, one .onnx, a package of three
    assert [name for name in first if first[name] != second[name]] == []
    for name, content in first.items():
        if name.endswith("manifest.json"):
            assert str(tmp_path) not in json.dumps(json.loads(content))


def test_photographs_against_float64(artifacts: dict[str, Path], checkpoint: Path) -> None:
    """1e-4 absolute and 1e-5 of the largest logit on real photographs; bitwise the same top-5."""
    skimage_data = pytest.importorskip("skimage.data")
    import torch
    from PIL import Image

    from cloformer.checkpoint import load_checkpoint
    from cloformer.export.formats.runners import open_model
    from cloformer.export.source.preprocessing import Preprocessing

    model = load_checkpoint(checkpoint)[0].double()
    rule = Preprocessing.imagenet(96, 96)
    with open_model(read_artifact(artifacts["onnx"]).model) as runner, torch.no_grad():
        for name in ("astronaut", "chelsea", "coffee", "rocket"):
            x = rule.prepare(Image.fromarray(getattr(skimage_data, name)()))
            got = runner.run({"image": x})["logits"]
            want = model(torch.from_numpy(x).double()).numpy()
            error = np.abs(got - want).max()
            assert error <= 1e-4
            assert error <= 1e-5 * np.abs(want).max()
            assert np.array_equal(np.argsort(-got)[0, :5], np.argsort(-want)[0, :5])
