"""``cloformer bundle`` of networks that give boxes, maps, points and pictures: the kit holds what is decoded, each output to its own
scale, and what a phone reports of them is judged so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dense_specs import size_of, spec_file
from device_law import ordered
from device_reports import device_report
from outcome import Command

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.bundle.systems import SYSTEMS
from cloformer.export.formats.runners import open_model
from cloformer.export.parity.tolerances import MARGIN, MOST_LOSS

NETWORKS = {
    "yolo": ("yolo", "--nms", "in-graph", "--max-detections", "12"),
    "centers": ("centers", "--nms", "in-graph", "--max-detections", "8", "--iou-threshold", "0.2"),
    "deeplab": ("deeplab", "--class-map", "32"),
    "points": ("points",),
    "sharper": ("sharper",),
}
MADE: dict[str, list[Path]] = {}


def exported(name: str, command: Command, folders: pytest.TempPathFactory) -> list[Path]:
    """The ONNX file and the ML Program of a network, made once."""
    if name not in MADE:
        folder = folders.mktemp(name)
        network, *options = NETWORKS[name]
        spec = spec_file(folder, network)
        done = command("export", "--model", f"dense_models:{network}", "--spec", spec, *size_of(network), *options,
                       "--format", "onnx", "--format", "coreml", "--output", folder, "--json")  # fmt: skip
        assert done.code == 0, done.err
        MADE[name] = [Path(item["folder"]) for item in done.json["artifacts"]]
    return MADE[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_kit_holds_where_it_was_made(
    name: str, command: Command, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the rules that the apps' own code follows: boxes by those that they match, maps by their places."""
    for system, folder in zip(
        (SYSTEMS["android"], SYSTEMS["ios"]), exported(name, command, tmp_path_factory), strict=True
    ):
        done = command("bundle", system.name, folder, "--output", tmp_path / system.name)
        assert done.code == 0, done.err
        payload, conformance = (
            tmp_path / system.name / system.payload,
            tmp_path / system.name / system.conformance,
        )
        artifact = read_artifact(payload, verify=False)
        kit = json.loads((conformance / "conformance.json").read_bytes())
        (spec,) = artifact.signature.inputs
        roles = {item.spec.name: item.spec.role for item in artifact.function.outputs}
        with open_model(artifact.model) as runner:
            for vector in kit["vectors"]:
                given = np.fromfile(conformance / vector["input"], "<f4").reshape(spec.shape)
                found = {key: np.asarray(value) for key, value in runner.run({spec.name: given}).items()}
                want = {
                    key: np.fromfile(conformance / wanted["file"], "<f4").reshape(found[key].shape)
                    for key, wanted in vector["outputs"].items()
                }
                assert found.keys() == want.keys() == roles.keys()
                if "classes" in found:
                    names = (
                        ("boxes", "scores", "classes") if name == "centers" else ("where", "what", "classes")
                    )
                    in_order = ordered([found[key] for key in names], [want[key] for key in names])
                    found = dict(zip(names, in_order, strict=True))
                for key, wanted in vector["outputs"].items():
                    if roles[key] == "class_map":
                        # In float16 rounding decides most places of a network that nobody has trained.
                        assert np.mean(found[key] != want[key]) <= wanted["max_rel"]
                        assert wanted["max_rel"] < 0.2 or artifact.format == "coreml"
                        assert wanted["max_rel"] <= MARGIN * MOST_LOSS + 1e-3
                        assert "decide" in wanted["because"]
                    else:
                        off = np.abs(found[key] - want[key]).max()
                        assert off <= wanted["max_rel"] * np.abs(want[key]).max(initial=0), (
                            key,
                            vector["name"],
                        )


def _report(
    command: Command,
    folders: pytest.TempPathFactory,
    name: str,
    folder: Path,
    change: Callable[[dict[str, Any]], None],
) -> tuple[Path, Path]:
    artifact = exported(name, command, folders)[0]
    report = device_report(artifact)
    roles = {item.spec.name: item.spec.role for item in read_artifact(artifact).function.outputs}
    for vector in report["vectors"]:
        for key, output in vector["outputs"].items():
            output["max_abs"] = 0.0
            change({"vector": vector["name"], "role": roles[key], "output": output})
    path = folder / "device-report.json"
    path.write_text(json.dumps(report))
    return artifact, path


def _nothing(_: dict[str, Any]) -> None:
    return


def _box_by_half_a_stride(place: dict[str, Any]) -> None:
    if place["role"] == "boxes" and place["vector"] == "crop":
        place["output"]["max_abs"] = 4.0


def _a_score(place: dict[str, Any]) -> None:
    if place["role"] == "box_scores" and place["vector"] == "alpha":
        place["output"]["max_abs"] = 0.01


def _a_class(place: dict[str, Any]) -> None:
    if place["role"] == "box_classes" and place["vector"] == "alpha":
        place["output"]["max_abs"] = 1.0


def _a_third_of_the_places(place: dict[str, Any]) -> None:
    if place["role"] == "class_map" and place["vector"] == "crop":
        place["output"]["max_abs"] = 0.3


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [("yolo", _nothing, 0), ("yolo", _box_by_half_a_stride, 1), ("yolo", _a_score, 1), ("yolo", _a_class, 1), ("deeplab", _nothing, 0),
     ("deeplab", _a_third_of_the_places, 1)],
)  # fmt: skip
def test_each_output_is_judged_by_its_own_scale(
    name: str, change: Callable[[dict[str, Any]], None], code: int, command: Command, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    artifact, path = _report(command, tmp_path_factory, name, tmp_path, change)
    judged = command("import-device-report", path, "--artifact", artifact, "--json")
    assert judged.code == code, judged.out + judged.err


def test_what_apps_cannot_read(command: Command, tmp_path: Path) -> None:
    """Any output of a type that no app reads would fail the kit on every phone, shown or not."""
    (tmp_path / "nets.py").write_text(
        "from dense_models import deeplab\nfrom torch import nn\n\n\nclass Both(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.inner = deeplab()\n\n"
        "    def forward(self, image):\n        scores = self.inner(image)\n        return scores, scores > 0\n"
    )
    (tmp_path / "model.toml").write_text(
        '[[outputs]]\nname = "scores"\nrole = "class_scores"\n[[outputs]]\nname = "sure"\nrole = "tensor"\n'
    )
    done = command("export", "--model", f"{tmp_path}/nets.py:Both", "--spec", tmp_path / "model.toml", "--image-size", "32",
                   "--output", tmp_path / "out", "--json")  # fmt: skip
    assert done.code == 0, done.err
    refused = command("bundle", "android", done.json["artifacts"][0]["folder"], "--output", tmp_path / "app")
    assert refused.code == 4 and "has sure in bool, and the apps" in refused.err, refused.err


def test_what_apps_cannot_show(command: Command, tmp_path: Path) -> None:
    done = command(
        "export", "--model", "dense_models:deeplab", "--image-size", "32", "--output", tmp_path, "--json"
    )
    (artifact,) = done.json["artifacts"]
    refused = command("bundle", "android", artifact["folder"], "--output", tmp_path / "app")
    assert refused.code == 4, refused.err
    assert "gives output (tensor), and the apps show classes, boxes, maps, points and pictures" in refused.err
    assert "[[outputs]] in --spec" in refused.err and not (tmp_path / "app").exists()
