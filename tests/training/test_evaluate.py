"""Scores are scikit-learn's, intervals SciPy's, and every form of a model is asked the same questions."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import sklearn.metrics
import torch
from digits import QUICK, asked_by, write_digits
from image_folders import CLASSES, write_folders
from outcome import Command
from scipy.stats import binomtest

import cloformer
from cloformer.checkpoint import CheckpointError, load_checkpoint, read_checkpoint
from cloformer.export.accuracy.data import read_dataset
from cloformer.export.accuracy.paired import Drop, score_interval
from cloformer.export.accuracy.scores import Scores, counted, first_classes, interval, right_first, scores_of
from cloformer.export.schemas import schema
from cloformer.training.beside import Comparison, Flip
from cloformer.training.hub import write_hub_folder
from cloformer.training.recipe import RECIPES
from cloformer.training.weights import write_weights


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (7, 10), (9213, 10_000), (1, 3)])
def test_intervals(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert interval(right / count, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("classes", [3, 12])
def test_scores(classes: int) -> None:
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(200, classes)), draw.integers(0, classes, 200)
    parts = [
        counted(torch.from_numpy(logits[at]), torch.from_numpy(labels[at]))
        for at in (slice(150), slice(150, 200))
    ]
    found = scores_of(parts[0] + parts[1])
    names = list(range(classes))
    assert found.images == 200
    assert found.top1 == pytest.approx(sklearn.metrics.accuracy_score(labels, logits.argmax(1)))
    five = 1.0 if classes <= 5 else sklearn.metrics.top_k_accuracy_score(labels, logits, k=5, labels=names)
    assert found.top5 == pytest.approx(five)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found.loss == pytest.approx(sklearn.metrics.log_loss(labels, chances, labels=names))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits") / "digits.npz", train=20, val=40)


def written(path: Path, data: Path, seed: int = 0) -> Path:
    """A checkpoint that says everything, with weights that nothing was learned in."""
    torch.manual_seed(seed)
    dataset = read_dataset(data)
    model = cloformer.create_model("cloformer_xxs", num_classes=len(dataset.classes))
    recipe = RECIPES["quick"].changed(QUICK)
    write_weights(
        path, model, "cloformer_xxs", dataset, recipe, Scores(40, 0.1, 0.5, 2.3), {"licence": "MIT"}
    )
    return path


@pytest.fixture(scope="module")
def trained(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("weights") / "random.safetensors", digits)


def test_what_is_lost_beside_the_reference(
    command: Command, trained: Path, digits: Path, tmp_path: Path
) -> None:
    """Held to both models' own logits: first classes, margins, signal and noise, and who is right."""
    other = written(tmp_path / "other.safetensors", digits, seed=1)
    done = command("evaluate", other, trained, "--weights", trained, "--data", digits, "--json")
    jsonschema.validate(done.json, schema("evaluation"))
    found, own = done.json["subjects"]
    rule = RECIPES["quick"].changed(QUICK).preprocessing()
    data = read_dataset(digits)
    x = torch.from_numpy(np.concatenate([rule(data.val.load(index)) for index in range(40)]))
    with torch.inference_mode():
        want, got = (load_checkpoint(path)[0](x).double().numpy() for path in (trained, other))
    first, labels = (want.argmax(1), got.argmax(1)), np.array(data.val.labels)
    differ = np.flatnonzero(first[0] != first[1])
    assert found["agreement"] == pytest.approx(1 - len(differ) / 40)
    assert found["snr_db"] == pytest.approx(10 * np.log10((want**2).sum() / ((got - want) ** 2).sum()))
    assert (found["reference"], found["snr_of"], found["bytes"]) == (
        str(trained), "logits", other.stat().st_size
    )  # fmt: skip
    assert [item["image"] for item in found["flips"]] == [data.val.where(int(place)) for place in differ]
    margins = [want[place, first[0][place]] - want[place, first[1][place]] for place in differ]
    assert [item["margin"] for item in found["flips"]] == pytest.approx(margins, rel=1e-4)
    right = [each == labels for each in first]
    assert found["top1"] == pytest.approx(right[1].mean())
    lost, gained = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    drop = found["accuracy_drop"]
    assert (drop["lost"], drop["gained"], drop["interval"]) == (
        lost,
        gained,
        list(score_interval(lost, gained, 40)),
    )
    assert own["is_reference"]
    assert own["agreement"] is None


