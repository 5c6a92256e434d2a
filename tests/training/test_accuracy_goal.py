"""`export --precision auto --max-accuracy-drop`: labelled images, as many as the limit needs, and what `evaluate` says of the result."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from image_spec import image_spec
from outcome import Command
from PIL import Image
from torch import Tensor, nn

from cloformer.errors import GateError, InputError, UnsupportedError, UsageError
from cloformer.export.calibration.goal import Goal
from cloformer.export.calibration.images import Calibration
from cloformer.export.calibration.labelled import labels_of
from cloformer.export.pipeline.request import ExportRequest, choose_formats
from cloformer.export.source.signature import TensorSpec

IMAGES, CLASSES = 60, 5
SPEC = image_spec(16)


class Uneven(nn.Module):
    """A channel between two of its layers is 2,000 times as large as the others, which 256 steps hardly represent then."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.head = nn.Linear(8, CLASSES)
        with torch.no_grad():
            self.block[0].weight[0] *= 2000  # type: ignore[index,operator]
            self.block[2].weight[:, 0] /= 2000  # type: ignore[index,operator]

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        return self.head((x + self.block(x)).mean((2, 3)))


def build() -> nn.Module:
    """Every class is the first of some images."""
    torch.manual_seed(0)
    network = Uneven().eval()
    with torch.no_grad():
        network.head.bias -= network(torch.stack([prepared(pixels) for pixels in drawn()])).mean(0)
    return network


def drawn() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [
        (draw.integers(0, 256, (16, 16, 3)) * 0.3 + draw.integers(0, 180, (1, 1, 3))).astype(np.uint8)
        for _ in range(IMAGES)
    ]


def prepared(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy((pixels.astype(np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5)


@pytest.fixture(scope="module")
def classes() -> list[int]:
    with torch.no_grad():
        return [
            int(each) for each in build()(torch.stack([prepared(pixels) for pixels in drawn()])).argmax(1)
        ]


@pytest.fixture
def photos(tmp_path: Path, classes: list[int]) -> Path:
    """The network is right on every image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, pixels in enumerate(drawn()):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "labels.json").write_text(json.dumps({f"{n}.png": each for n, each in enumerate(classes)}))
    return folder


def test_what_is_exported_keeps_its_accuracy(
    command: Command, photos: Path, classes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers in 8 bits lose a quarter of the images; the one block in float that it takes is found, said, and in the manifest."""
    assert set(classes) == set(range(CLASSES))
    monkeypatch.chdir(tmp_path)
    Path("model.toml").write_text(SPEC)
    Path("labels.txt").write_text("ant\nbee\ncat\ndog\nelk\n")
    model = ("test_accuracy_goal:build", "--spec", "model.toml")
    asked = ("export", *model, "--calibration", photos, "-q", "--json", "--precision")
    limit = ("--max-accuracy-drop", "10%")
    plain = command(*asked, "int8", "--output", "plain").json["artifacts"][0]
    mixed = command(*asked, "auto", *limit, "--output", "mixed").json["artifacts"][0]
    assert mixed["manifest"]["request"]["quantization"]["in_float"]
    (note,) = [each for each in mixed["notes"] if each.startswith("in float stay 1 group of 3 (block)")]
    assert re.search(r"a drop of top-1 of [01]\.\d\d% \(95 %: .* 0 gained of 60 images\)", note)
    held = ("evaluate", "--model", model[0], *model[1:], "--data", photos, *limit, "-q")
    assert command(*held, plain["folder"]).code == 1
    done = command(*held, mixed["folder"])
    assert done.code == 0, done.out + done.err


class Known:
    """A model as far as labels are held against it."""

    name, classes = "known", CLASSES

    def __init__(self, labels: list[str] | None) -> None:
        self.labels = labels


def test_one_reader_of_labels(photos: Path, classes: list[int], tmp_path: Path) -> None:
    """Numbers in labels.json are the model's; folders are its names, in whatever order it has them."""
    of_numbers = labels_of(Calibration(photos), Known(None))
    assert of_numbers == {photos / f"{number}.png": each for number, each in enumerate(classes)}
    names = ["elk", "dog", "cat", "bee", "ant"]
    for number, each in enumerate(classes):
        folder = tmp_path / "named" / names[each]
        folder.mkdir(parents=True, exist_ok=True)
        (photos / f"{number}.png").rename(folder / f"{number}.png")
    of_names = labels_of(Calibration(tmp_path / "named"), Known(names))
    assert {path.name: each for path, each in of_names.items()} == {
        path.name: each for path, each in of_numbers.items()
    }
    with pytest.raises(InputError, match="known does not know the data's class 'ant'"):
        labels_of(Calibration(tmp_path / "named"), Known([*names[:4], "ape"]))
    stray = tmp_path / "named" / "stray.png"
    Image.fromarray(np.full((16, 16, 3), 7, np.uint8)).save(stray)
    with pytest.raises(InputError, match=r"nobody says what 1 image of 61 from .*named shows: .*stray\.png"):
        labels_of(Calibration(tmp_path / "named"), Known(names))


@pytest.mark.parametrize(
    ("most", "words", "advice"),
    [
        (0.01, "60 images are too few to show that top-1 drops by no more than 1.00%: 381 are needed, if none differs", "762"),
        (0.06, "60 images are too few to show that top-1 drops by no more than 6.00%: 61 are needed", "--samples 122"),
        (0.0, "--max-accuracy-drop 0.00% is shown by no number of images", "--max-accuracy-drop 1%"),
    ],
)  # fmt: skip
def test_too_few_images_are_refused_before_a_model_is_made(
    photos: Path, most: float, words: str, advice: str
) -> None:
    with pytest.raises(GateError) as caught:
        choose_formats(request(photos, most))
    assert words in caught.value.lines[0] and advice in caught.value.lines[1]


def test_images_without_labels(photos: Path) -> None:
    choose_formats(request(photos, 0.07))
    (photos / "labels.json").unlink()
    with pytest.raises(
        UsageError, match="--max-accuracy-drop needs labels, and nobody says what the images in photos show"
    ):
        choose_formats(request(photos, 0.07))


@pytest.mark.parametrize("goal", [Goal(max_accuracy_drop=0.01), Goal(min_agreement=0.9)])
def test_a_model_without_classes(goal: Goal) -> None:
    for spec in (TensorSpec("mask", (1, 3, 8, 8), "float32"), TensorSpec("ids", (1, 3), "int64")):
        with pytest.raises(
            UnsupportedError, match=f"the model's output {spec.name} .* has no score for each class"
        ):
            goal.refuse_without_classes(spec)
    goal.refuse_without_classes(TensorSpec("logits", (1, 3), "float32"))
    Goal(min_snr=3.0).refuse_without_classes(TensorSpec("mask", (1, 3, 8, 8), "float32"))


def request(photos: Path, most: float) -> ExportRequest:
    return ExportRequest(precision="auto", calibration=Calibration(photos), goal=Goal(max_accuracy_drop=most))
