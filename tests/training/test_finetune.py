"""From the checkpoint in the box to an app for three classes of one's own, by the commands that the README shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from digits import asked_by
from outcome import Command
from PIL import Image
from watch import Watch

import cloformer
from cloformer.checkpoint import read_checkpoint
from cloformer.errors import InputError
from cloformer.export.accuracy.data import read_dataset
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.training.hub import model_card, write_hub_folder
from cloformer.training.loop import BEST
from cloformer.training.run import TrainRequest, recipe_of, train
from cloformer.weights import find_weights, shipped_weights

TESTS = Path(__file__).parent.parent
SOME = TESTS / "data" / "fashion-mnist-some.npz"
NAME = Path("fashion-mnist")


def test_the_box() -> None:
    """One checkpoint, small, which says what it is."""
    assert shipped_weights() == ["fashion-mnist"]
    path = find_weights(NAME)
    assert path.stat().st_size < 9_000_000
    metadata = read_checkpoint(path).metadata
    assert json.loads(metadata["labels"])[9] == "Ankle boot"
    assert json.loads(metadata["scores"])["top1"] >= 0.91
    assert (metadata["variant"], metadata["dataset"], metadata["licence"]) == (
        "cloformer_xxs",
        "fashion-mnist",
        "MIT",
    )
    assert cloformer.create_model(weights="fashion-mnist").head.out_features == 10
    card = path.with_suffix(".md").read_text("utf-8")
    assert f"{json.loads(metadata['scores'])['top1']:.2%} of 10,000 images" in card


def test_a_checkpoint_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a folder of images does not."""
    shipped = find_weights(NAME)
    monkeypatch.chdir(tmp_path)
    assert write_hub_folder(NAME, tmp_path / "hub").joinpath("model.safetensors").is_file()
    NAME.mkdir()
    assert find_weights(NAME) == shipped
    write_hub_folder(NAME, tmp_path / "another")
    (NAME / "config.json").write_text("{}")
    assert find_weights(NAME) == NAME
    with pytest.raises(InputError):
        write_hub_folder(NAME, tmp_path / "third")
    assert find_weights(Path("f" * 300)) == Path("f" * 300)


def test_the_checkpoint_on_some_of_its_test_images(command: Command) -> None:
    """Every fiftieth of the 10,000, of which 188 were right when it was put in the box; rounding may cost a few."""
    done = command("evaluate", "fashion-mnist", "--data", SOME, "--json", "--min-top1", "0.93")
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


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finetune") / "run"
    settings = ("epochs=8", "batch_size=16")
    request = TrainRequest(folder, output, recipe="finetune", settings=settings, weights=NAME, licence="MIT")
    watch = Watch()
    train(request, watch)
    assert "the head is new: the weights know 10 classes, and the data have 3" in watch.said
    return output


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    output = tmp_path_factory.mktemp("build")
    request = ExportRequest(weights=run / BEST, formats=("onnx", "coreml"), output=output)
    return [item.artifact.folder for item in export(request)]


def test_an_export_needs_the_checkpoint_alone(run: Path, exported: list[Path]) -> None:
    digest = read_checkpoint(run / BEST).sha256[:8]
    assert [folder.name for folder in exported] == [
        f"cloformer_xxs-onnx-64-fp32-weights-{digest}", f"cloformer_xxs-coreml-64-fp16-weights-{digest}",
    ]  # fmt: skip
    manifest = json.loads((exported[0] / "manifest.json").read_text())
    rule = manifest["functions"][0]["inputs"][0]["preprocessing"]
    assert (rule["height"], rule["resize_size"]) == (64, 64)
    assert (exported[0] / "labels.txt").read_text().split() == ["bags", "boots", "trousers"]
    assert manifest["request"]["metadata"] == {"dataset": "clothes", "licence": "MIT"}


def test_every_form_is_right(command: Command, folder: Path, run: Path, exported: list[Path]) -> None:
    done = command(
        "evaluate", run / BEST, *exported, "--data", folder, "--threads", "1", "--min-top1", "0.9", "--json"
    )
    assert done.code == 0, done.out
    own, *others = json.loads(done.out)["subjects"]
    names = ["PyTorch", "ONNX Runtime", "ML Program reference runtime"]
    assert [each["runs_in"] for each in (own, *others)] == names
    assert own["agreement"] is None
    for other, close in zip(others, (1e-5, 2e-2), strict=True):
        assert (other["images"], other["agreement"]) == (own["images"], 1.0)
        assert other["loss"] == pytest.approx(own["loss"], abs=close)


def test_what_comes_next(command: Command, folder: Path, run: Path, exported: list[Path]) -> None:
    """For one image, said as a command: an artifact becomes an app, a checkpoint an artifact."""
    for subject, words in zip(
        (run / BEST, *exported),
        (f"export --weights {run / BEST} --format onnx --format coreml",
         f"bundle android {exported[0]} --output apps/android", f"bundle ios {exported[1]} --output apps/ios"),
    ):  # fmt: skip
        done = command("evaluate", subject, "--data", folder, "--limit", "1")
        assert done.out.endswith(f"\n  next: cloformer {words}\n")
        assert "clothes: 1 image" in done.err


@pytest.mark.parametrize("settings", [(), ("image_size=224", "std=0.25,0.25,0.25")])
def test_the_card_s_command_is_the_run(
    command: Command, run: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    """As it is, and with a size of its own, which is the recipe's but not the first checkpoint's."""
    first = read_checkpoint(NAME)
    recipe = recipe_of(TrainRequest(tmp_path, tmp_path, recipe="finetune", settings=settings, weights=NAME))
    metadata = read_checkpoint(run / BEST).metadata | {"recipe": json.dumps(recipe.to_json())}
    assert metadata["weights"] == first.sha256
    card = "\n".join(model_card(metadata | {"teacher": "nets:build"}))
    assert f"from the checkpoint with SHA-256 `{first.sha256}`" in card
    assert "--teacher nets:build" in card
    words = [str(NAME) if word == "CHECKPOINT" else word for word in asked_by(card)]
    assert json.loads(command(*words, "--show-recipe", "--json").out) == recipe.to_json()


def test_other_classes_are_refused(command: Command, exported: list[Path]) -> None:
    for artifact in exported:
        done = command("evaluate", artifact, "--data", SOME)
        assert (done.code, "has 3 classes, and fashion-mnist-some has 10" in done.err) == (3, True)


def test_to_an_app(command: Command, run: Path, exported: list[Path], tmp_path: Path) -> None:
    done = command("parity", *exported, "--weights", run / BEST, "--no-operators")
    assert done.code == 0, done.out
    for system, artifact in zip(("android", "ios"), exported, strict=True):
        done = command("bundle", system, artifact, "--output", tmp_path / system)
        assert done.code == 0, done.err
        assert command("bundle", system, "--verify", tmp_path / system).code == 0