def test_gates(command: Command, trained: Path, digits: Path, tmp_path: Path) -> None:
    """Each passes or fails with its reason; the reference is held to none but top-1."""
    twin = Path(shutil.copy(trained, tmp_path / "twin.safetensors"))
    other = written(tmp_path / "other.safetensors", digits, seed=1)
    exact = {"agreement": "100%", "snr": "300"}
    same = ("--min-agreement", exact["agreement"], "--min-snr", exact["snr"], "--max-accuracy-drop", "10%")
    assert command("evaluate", trained, twin, "--data", digits, *same).code == 0
    done = command("evaluate", trained, other, "--data", digits, *same)
    assert done.code == 1
    assert f"FAIL  {other}: the first class is the reference's on " in done.out
    assert "--min-snr asks for 300" in done.out
    assert f"FAIL  {trained}" not in done.out
    few = command("evaluate", trained, twin, "--data", digits, "--max-accuracy-drop", "1%")
    assert few.code == 1
    assert (
        "0 lost, 0 gained of 40 images), and --max-accuracy-drop allows 1.00%; too few images to tell: if as large a share differs, 381"
        in few.out
    )


def test_numbers_that_are_none_are_right_in_nothing() -> None:
    """One that overflows agrees with nobody, and of equal scores the first class is first."""
    logits = torch.tensor([[0.0, math.nan, 1.0], [3.0, 3.0, 1.0], [1.0, 3.0, 3.0], [math.inf, 0.0, 1.0]])
    labels = torch.tensor([2, 1, 1, 0])
    assert first_classes(logits).tolist() == [-1, 0, 1, 0]
    assert right_first(logits, labels).tolist() == [False, False, True, True]
    assert scores_of(counted(logits, labels)).top5 == 3 / 4
    beside = Comparison("reference", range(3), "logits", None)
    want = torch.tensor([[0.0, 1.0, 5.0], [3.0, 4.0, 1.0], [1.0, 3.0, 2.0], [4.0, 0.0, 1.0]])
    beside.add(["a", "b", "c", "d"], logits, want, labels)
    found = beside.result()
    assert (found.agreed, found.snr_db, found.to_json()["is_exact"]) == (2, -math.inf, False)
    assert found.flips == (
        Flip("a", "class 2", "no number", None),
        Flip("b", "class 1", "class 0", 1.0),
    )
    assert found.drop == Drop(2, 0, 4)


def test_of_probabilities_the_signal_is_that_of_probabilities() -> None:
    """A float16 model's smallest probabilities are zero, which says nothing of its logits."""
    want = torch.tensor([[30.0, 0.0, 10.0], [1.0, 2.0, 0.0]])
    got = torch.log(want.double().softmax(1).half().double().clamp_min(1e-38))
    beside = Comparison("reference", range(3), "probabilities", None)
    beside.add(["a", "b"], got, want, None)
    assert 50 < beside.result().snr_db < 90
    assert beside.result().drop is None


def test_the_table(command: Command, trained: Path, digits: Path) -> None:
    done = command("evaluate", trained, "--data", digits, "--min-top1", "0.999")
    assert done.code == 1
    assert "runs in" in done.out
    assert f"FAIL  {trained}: " in done.out
    assert "is below 99.90%" in done.out


