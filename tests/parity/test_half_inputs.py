"""ONNX in float16 outside too: what is fed and given, by ONNX Runtime's own word, and that every command goes right with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from image_spec import image_spec
from outcome import Command
from PIL import Image
from torch import Tensor, nn

from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.latency.subject import fed_from
from cloformer.export.reference.cases import PHOTOGRAPH, Inputs

MODEL, NAMES = "test_half_inputs:build", "ant\nbee\ncat\ndog\n"
SPEC = image_spec(24, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


class Heads(nn.Module):
    """Scores, features, a place and a constant: numbers of every kind go out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, stride=2), nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = nn.functional.gelu(self.stem(image)).mean((2, 3))
        return self.head(features), features, features.argmax(1), self.scale


def build() -> nn.Module:
    torch.manual_seed(0)
    return Heads().eval()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "labels.txt").write_text(NAMES)
    (tmp_path / "model.toml").write_text(SPEC)
    (tmp_path / "photos").mkdir()
    draw = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(draw.integers(0, 256, (24, 24, 3), np.uint8)).save(tmp_path / f"photos/{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_go_right_with_it(command: Command, place: Path) -> None:
    model = (MODEL, "--spec", "model.toml")
    asked = ("export", *model, "--precision", "fp16", "-q", "--json")
    plain = command(*asked).json["artifacts"][0]["folder"]
    half = command(*asked, "--io-type", "float16").json["artifacts"][0]["folder"]
    assert "-fp16-io-float16" in half

    session = onnxruntime.InferenceSession(str(Path(half) / "model.onnx"))
    assert [item.type for item in session.get_inputs()] == ["tensor(float16)"]
    assert [item.type for item in session.get_outputs()] == [f"tensor({kind})" for kind in ("float16", "float16", "int64", "float16")]  # fmt: skip
    assert not any(node.op_type == "Cast" for node in onnx.load(Path(half) / "model.onnx").graph.node)
    inputs = Inputs.of(read_artifact(Path(half)).function)
    assert fed_from(PHOTOGRAPH, inputs)["image"].dtype == np.float16  # what `bench` times

    held = ("--model", *model)
    proved = command("parity", half, *held, "-q", "--json")
    assert proved.code == 0, proved.out
    found = command("evaluate", half, plain, *held, "--data", "photos", "--min-snr", "40", "--json", "-q")
    assert found.code == 0 and all(item["agreement"] == 1 for item in found.json["subjects"])
    scores = [command("predict", folder, PHOTOGRAPH, "--json").json for folder in (half, plain)]
    first, other = (item["predictions"][0]["top"] for item in scores)
    assert [each["label"] for each in first] == [each["label"] for each in other]
    assert first[0]["probability"] == pytest.approx(other[0]["probability"], abs=2e-3)

    refused = command("bundle", "android", half, "--output", "app")
    assert refused.code == 4
    assert "has image in float16, and the apps give and read float32" in refused.err
    assert "next: cloformer bundle android" not in command("parity", half, *held, "-q").out


@pytest.mark.parametrize("io_type", ["float32", "float16"])
def test_a_manifest_that_says_another_type_is_found(command: Command, place: Path, io_type: str) -> None:
    """The type of the export is the request's: float16 is right where it was asked for, and nowhere else."""
    asked = ("export", MODEL, "--spec", "model.toml", "--precision", "fp16", "--io-type", io_type, "-q")
    folder = Path(command(*asked, "--json").json["artifacts"][0]["folder"])
    document = json.loads((folder / MANIFEST).read_text("utf-8"))
    assert document["request"]["options"] == {"opset": "20", "processor": "arm64"} | (
        {} if io_type == "float32" else {"io_type": "float16"}
    )
    assert read_artifact(folder).manifest.request.options == {
        "opset": "20", "io_type": io_type, "normalize": "outside", "processor": "arm64", "max_growth": "10%",
    }  # fmt: skip
    document["request"]["options"]["io_type"] = "float16" if io_type == "float32" else "float32"
    (folder / MANIFEST).write_text(json.dumps(document), "utf-8")
    found = command("parity", folder, "--model", MODEL, "--spec", "model.toml", "-q")
    assert found.code == 1
    assert f"dtype of the input image is {io_type}, and should be" in " ".join(found.out.split())
