"""`--normalize inside`: the file takes an image's pixels, and every command feeds it so by the manifest alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from extras import needs_executorch, needs_litert_torch
from image_spec import image_spec
from outcome import Command
from photographs import quarters
from PIL import Image
from torch import nn

from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.formats.runners import open_model
from cloformer.export.latency.subject import fed_from
from cloformer.export.reference.cases import PHOTOGRAPH, Inputs

MODEL = ("test_normalized_inside:build", "--spec", "model.toml")
FORMATS = [
    "onnx",
    pytest.param("litert", marks=needs_litert_torch),
    pytest.param("executorch", marks=needs_executorch),
]


def build() -> nn.Module:
    """The stem pads, so that a mean that went into its bias would be wrong at the borders."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(stem, nn.Conv2d(8, 16, 3), nn.GELU(), nn.Flatten(), nn.Linear(1600, 4)).eval()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\ndog\n")
    (tmp_path / "model.toml").write_text(image_spec(24, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _exported(command: Command, *asked: str) -> Path:
    done = command("export", *MODEL, "-q", "--json", *asked)
    assert done.code == 0, done.err
    return Path(done.json["artifacts"][0]["folder"])


@pytest.mark.parametrize("form", FORMATS)
def test_pixels_go_in(command: Command, place: Path, form: str) -> None:
    outside, inside = (
        _exported(command, "--format", form, *more) for more in ((), ("--normalize", "inside"))
    )
    assert "-normalize-inside" in inside.name and inside.name.replace("-normalize-inside", "") == outside.name
    plain, artifact = read_artifact(outside), read_artifact(inside)
    assert [item.function.inputs[0].preprocessing_inside for item in (plain, artifact)] == [False, True]
    # One subtraction, which the delegate takes, too: the factor is in the weights.
    graph = artifact.manifest.graph
    assert graph.operators == plain.manifest.graph.operators + 1
    assert (graph.partitions, graph.undelegated) == (plain.manifest.graph.partitions, ())

    pixels = fed_from(PHOTOGRAPH, Inputs.of(artifact.function))["image"]
    assert pixels.max() > 100 and (pixels == np.rint(pixels)).all()
    with torch.no_grad(), open_model(artifact.model) as runner:
        mean, std = (torch.tensor(n).reshape(1, 3, 1, 1) for n in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
        want = build()((torch.from_numpy(pixels) / 255 - mean) / std).numpy()
        (given,) = runner.run({"image": pixels}).values()
        np.testing.assert_allclose(given, want, atol=1e-5)

    proved = command("parity", inside, "--model", *MODEL, "-q", "--json")
    assert proved.code == 0, proved.out
    (report,) = proved.json["reports"]
    assert report["operators"] and not report["not_compared"]
    first, other = (
        command("predict", folder, PHOTOGRAPH, "--json").json["predictions"][0]["top"]
        for folder in (inside, outside)
    )
    assert [each["label"] for each in first] == [each["label"] for each in other]
    assert first[0]["probability"] == pytest.approx(other[0]["probability"], abs=1e-5)
    judged = command("evaluate", inside, "--model", *MODEL, "--data", quarters(), "--min-snr", "80", "-q")
    assert judged.code == 0, judged.out


@pytest.mark.parametrize("form", FORMATS)
def test_eight_bits_lose_nothing_by_it(command: Command, place: Path, form: str) -> None:
    asked = ("--format", form, "--precision", "int8", "--calibration", str(quarters()))
    folders = [_exported(command, *asked, *more) for more in ((), ("--normalize", "inside"))]
    found = command("evaluate", *folders, "--model", *MODEL, "--data", quarters(), "--json", "-q")
    outside, inside = (item["snr_db"] for item in found.json["subjects"])
    assert outside > 25 and inside > outside - 1
    proved = command("parity", folders[1], "--model", *MODEL, "-q")
    assert proved.code == 0, proved.out


@pytest.mark.parametrize("normalized", ["inside", "outside"])
def test_a_manifest_that_says_otherwise_is_found(command: Command, place: Path, normalized: str) -> None:
    """By the request where it says one thing of the input and another in the options, and by the outputs where it lies in both."""
    folder = _exported(command, "--normalize", normalized)
    document = json.loads((folder / MANIFEST).read_text("utf-8"))
    said = {} if normalized == "outside" else {"normalize": "inside"}
    assert document["request"]["options"] == {"opset": "20", "processor": "arm64"} | said
    document["functions"][0]["inputs"][0]["preprocessing_inside"] = normalized == "outside"
    (folder / MANIFEST).write_text(json.dumps(document), "utf-8")
    found = command("parity", folder, "--model", *MODEL, "-q")
    told = f"preprocessing_inside of the input image is {normalized == 'outside'}, and should be"
    assert (found.code, told in " ".join(found.out.split())) == (1, True), found.out
    document["request"]["options"]["normalize"] = "outside" if normalized == "inside" else "inside"
    (folder / MANIFEST).write_text(json.dumps(document), "utf-8")
    found = command("parity", folder, "--model", *MODEL, "-q", "--json")
    assert (found.code, found.json["reports"][0]["passed"]) == (1, False)
    assert any(item["failure"] for item in found.json["reports"][0]["outputs"])


def test_a_grey_image_and_a_plain_trace(command: Command, place: Path) -> None:
    Image.new("L", (24, 24)).save(place / "black.png")
    folder = _exported(command, "--normalize", "inside", "--no-reparameterize")
    assert "-normalize-inside-plain" in folder.name
    proved = command("parity", folder, "--model", *MODEL, "--images", "black.png", "-q")
    assert proved.code == 0, proved.out