def test_classes_are_matched_by_name(command: Command, tmp_path: Path) -> None:
    """A model whose classes stand in another order than the folders, and that always guesses its first, the wasp."""
    root = write_folders(tmp_path / "data", each=4)
    (root / "val" / "ant" / "0.png").unlink()
    data = read_dataset(root)
    model = cloformer.create_model("cloformer_xxs", num_classes=3)
    model.head.bias.data[0] = 100.0
    path, recipe = tmp_path / "insects.safetensors", RECIPES["quick"].changed(QUICK)
    write_weights(
        path, model, "cloformer_xxs", replace(data, classes=CLASSES[::-1]), recipe, Scores(1, 0, 0, 0), {}
    )
    done = command("evaluate", path, "--data", root, "--json")
    assert json.loads(done.out)["subjects"][0]["top1"] == 4 / 11  # of the ant it would be 3 / 11
    (root / "val" / "ant").rename(root / "val" / "moth")
    refused = command("evaluate", path, "--data", root / "val")
    assert refused.code == 3
    assert "does not know the data's class 'moth'" in refused.err


def test_classes_of_the_reference_are_matched_by_name(command: Command, tmp_path: Path) -> None:
    """A head in another order agrees in everything; one of other classes is compared in nothing, and passes no gate."""
    root = write_folders(tmp_path / "data", halves=("val",))
    data = replace(read_dataset(root), train=None)
    model = cloformer.create_model("cloformer_xxs", num_classes=3)
    paths = {}
    for name, classes in (("own", CLASSES), ("turned", CLASSES[::-1]), ("others", ("cat", "dog", "elk"))):
        if name == "turned":
            model.head.weight.data, model.head.bias.data = (
                model.head.weight.data.flip(0),
                model.head.bias.data.flip(0),
            )
        paths[name] = tmp_path / f"{name}.safetensors"
        write_weights(
            paths[name],
            model,
            "cloformer_xxs",
            replace(data, classes=classes),
            RECIPES["quick"].changed(QUICK),
            Scores(1, 0, 0, 0),
            {},
        )
    asked = ("evaluate", paths["turned"], "--weights", paths["own"], "--min-agreement", "1")
    found = command(*asked, "--data", root, "--min-snr", "100", "--max-accuracy-drop", "0.5", "--json")
    assert found.code == 0, found.out
    assert found.json["subjects"][0]["accuracy_drop"]["lost"] == 0
    plain = root / "val" / "ant"
    refused = command(
        "evaluate",
        paths["others"],
        paths["own"],
        "--weights",
        paths["own"],
        "--data",
        plain,
        "--min-agreement",
        "0",
    )
    assert refused.code == 1
    assert f"FAIL  {paths['others']}: its classes are not the reference's" in refused.out


def test_classes_of_one_name(command: Command, tmp_path: Path) -> None:
    """Where both sides have a name as often, the first is the first; else it cannot be told which is which."""
    pixels, labels = np.zeros((3, 8, 8), np.uint8), np.array([0, 1, 2])
    np.savez(
        tmp_path / "some.npz", train_images=pixels, train_labels=labels, val_images=pixels, val_labels=labels
    )
    names = tmp_path / "names.txt"
    names.write_text("crane\nbee\ncrane\n")
    data = read_dataset(tmp_path / "some.npz", names)
    model = cloformer.create_model("cloformer_xxs", num_classes=3)
    model.head.bias.data[2] = 100.0
    path, recipe = tmp_path / "birds.safetensors", RECIPES["quick"].changed(QUICK)
    classes = ("bee", "crane", "crane")
    write_weights(
        path, model, "cloformer_xxs", replace(data, classes=classes), recipe, Scores(1, 0, 0, 0), {}
    )
    done = command("evaluate", path, "--data", tmp_path / "some.npz", "--labels", names, "--json")
    assert done.json["subjects"][0]["top1"] == pytest.approx(
        1 / 3
    )  # the model's last is the data's second crane
    names.write_text("crane\nbee\nwasp\n")
    write_weights(
        path,
        model,
        "cloformer_xxs",
        replace(data, classes=("wasp", *classes[:2])),
        recipe,
        Scores(1, 0, 0, 0),
        {},
    )
    assert command("evaluate", path, "--data", tmp_path / "some.npz", "--labels", names).code == 0
    write_weights(
        path,
        model,
        "cloformer_xxs",
        replace(data, classes=("crane", "bee", "crane")),
        recipe,
        Scores(1, 0, 0, 0),
        {},
    )
    names.write_text("crane\nbee\nbee\n")
    refused = command("evaluate", path, "--data", tmp_path / "some.npz", "--labels", names)
    assert refused.code == 3
    assert "has 2 classes that are called 'crane', and some has 1" in refused.err


