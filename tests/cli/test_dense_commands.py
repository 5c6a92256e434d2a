"""Networks of several maps on the command line: named, sized, exported, and held to PyTorch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dense_specs import SPECS, size_of, spec_file
from outcome import Command
from PIL import Image
from small_variant import TINY

import cloformer
from cloformer import checkpoint, variants
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.rebuild import rebuild
from cloformer.export.source.spec import read_spec


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (("--model", "cloformer_xxs_fpm"), "Did you mean cloformer_xxs_fpn"),
        (("--model", "cloformer_xxs_fpn", "--image-size", "60"), "for example --image-size 64"),
        (("--model", "cloformer_xxs_retinanet", "--image-size", "64x100"), "for example --image-size 64x96"),
    ],
)
def test_wrong_names_and_sizes(wrong: tuple[str, ...], line: str, command: Command) -> None:
    done = command("export", *wrong, "--dry-run")
    assert done.code == 2 and line in done.err


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A classifier's checkpoint, of a network of a block a stage under the name of CloFormer-XXS."""
    monkeypatch.setitem(variants.VARIANTS, "cloformer_xxs", replace(TINY, name="cloformer_xxs"))
    checkpoint._expected_shapes.cache_clear()
    path = tmp_path / "classifier.safetensors"
    checkpoint.save_checkpoint(cloformer.create_model("cloformer_xxs", num_classes=10), path)
    yield path
    checkpoint._expected_shapes.cache_clear()


def test_a_dense_network_with_a_classifiers_weights(weights: Path, tmp_path: Path, command: Command) -> None:
    """What the checkpoint does not have is said, and drawn again by its seed where the file is judged."""
    arguments = (
        "--model",
        "cloformer_xxs_fpn",
        "--weights",
        weights,
        "--num-classes",
        "5",
        "--seed",
        "3",
    )
    done = command("export", *arguments, "--image-size", "32", "--output", tmp_path, "--json")
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    assert any("NOT TRAINED" in note and "drawn from seed 3" in note for note in artifact["notes"])
    # Its operators are followed by `make dense-faults`.
    judged = command("parity", artifact["folder"], "--weights", weights, "--no-operators", "--json")
    assert judged.code == 0, judged.err
    (report,) = judged.json["reports"]
    assert len(report["outputs"]) >= 6 and report["passed"]
    other = command("parity", artifact["folder"], "--weights", Path(artifact["folder"], "nothing.pth"))
    assert other.code == 3


