"""From the checkpoint in the box to an app for three classes of one's own, by the commands that the README shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from outcome import Command
from PIL import Image

from cloformer.checkpoint import read_checkpoint
from cloformer.export.source import find_weights, shipped_weights
from cloformer.training.data import read_dataset

TESTS = Path(__file__).parent.parent
SOME = TESTS / "data" / "fashion-mnist-some.npz"


def test_the_box() -> None:
    """One checkpoint, small, which says what it is."""
    assert shipped_weights() == ["fashion-mnist"]
    path = find_weights(Path("fashion-mnist"))
    assert path.stat().st_size < 9_000_000
    metadata = read_checkpoint(path).metadata
    assert json.loads(metadata["labels"])[9] == "Ankle boot"
    assert json.loads(metadata["scores"])["top1"] >= 0.91
    assert (metadata["variant"], metadata["dataset"], metadata["licence"]) == (
        "cloformer_xxs",
        "fashion-mnist",
        "MIT",
    )
    card = path.with_suffix(".md").read_text("utf-8")
    assert f"{json.loads(metadata['scores'])['top1']:.2%} of 10,000 images" in card


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fashion-mnist").write_text("mine")
    assert find_weights(Path("fashion-mnist")) == Path("fashion-mnist")


def test_the_checkpoint_on_some_of_its_test_images(command: Command) -> None:
    """Every fiftieth of the 10,000: the share that was right when it was put in the box."""
    done = command("evaluate", "fashion-mnist", "--data", SOME, "--json", "--min-top1", "0.88")
    assert done.code == 0, done.out
    assert json.loads(done.out)["subjects"][0]["images"] == 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of the ten kinds of clothes as folders of files, of which the network knows nothing by these names."""
    root, data = tmp_path_factory.mktemp("folder") / "clothes", read_dataset(SOME)
    for name, kind in (("boots", 9), ("bags", 8), ("trousers", 1)):
        chosen = [index for index, label in enumerate(data.val.labels) if label == kind]
        for place, index in enumerate(chosen):
            half = root / ("val" if place % 4 == 0 else "train") / name
            half.mkdir(parents=True, exist_ok=True)
            image = data.val.load(index).resize((60, 60), Image.Resampling.BICUBIC)
            Image.fromarray(255 - np.asarray(image)).save(half / f"{index}.png")
    return root


def test_to_an_app(command: Command, folder: Path, tmp_path: Path) -> None:
    run, build, app = tmp_path / "run", tmp_path / "build", tmp_path / "app"
    done = command("train", "--data", folder, "--weights", "fashion-mnist", "--recipe", "finetune", "--output", run,
                   "--set", "epochs=6", "--set", "batch_size=8")  # fmt: skip
    assert done.code == 0, done.err
    assert "the head is new: 10 classes were, 3 are" in done.err
    best = run / "best.safetensors"
    done = command("evaluate", best, "--data", folder, "--min-top1", "0.9")
    assert done.code == 0, done.out
    done = command("export", "--weights", best, "--output", build, "--json")
    assert done.code == 0, done.err
    (exported,) = json.loads(done.out)["artifacts"]
    artifact = Path(exported["folder"])
    assert artifact.name.startswith("cloformer_xxs-onnx-64-fp32-weights-")
    assert (artifact / "labels.txt").read_text().split() == ["bags", "boots", "trousers"]
    done = command("parity", artifact, "--weights", best)
    assert done.code == 0, done.out
    done = command("bundle", "android", artifact, "--output", app)
    assert done.code == 0, done.err
    assert command("bundle", "android", "--verify", app).code == 0