def test_an_image_that_cannot_be_read_is_in_no_figure(command: Command, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "data", each=2, halves=("val",))
    bad = root / "val" / "wasp" / "1.png"
    bad.write_bytes(bad.read_bytes()[:50])
    (root / "val" / "wasp" / "notes.txt").write_text("words")
    model = cloformer.create_model("cloformer_xxs", num_classes=3)
    model.head.bias.data[0] = 100.0
    path, recipe = tmp_path / "insects.safetensors", RECIPES["quick"].changed(QUICK)
    write_weights(
        path, model, "cloformer_xxs", replace(read_dataset(root), train=None), recipe, Scores(1, 0, 0, 0), {}
    )
    twin = Path(shutil.copy(path, tmp_path / "twin.safetensors"))
    done = command("evaluate", path, twin, "--data", root, "--json")
    assert done.code == 3
    for subject in done.json["subjects"]:
        assert (subject["images"], subject["top1"]) == (5, 2 / 5)
        assert [item["image"] for item in subject["unreadable"]] == [str(bad)]
    assert done.json["subjects"][1]["agreement"] == 1.0
    assert not done.json["passed"]
    assert done.json["left_out"] == [{"folder": str(root / "val"), "files": ["wasp/notes.txt"]}]
    text = command("evaluate", path, "--data", root)
    assert f"left out of {root / 'val'}: 1 file that is no image (wasp/notes.txt)" in text.err
    assert f"error: image {bad} cannot be read" in text.err
    for image in root.rglob("*.png"):
        image.write_bytes(b"none")
    assert "none of 6 images can be read" in command("evaluate", path, "--data", root).err


def test_all_are_looked_at_before_one_is_run(
    command: Command, trained: Path, digits: Path, tmp_path: Path
) -> None:
    done = command("evaluate", trained, tmp_path / "none", "--data", digits)
    assert done.code == 3
    assert "digits: 40 images" not in done.err
    assert "digits: 40 images" in command("evaluate", trained, "--data", digits).err