@pytest.mark.parametrize("name", [name for name in SPECS if name != "centers"])  # which is below
def test_what_outputs_mean_is_in_the_manifest_and_held_against_the_specification(
    name: str, tmp_path: Path, command: Command
) -> None:
    spec = spec_file(tmp_path, name)
    arguments = ("--model", f"dense_models:{name}", "--spec", spec)
    done = command("export", *arguments, *size_of(name), "--output", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["artifacts"][0]["folder"])
    manifest = json.loads((folder / "manifest.json").read_text())
    outputs = manifest["functions"][0]["outputs"]
    assert [item["role"] for item in outputs] == [item["role"] for item in manifest["request"]["roles"]]
    assert all(item["axes"] for item in outputs)
    _assert_predicted(name, folder, tmp_path, command)
    judged = command("parity", folder, *arguments, "--json")
    assert judged.code == 0, judged.out
    if "coordinates" not in outputs[0]:
        return
    for place in (outputs[0], manifest["request"]["roles"][0]):
        place["coordinates"]["unit"] = {"pixels": "shares", "shares": "pixels"}[place["coordinates"]["unit"]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    lied = command("parity", folder, *arguments, "--no-operators")
    assert lied.code == 1 and "coordinates of the output" in " ".join(lied.out.split())


def _assert_predicted(name: str, folder: Path, tmp_path: Path, command: Command) -> None:
    """In the photograph's own pixels, in words, drawn, and in JSON."""
    Image.new("RGB", (90, 40), (10, 200, 30)).save(tmp_path / "photo.png")
    shown = command(
        "predict", folder, tmp_path / "photo.png", "--draw", tmp_path / "drawn", "--min-score", "0.1"
    )
    assert shown.code == 0, shown.err
    words = {
        "yolo": " from (",
        "centers": "eye from (",
        "deeplab": "scores: ",
        "points": "places: (",
        "sharper": "drawn in ",
    }[name]
    assert words in shown.out
    file = tmp_path / "drawn" / ("photo-large.png" if name == "sharper" else "photo.png")
    assert Image.open(file).size == ((64, 64) if name == "sharper" else (90, 40))
    document = command("predict", folder, tmp_path / "photo.png", "--json").json["predictions"][0]
    kind = {
        "yolo": "boxes",
        "centers": "boxes",
        "deeplab": "maps",
        "points": "points",
        "sharper": "pictures",
    }[name]
    assert kind in document


@pytest.mark.parametrize(
    ("name", "changes", "line"),
    [
        ("yolo", (('"box_scores"', '"tensor"'),), "no output has the role box_scores"),
        ("yolo", (("box_scores", "class_scores"),), "[batch, class, height, width]"),
        ("yolo", (('form = "center_size"\nunit = "shares"\n', ""),), "which form and unit"),
        ("deeplab", (("class_scores", "class_map"),), "[batch, height, width]"),
        ("points", (("keypoints", "boxes"), ("xy", "xyxy")), "the last size of boxes is 4"),
        ("sharper", (("image", "class_map"),), "[batch, height, width]"),
    ],
)
def test_roles_that_do_not_fit(name: str, changes, line: str, tmp_path: Path, command: Command) -> None:
    """Before anything is made."""
    spec = spec_file(tmp_path, name, *changes)
    done = command(
        "export",
        "--model",
        f"dense_models:{name}",
        "--spec",
        spec,
        *size_of(name),
        "--output",
        tmp_path / "out",
    )
    assert done.code == 3 and line in done.err, done.err
    _, _, said = done.err.partition("error: ")
    assert len(said.strip().split("\n")) <= 3 and not (tmp_path / "out").exists()


def test_equal_scores_among_which_the_best_are_looked_for(tmp_path: Path, command: Command) -> None:
    """Hundreds of zeros: which of them come first is nobody's mistake, and the file's order is what later operators are held to."""
    spec = spec_file(tmp_path, "centers", ("[1, 3, 192, 288]", "[1, 3, 64, 96]"))
    arguments = ("--model", "dense_models:centers", "--spec", spec)
    done = command(
        "export", *arguments, "--nms", "in-graph", "--max-detections", "2", "--output", tmp_path, "--json"
    )
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    judged = command("parity", artifact["folder"], *arguments, "--require-all", "--json")
    assert judged.code == 0, judged.out
    (report,) = judged.json["reports"]
    names = {node for item in report["operators"] for node in (item["node"], *item["group"])}
    assert {"getitem", "getitem_1"} <= names


def test_boxes_are_suppressed_inside_the_file(tmp_path: Path, command: Command) -> None:
    spec = spec_file(tmp_path, "yolo")
    arguments = ("--model", "dense_models:yolo", "--spec", spec)
    decoding = (
        "--nms",
        "in-graph",
        "--max-detections",
        "5",
        "--score-threshold",
        "10%",
        "--iou-threshold",
        "0.4",
    )
    done = command("export", *arguments, *decoding, "--output", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    function = artifact["manifest"]["functions"][0]
    assert [(item["name"], item["role"], item["shape"]) for item in function["outputs"]] == [
        ("where", "boxes", [1, 5, 4]), ("what", "box_scores", [1, 5]), ("classes", "box_classes", [1, 5]),
    ]  # fmt: skip
    assert function["outputs"][0]["coordinates"] == {"form": "xyxy", "unit": "pixels"}
    rule = {"max_detections": 5, "score_threshold": 0.1, "iou_threshold": 0.4, "candidates": 20}
    assert artifact["manifest"]["request"]["decoding"] == {"suppression": rule}
    judged = command("parity", artifact["folder"], *arguments, "--json")
    assert judged.code == 0, judged.out
    (report,) = judged.json["reports"]
    assert function["outputs"][2]["labels"] is None
    found = read_artifact(Path(artifact["folder"]))
    again = rebuild(found, model="dense_models:yolo", weights=None, spec=read_spec(spec))
    assert again is not None and again.declared is not None  # what it would be exported by once more
    assert (again.declared.names, again.declared.decoding) == (
        ("where", "what"),
        found.manifest.request.decoding,
    )
    modules = {item["module"] for item in report["operators"]}
    assert "suppress" in modules and "backbone.0" in modules  # the user's own paths


def test_a_program_of_float16_keeps_places_in_float32(tmp_path: Path, command: Command) -> None:
    spec = spec_file(tmp_path, "yolo")
    arguments = ("--model", "dense_models:yolo", "--spec", spec)
    done = command(
        "export",
        *arguments,
        "--nms",
        "in-graph",
        "--max-detections",
        "3",
        "--format",
        "coreml",
        "--output",
        tmp_path / "out",
        "--json",
    )
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    wide = artifact["manifest"]["precision"]["exceptions"]
    assert any(name.startswith("topk") or "minimum" in name for name in wide) and set(wide.values()) == {
        "float32"
    }
    assert not any(name.startswith("conv") for name in wide)
    judged = command("parity", artifact["folder"], *arguments)
    assert judged.code == 0, judged.out


@pytest.mark.parametrize(("size", "shape"), [("16x24", [1, 16, 24])])
def test_a_map_of_classes_at_a_size(size: str, shape: list[int], tmp_path: Path, command: Command) -> None:
    arguments = ("--model", "dense_models:deeplab", "--spec", spec_file(tmp_path, "deeplab"))
    done = command(
        "export",
        *arguments,
        "--image-size",
        "32",
        "--class-map",
        size,
        "--output",
        tmp_path / "out",
        "--json",
    )
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    (output,) = artifact["manifest"]["functions"][0]["outputs"]
    assert (output["role"], output["shape"], output["axes"]) == (
        "class_map",
        shape,
        ["batch", "height", "width"],
    )
    judged = command("parity", artifact["folder"], *arguments)
    assert judged.code == 0, judged.out


@pytest.mark.parametrize(
    ("name", "options", "code", "line"),
    [
        ("deeplab", "--nms in-graph", 2, "--nms in-graph is for a model that gives boxes with box_scores"),
        ("yolo", "--class-map 32", 2, "--class-map is for a model that gives class_scores"),
        ("yolo", "--nms ingraph", 2, "Did you mean in-graph?"),
        ("yolo", "--max-detections 5", 2, "add --nms in-graph or leave --max-detections out"),
        ("yolo", "--nms none --iou-threshold 0.5", 2, "--iou-threshold is for --nms in-graph"),
        (
            "yolo",
            "--nms in-graph --max-detections 301",
            2,
            "--max-detections is 301, not a whole number from 1 to 300",
        ),
        ("yolo", "--nms in-graph --iou-threshold lots", 2, "--iou-threshold 'lots' is no share"),
    ],
)
def test_wrong_calls(name: str, options: str, code: int, line: str, tmp_path: Path, command: Command) -> None:
    arguments = ("--model", f"dense_models:{name}", "--spec", spec_file(tmp_path, name))
    done = command("export", *arguments, *size_of(name), *options.split(), "--output", tmp_path / "out")
    assert done.code == code and line in done.err, done.err
    assert not (tmp_path / "out").exists()


def test_labels_name_the_classes_of_boxes(tmp_path: Path, command: Command) -> None:
    """Of the scores, and where these are one number for each box, of the classes beside them."""
    spec = spec_file(tmp_path, "yolo")
    spec.write_text(f'labels = "labels.txt"\nlabels_of = "what"\n{spec.read_text()}')
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\n")
    arguments = ("--model", "dense_models:yolo", "--spec", spec)
    for options, wanted in (
        ((), [None, "labels.txt"]),
        (("--nms", "in-graph", "--max-detections", "3"), [None, None, "labels.txt"]),
    ):
        done = command("export", *arguments, *options, "--output", tmp_path / "out", "--json")
        assert done.code == 0, done.err
        (artifact,) = done.json["artifacts"]
        assert [item["labels"] for item in artifact["manifest"]["functions"][0]["outputs"]] == wanted
    shown = command("predict", artifact["folder"], "--min-score", "0", "--json").json["predictions"][0]
    assert {box["label"] for box in shown["boxes"]} <= {"ant", "bee", "cat"} and shown["boxes"]
    judged = command("parity", artifact["folder"], *arguments, "--no-operators", "--json")
    assert judged.code == 0, judged.out


def test_labels_of_a_map_make_no_classifier(tmp_path: Path, command: Command) -> None:
    """Core ML's classifiers give one class by its name; a map of classes has its names beside it, and two may be the same."""
    spec = spec_file(tmp_path, "deeplab")
    spec.write_text(f'labels = "labels.txt"\n{spec.read_text()}')
    (tmp_path / "labels.txt").write_text("sky\nsea\nsky\ncat\nrest\n")
    arguments = ("--model", "dense_models:deeplab", "--spec", spec)
    done = command(
        "export",
        *arguments,
        *size_of("deeplab"),
        "--format",
        "coreml",
        "--output",
        tmp_path / "out",
        "--json",
    )
    assert done.code == 0, done.err
    (artifact,) = done.json["artifacts"]
    (output,) = artifact["manifest"]["functions"][0]["outputs"]
    assert (output["role"], output["labels"], output["postprocessing"]) == (
        "class_scores",
        "labels.txt",
        None,
    )
    shown = command("predict", artifact["folder"], "--json").json["predictions"][0]
    assert {item["label"] for item in shown["maps"]["scores"]} <= {"sky", "sea", "cat", "rest"}