def test_what_cannot_be_evaluated(
    command: Command, small: Path, trained: Path, digits: Path, tmp_path: Path
) -> None:
    pixels, labels = np.zeros((12, 8, 8), np.uint8), np.arange(12)
    np.savez(tmp_path / "dozen.npz", val_images=pixels, val_labels=labels)
    other = command("evaluate", trained, "--data", tmp_path / "dozen.npz")
    assert (other.code, "has 10 classes, and dozen has 12" in other.err) == (3, True)
    no_classifier = command("evaluate", small, "--data", digits)
    assert (no_classifier.code, "does not classify one image" in no_classifier.err) == (4, True)
    missing = command("evaluate", tmp_path / "none", "--data", digits)
    assert (missing.code, "there is no file" in missing.err) == (3, True)
    no_data = command("evaluate", trained, "--data", tmp_path / "none", "--json")
    assert (no_data.code, json.loads(no_data.out)["error"]["exit_code"]) == (3, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--recipe", "papers"], 2, "Did you mean paper"),
        (["--model", "cloformer_xss"], 2, "Did you mean cloformer_x"),
        (["--set", "epoch=3"], 2, "Did you mean epochs"),
        (["--set", "image_size=30"], 2, "choose another --set image_size"),
        (["--set", "batch_size=512"], 3, "add --set batch_size=20, or --set batch_size=auto"),
        (["--weights", "nowhere.safetensors"], 3, "there is no file"),
        (["--teacher", "nowhere:it", "--set", "batch_size=4"], 2, "no module"),
        (["--labels", "nowhere.txt"], 3, "there is no file"),
        (["--resume"], 3, "no run to go on with"),
    ],
)
def test_train_refuses(
    command: Command, digits: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = command(
        "train", "--data", digits, "--output", tmp_path / "run", *(["--recipe", "quick"] if "--recipe" not in arguments else []),
        *arguments,
    )  # fmt: skip
    assert done.code == code, done.err
    assert words in done.err
    assert len(done.err.strip().splitlines()) <= 4
    assert not (tmp_path / "run" / "state.0").exists()


def test_a_place_that_cannot_be_written(command: Command, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("train", "--data", digits, "--output", tmp_path / "file" / "run", "--recipe", "quick",
                   "--set", "batch_size=4", "--set", "image_size=32")  # fmt: skip
    assert done.code == 3, done.err


@pytest.mark.parametrize(
    ("package", "settings"), [("kornia.augmentation", ["--set", "erasing=0.1"]), ("accelerate", [])]
)
def test_a_package_that_is_not_there(
    command: Command,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    settings: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = command("train", "--data", digits, "--output", tmp_path / "run", "--recipe", "quick", *settings,
                   "--set", "batch_size=4", "--set", "image_size=32")  # fmt: skip
    assert (done.code, "pip install 'cloformer[train]'" in done.err) == (5, True)
    assert not (tmp_path / "run").exists()


def test_show_recipe(command: Command, digits: Path) -> None:
    """Without data, but for a batch size that follows them."""
    asked = ("train", "--show-recipe", "--set", "epochs=7")
    recipe = RECIPES["paper"].changed(["epochs=7"])
    assert command(*asked, "--json").json == recipe.to_json()
    shown = command(*asked)
    assert shown.out.startswith(
        "epochs             7                  how often every training image is seen\n"
    )
    assert [line.split()[:2] for line in shown.out.splitlines()[:-1]] == [
        [name, value] for name, value, _ in recipe.described()
    ]
    assert "--set NAME=VALUE" in shown.out
    asked = (*asked, "--set", "batch_size=auto", "--json")
    assert command(*asked, "--data", digits).json == recipe.changed(["batch_size=20"]).to_json()
    refused = command(*asked)
    assert (refused.code, refused.json["error"]["message"]) == (2, "--set batch_size=auto needs --data")


def test_hub_folder(command: Command, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "my digits"
    done = command("hub", trained, "--output", folder)
    assert done.code == 0, done.err
    assert done.out.endswith(f"\n  next: hf upload YOUR-NAME/my-digits '{folder}'\n")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["num_labels"], config["id2label"]["7"]) == ("cloformer", 10, "7")
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: cloformer\n")
    assert "license: mit" in card
    assert "10.00% of 40 images (95 %: 3.96% to 23.05%)" in card
    shown = command(*asked_by(card), "--show-recipe", "--json")
    assert json.loads(shown.out) == RECIPES["quick"].changed(QUICK).to_json()
    both = [read_checkpoint(path) for path in (trained, folder)]
    assert both[0].sha256 == both[1].sha256
    assert cloformer.create_model(weights=folder).head.out_features == 10
    again = command("hub", trained, "--output", folder)
    assert (again.code, "not empty" in again.err) == (3, True)


def test_hub_folder_of_a_hub_folder(trained: Path, tmp_path: Path) -> None:
    first = write_hub_folder(trained, tmp_path / "first")
    second = write_hub_folder(first, tmp_path / "second")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_hub_folders_that_contradict_themselves(trained: Path, tmp_path: Path) -> None:
    folder = write_hub_folder(trained, tmp_path / "hub")
    config = folder / "config.json"
    whole = config.read_text()
    for text, words in [
        (whole.replace('"7"', '"8"'), "another id2label"),
        ("{", "is not JSON"),
        ("[]", "do not fit"),
    ]:
        config.write_text(text)
        with pytest.raises(CheckpointError, match=words):
            read_checkpoint(folder)
    config.write_text(whole)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="there is no file"):
        read_checkpoint(folder)


def test_hub_takes_trained_checkpoints_alone(command: Command, tmp_path: Path) -> None:
    from cloformer.checkpoint import save_checkpoint

    save_checkpoint(cloformer.create_model("cloformer_xxs", num_classes=3), tmp_path / "plain.safetensors")
    done = command("hub", tmp_path / "plain.safetensors", "--output", tmp_path / "hub")
    assert (done.code, "does not say how it was trained" in done.err) == (3, True)
    assert not (tmp_path / "hub").exists()
