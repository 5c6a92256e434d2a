"""Figures of maps are scikit-learn's, of boxes pycocotools'; a network, its ONNX file and its ML Program are asked the same questions."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import sklearn.metrics
from dense_specs import SPECS, spec_file
from outcome import Command
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import cloformer
from cloformer.checkpoint import read_checkpoint, save_checkpoint
from cloformer.create import identify_dense
from cloformer.export.accuracy.annotated import read_annotated
from cloformer.export.accuracy.box_scores import Boxes, BoxScores
from cloformer.export.accuracy.map_scores import MapCounts
from cloformer.export.accuracy.resampled import DRAWS, Estimate, Fall, draws
from cloformer.export.schemas import schema

SIZES = [(60, 40), (48, 32), (31, 64), (100, 30), (40, 40), (33, 47)] * 4
CLASSES = ("cup", "plate", "spoon")


# Maps.


@pytest.mark.parametrize("seed", range(3))
def test_maps_are_judged_as_scikit_learn_does(seed: int) -> None:
    """A class that is in no mask but found, one that is never found, pixels that do not count, and numbers that no class has."""
    draw = np.random.default_rng(seed)
    counts, want, got = MapCounts(6, 255), [], []
    for _ in range(5):
        mask, found = draw.choice([0, 1, 2, 4, 255], (9, 7)), draw.choice([0, 1, 2, 3], (9, 7))
        shown = np.broadcast_to(draw.random((9, 1)) > 0.2, mask.shape)
        counts.add(found, mask, shown)
        told = (mask != 255) & shown
        want.append(mask[told])
        got.append(found[told])
    labels, guesses = np.concatenate(want), np.concatenate(got)
    result = counts.result()
    each = sklearn.metrics.jaccard_score(labels, guesses, average=None, labels=range(5), zero_division=0)
    assert result.by_class == pytest.approx(dict(enumerate(each)))
    assert result.miou.value == pytest.approx(
        sklearn.metrics.jaccard_score(labels, guesses, average="macro", zero_division=0)
    )
    assert result.pixel_accuracy.value == pytest.approx(sklearn.metrics.accuracy_score(labels, guesses))
    assert result.miou.interval is None  # of five images


def test_a_number_that_no_class_has_is_right_nowhere() -> None:
    counts = MapCounts(3, 255)
    counts.add(np.array([[0, 7, -1]]), np.array([[0, 1, 2]]), np.ones((1, 3), bool))
    assert counts.result().by_class == {0: 1.0, 1: 0.0, 2: 0.0}


# Boxes.


@dataclass(frozen=True)
class Found:
    score: float
    corners: tuple[float, float, float, float]


def annotated(seed: int) -> dict[str, list[dict[str, object]]]:
    """Crowds, images without boxes, a category that is nowhere, equal boxes, all three of COCO's sizes."""
    draw = np.random.default_rng(seed)
    annotations: list[dict[str, object]] = []
    for image in range(12):
        for _ in range(0 if image % 5 == 0 else int(draw.integers(1, 9))):
            size = draw.choice([12, 50, 150], 2) + draw.integers(0, 9, 2)
            corner = draw.integers(0, 200, 2)
            annotations.append({
                "id": len(annotations) + 1, "image_id": image + 3, "category_id": int(draw.choice([2, 5, 9])),
                "bbox": [*map(float, corner), *map(float, size)], "area": float(size.prod()) * draw.choice([1.0, 0.6]),
                "iscrowd": int(draw.random() < 0.15),
            })  # fmt: skip
    return {
        "images": [
            {"id": image + 3, "file_name": f"{image}.png", "width": 400, "height": 400} for image in range(12)
        ],
        "categories": [{"id": number, "name": str(number)} for number in (2, 5, 9, 11)],
        "annotations": annotations,
    }


def guessed(document: dict[str, list[dict[str, object]]], seed: int) -> dict[int, list[tuple[int, Found]]]:
    """Most annotations, moved a little, with ties among the scores, some of another category, and some of nothing."""
    draw = np.random.default_rng(seed)
    found: dict[int, list[tuple[int, Found]]] = {int(str(item["id"])): [] for item in document["images"]}
    for item in document["annotations"]:
        left, top, width, height = np.array(item["bbox"]) + draw.normal(0, 4, 4)
        if draw.random() < 0.8:
            score = float(draw.choice([0.3, 0.5, 0.5, 0.9]))
            category = int(str(item["category_id"])) if draw.random() < 0.8 else 5
            box = Found(score, (left, top, left + abs(width), top + abs(height)))
            found[int(str(item["image_id"]))].append((category, box))
    found[3] += [(2, Found(0.7, (0.0, 0.0, 30.0, 30.0))) for _ in range(130)]  # more than count
    return found


def directly(
    document: dict[str, list[dict[str, object]]], found: dict[int, list[tuple[int, Found]]]
) -> COCOeval:
    """What pycocotools says when it is called as its own documentation does."""
    with contextlib.redirect_stdout(io.StringIO()):
        want = COCO()
        want.dataset = copy.deepcopy(document)
        want.createIndex()
        results = [
            {
                "image_id": image, "category_id": category, "score": box.score,
                "bbox": [box.corners[0], box.corners[1], box.corners[2] - box.corners[0], box.corners[3] - box.corners[1]],
            }
            for image, boxes in found.items() for category, box in boxes
        ]  # fmt: skip
        judged = COCOeval(want, want.loadRes(results), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged


def judged(
    document: dict[str, list[dict[str, object]]], found: dict[int, list[tuple[int, Found]]]
) -> BoxScores:
    boxes = Boxes(document)
    for image, items in found.items():
        boxes.add(image, items)
    return boxes.result()


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_judged_as_pycocotools_does(seed: int) -> None:
    document = annotated(seed)
    found = guessed(document, seed + 10)
    result, expected = judged(document, found), directly(document, found)
    names = (
        "ap",
        "ap50",
        "ap75",
        "ap_small",
        "ap_medium",
        "ap_large",
        "ar1",
        "ar10",
        "ar100",
        "ar_small",
        "ar_medium",
        "ar_large",
    )
    assert result.figures == {
        name: value for name, value in zip(names, expected.stats, strict=True) if value != -1
    }
    assert result.ap.value == expected.stats[0] > 0.05
    assert "11" not in result.by_category
    assert np.mean(list(result.by_category.values())) == pytest.approx(expected.stats[0])


def test_the_interval_is_of_the_same_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn once each, images give pycocotools' figure; an image drawn twice is as two of it."""
    document = annotated(1)
    found = guessed(document, 2)
    monkeypatch.setattr("cloformer.export.accuracy.box_scores.draws", lambda images: iter([np.ones(images)]))
    result = judged(document, found)
    assert result.ap.drawn == pytest.approx([result.ap.value], abs=1e-12)
    weights = np.array([2.0, 0, 1, 3, 0, 1, 1, 0, 2, 1, 1, 0])
    monkeypatch.setattr("cloformer.export.accuracy.box_scores.draws", lambda images: iter([weights]))
    drawn = judged(document, found).ap.drawn
    again = copy.deepcopy(document)
    again["images"], again["annotations"], more = [], [], {}
    for image, often in zip(document["images"], weights, strict=True):
        for _ in range(int(often)):
            number = len(again["images"]) + 1
            again["images"].append(image | {"id": number})
            more[number] = found[int(str(image["id"]))]
            own = [item for item in document["annotations"] if item["image_id"] == image["id"]]
            again["annotations"] += [
                item | {"id": len(again["annotations"]) + place, "image_id": number}
                for place, item in enumerate(own, 1)
            ]
    # Copies of a box have one score: which of them comes first in the list moves the figure a little.
    assert drawn == pytest.approx([directly(again, more).stats[0]], abs=0.02)


def test_nothing_found_and_nothing_annotated() -> None:
    document = annotated(0)
    nothing: dict[int, list[tuple[int, Found]]] = {int(str(item["id"])): [] for item in document["images"]}
    assert judged(document, nothing).ap.value == 0
    document["annotations"] = []
    result = judged(document, guessed(document, 0))
    assert math.isnan(result.ap.value)
    assert result.to_json()["ap"] is None


def test_draws_are_the_same_for_all() -> None:
    first, second = list(draws(7)), list(draws(7))
    assert len(first) == DRAWS
    assert all((one == other).all() and one.sum() == 7 for one, other in zip(first, second, strict=True))
    base = np.linspace(0.4, 0.6, DRAWS)
    fall = Fall.of(Estimate(0.5, base, 20), Estimate(0.49, base - 0.01, 20))
    assert fall.interval == pytest.approx((0.01, 0.01))  # though each by itself is within a tenth
    assert fall.is_within(0.0101) and not fall.is_within(0.0099)
    few = Fall.of(Estimate(0.5, base, 19), Estimate(0.5, base, 19))
    assert few.interval is None and not few.is_within(0.5)  # though nothing differs
    assert str(few) == "0.00% on 19 images, and an interval takes 20"


# The command.


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of odd sizes; one is stored on its side, one is in a folder in the folder."""
    folder = tmp_path_factory.mktemp("set") / "photos"
    draw = np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    for number, (width, height) in enumerate(SIZES):
        pixels = draw.integers(0, 255, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
        photograph = Image.fromarray(pixels).resize((width, height))
        exif = photograph.getexif()
        if number == 2:
            photograph, exif[0x0112] = photograph.transpose(Image.Transpose.ROTATE_90), 6
        photograph.save(folder / _name(number), quality=95, exif=exif)
    return folder


def _name(number: int) -> str:
    return f"more/{number}.jpg" if number == 5 else f"{number}.jpg"


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals as wide, in a tenth of the time."""
    monkeypatch.setattr("cloformer.export.accuracy.resampled.DRAWS", 100)


EXPORTED: dict[str, tuple[tuple[str, ...], list[Path]]] = {}


def exported(
    name: str, command: Command, tmp_path_factory: pytest.TempPathFactory
) -> tuple[tuple[str, ...], list[Path]]:
    """The options that say what the network is, and its ONNX file and ML Program."""
    if name not in EXPORTED:
        folder = tmp_path_factory.mktemp(name)
        spec = spec_file(folder, name)
        if name == "yolo":
            (folder / "labels.txt").write_text("\n".join(reversed(CLASSES)))
            spec.write_text('labels = "labels.txt"\n' + spec.read_text())
        else:
            spec.write_text(
                '[[inputs]]\nname = "image"\nshape = [1, 3, 32, 48]\n[inputs.preprocessing]\ncrop = "letterbox"\n'
                + spec.read_text()
            )
        done = command("export", "--model", f"dense_models:{name}", "--spec", spec, "--output", folder, "--format", "onnx",
                       "--format", "coreml", "--precision", "fp32", "--json")  # fmt: skip
        assert done.code == 0, done.err
        EXPORTED[name] = (
            ("--spec", str(spec)),
            [Path(item["folder"]) for item in done.json["artifacts"]],
        )
    return EXPORTED[name]


def predicted(command: Command, artifact: Path, photographs: Path) -> list[dict[str, object]]:
    """What predict says of each photograph, in the order of their numbers."""
    paths = [photographs / _name(number) for number in range(len(SIZES))]
    done = command("predict", artifact, *paths, "--min-score", "0", "--json")
    assert done.code == 0, done.err
    found: list[dict[str, object]] = done.json["predictions"]
    return found


def test_boxes_of_a_network_and_its_files(
    few_draws: None,
    command: Command,
    photographs: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Annotated is what one file gives, moved, so that some is found and some is not; the figures are pycocotools' own of what predict
    gives, by the names of classes."""
    spec, artifacts = exported("yolo", command, tmp_path_factory)
    draw = np.random.default_rng(3)
    numbers = {"cup": 7, "plate": 3, "spoon": 40}
    annotations: list[dict[str, object]] = []
    for image, said in enumerate(predicted(command, artifacts[0], photographs)[:20]):
        for box in said["boxes"][:6]:  # type: ignore[index]
            left, top, width, height = (np.array(box["bbox"]) * draw.uniform(0.8, 1.2, 4)).tolist()
            annotations.append({
                "image_id": image, "category_id": numbers[box["label"]], "bbox": [left, top, width, height],
                "iscrowd": int(draw.random() < 0.1),
            })  # fmt: skip
    document = {
        "info": {"year": 2026},
        "images": [
            {"id": number, "file_name": _name(number), "width": width, "height": height, "license": 1}
            for number, (width, height) in enumerate(SIZES)
        ],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": "table"} for name, number in numbers.items()
        ],
    }
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(document))
    asked = ("evaluate", "dense_models:yolo", *artifacts, *spec, "--data", photographs, "--coco", file)
    done = command(*asked, "--max-accuracy-drop", "1%", "--json")
    assert done.code == 0, done.err
    jsonschema.validate(done.json, schema("dense-evaluation"))
    network, *files = done.json["subjects"]
    complete = {
        **document,
        "annotations": [
            item | {"id": place, "area": item["bbox"][2] * item["bbox"][3]}  # type: ignore[index]
            for place, item in enumerate(annotations, 1)
        ],
    }
    for artifact, found in zip(artifacts, files, strict=True):
        given: dict[int, list[tuple[int, Found]]] = {}
        for image, said in enumerate(predicted(command, artifact, photographs)):
            given[image] = []
            for box in said["boxes"]:  # type: ignore[attr-defined]
                left, top, width, height = box["bbox"]
                given[image].append(
                    (numbers[box["label"]], Found(box["score"], (left, top, left + width, top + height)))
                )
        expected = directly(complete, given)  # type: ignore[arg-type]
        assert found["ap"] == pytest.approx(expected.stats[0], abs=1e-12)
        assert found["ar100"] == pytest.approx(expected.stats[8], abs=1e-12)
        assert 0.1 < found["ap"] < 0.9
        assert found["ap_interval"][0] < found["ap"] < found["ap_interval"][1]
        assert found["accuracy_drop"]["interval"] == [0, 0]
        assert found["ap"] == pytest.approx(network["ap"])
    assert network["is_reference"] and network["by_category"].keys() <= numbers.keys()
    table = command(*asked)
    assert "AP, 95 %" in table.out and table.code == 0
    few = command(*asked, "--min-ap", "95%")
    assert few.code == 1 and "is below 0.9500" in few.out


@pytest.fixture(scope="module")
def masks(photographs: Path) -> Path:
    folder = photographs.parent / "masks"
    draw = np.random.default_rng(1)
    (folder / "more").mkdir(parents=True)
    for number, (width, height) in enumerate(SIZES):
        mask = Image.fromarray(
            draw.choice([0, 1, 2, 3, 255], (height // 8 + 1, width // 8 + 1)).astype(np.uint8)
        )
        if number % 2:
            mask.putpalette(draw.integers(0, 255, 768, np.uint8).tolist())
        mask.resize((width, height), Image.Resampling.NEAREST).save(
            (folder / _name(number)).with_suffix(".png")
        )
    return folder


def test_maps_of_a_network_and_its_files(
    few_draws: None,
    command: Command,
    photographs: Path,
    masks: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The figures are scikit-learn's of the maps that predict gives, on all pixels of all photographs but the ignored ones."""
    spec, artifacts = exported("deeplab", command, tmp_path_factory)
    asked = ("evaluate", "dense_models:deeplab", *artifacts, *spec, "--data", photographs, "--masks", masks)
    done = command(*asked, "--json")
    assert done.code == 0, done.err
    jsonschema.validate(done.json, schema("dense-evaluation"))
    network, *files = done.json["subjects"]
    assert network["notes"] == []  # a letterbox shows all
    for artifact, found in zip(artifacts, files, strict=True):
        want, got = [], []
        for number, said in enumerate(predicted(command, artifact, photographs)):
            mask = np.asarray(Image.open((masks / _name(number)).with_suffix(".png")))
            classes = np.full(mask.shape, -1)
            for item in said["maps"]["scores"]:  # type: ignore[index]
                runs = item["segmentation"]["counts"]
                inside = np.repeat(np.arange(len(runs)) % 2, runs).reshape(mask.shape[::-1]).T
                classes[inside == 1] = item["class"]
            want.append(mask[mask != 255])
            got.append(classes[mask != 255])
        labels, guesses = np.concatenate(want), np.concatenate(got)
        assert found["miou"] == pytest.approx(
            sklearn.metrics.jaccard_score(labels, guesses, average="macro", zero_division=0)
        )
        assert found["pixel_accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(labels, guesses))
        assert found["accuracy_drop"]["value"] == pytest.approx(0, abs=1e-4)
    table = command(*asked, "--min-miou", "0.9")
    assert table.code == 1 and "mIoU, 95 %" in table.out and "is below 0.9000" in table.out


def test_what_a_crop_does_not_show_is_in_no_figure(
    command: Command, photographs: Path, masks: Path, tmp_path: Path
) -> None:
    """Fed as ImageNet's networks: the map is judged on the middle alone, and that is said."""
    spec = tmp_path / "model.toml"
    spec.write_text('[[inputs]]\nname = "image"\nshape = [1, 3, 32, 32]\nrole = "image"\n' + SPECS["deeplab"])
    asked = ("evaluate", "dense_models:deeplab", "--spec", spec, "--data", photographs, "--masks", masks)
    done = command(*asked, "--json")
    (found,) = done.json["subjects"]
    (note,) = found["notes"]
    assert "of the photographs' pixels (short side to 36" in note and "the rest is in no figure" in note
    assert "the rest is in no figure" in command(*asked).out


def test_a_photograph_that_cannot_be_read(
    command: Command, photographs: Path, masks: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, artifacts = exported("deeplab", command, tmp_path_factory)
    for path in (photographs, masks):
        (tmp_path / path.name).mkdir()
        for number in (0, 1):
            name = Path(_name(number)).with_suffix(".jpg" if path is photographs else ".png")
            (tmp_path / path.name / name).write_bytes((path / name).read_bytes())
    bad = tmp_path / "photos" / "1.jpg"
    bad.write_bytes(bad.read_bytes()[:60])
    done = command(
        "evaluate", artifacts[0], "--data", tmp_path / "photos", "--masks", tmp_path / "masks", "--json"
    )
    assert done.code == 3
    (found,) = done.json["subjects"]
    assert found["images"] == 1 and [item["image"] for item in found["unreadable"]] == [str(bad)]


# What is refused before anything is run.


def _colours(folder: Path) -> None:
    Image.new("RGB", SIZES[0]).save(folder / "masks" / "0.png")


def _size(folder: Path) -> None:
    Image.new("L", (SIZES[0][1], SIZES[0][0])).save(folder / "masks" / "0.png")


def _number(folder: Path) -> None:
    Image.new("L", SIZES[0], 9).save(folder / "masks" / "0.png")


def _no_mask(folder: Path) -> None:
    (folder / "masks" / "0.png").unlink()


def _stray(folder: Path) -> None:
    Image.new("L", SIZES[0]).save(folder / "masks" / "another.png")


def _all_ignored(folder: Path) -> None:
    for path in folder.glob("masks/*.png"):
        Image.new("L", Image.open(path).size, 255).save(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_colours, "has colours (RGB), and no numbers of classes"),
        (_size, "0.png is 40 x 60 pixels, and "),
        (_number, "0.png has class 9, and dense_models:deeplab has 5 classes (the first is class 0)"),
        (_no_mask, "1 photograph of 2 has no mask"),
        (_stray, "is of no photograph: "),
        (_all_ignored, "is 255, which is not counted"),
    ],
)
def test_wrong_masks(spoil: Callable[[Path], None], words: str, command: Command, tmp_path: Path) -> None:
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for number in (0, 1):
        Image.new("RGB", SIZES[number]).save(tmp_path / "photos" / f"{number}.png")
        Image.new("L", SIZES[number]).save(tmp_path / "masks" / f"{number}.png")
    spoil(tmp_path)
    spec = spec_file(tmp_path, "deeplab")
    done = command(
        "evaluate",
        "dense_models:deeplab",
        "--spec",
        spec,
        "--data",
        tmp_path / "photos",
        "--masks",
        tmp_path / "masks",
    )
    assert (done.code, words in done.err) == (3, True), done.err
    assert len(done.err.strip().splitlines()) <= 4


RIGHT = {
    "images": [{"id": 1, "file_name": "0.png", "width": 60, "height": 40}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, 5, 5]}],
    "categories": [{"id": 2, "name": "cup"}, {"id": 3, "name": "plate"}, {"id": 4, "name": "spoon"}],
}


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("annotations", 0, "bbox"), [5, 5, 2, -3], "annotations[0].bbox has the size 2 x -3: COCO's boxes are left, top, width, height"),
        (("annotations", 0, "bbox"), [5, 5, 2], "annotations[0].bbox has 3 numbers"),
        (("annotations", 0, "image_id"), 7, "annotations[0].image_id is 7, which no image has"),
        (("annotations", 0, "category_id"), 1, "annotations[0].category_id is 1, which no category has"),
        (("annotations", 0, "iscrowd"), 2, "annotations[0].iscrowd is 2, not from 0 to 1"),
        (("images", 0, "file_name"), "../0.png", "images[0].file_name '../0.png' is not a path inside the folder"),
        (("images", 0, "file_name"), "no.png", "names 1 image of 1 that is not there"),
        (("images", 0, "width"), 61, "images[0] is 61 x 40 pixels, and "),
        (("images",), [], "images has 0 entries"),
        (("images",), RIGHT["images"] * 2, "images[1].id is 1, as another's is"),
        (("categories", 1, "id"), 2, "categories[1].id is 2, as another's is"),
        (("categories", 2, "name"), "fork", "does not know the data's category 'fork'"),
    ],
)  # fmt: skip
def test_wrong_annotations(
    place: tuple[str | int, ...], value: object, words: str, command: Command, tmp_path: Path
) -> None:
    document = copy.deepcopy(RIGHT)
    inside: object = document
    for step in place[:-1]:
        inside = inside[step]  # type: ignore[index]
    inside[place[-1]] = value  # type: ignore[index]
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "photos" / "0.png")
    (tmp_path / "coco.json").write_text(json.dumps(document))
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    spec = spec_file(tmp_path, "yolo")
    spec.write_text('labels = "labels.txt"\n' + spec.read_text())
    done = command(
        "evaluate",
        "dense_models:yolo",
        "--spec",
        spec,
        "--data",
        tmp_path / "photos",
        "--coco",
        tmp_path / "coco.json",
    )
    assert (done.code, words in done.err) == (3, True), done.err
    assert len(done.err.strip().splitlines()) <= 4


def test_categories_by_number_where_classes_have_no_names(tmp_path: Path, command: Command) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "photos" / "0.png")
    (tmp_path / "coco.json").write_text(json.dumps(RIGHT))
    assert list(read_annotated(tmp_path / "photos", tmp_path / "coco.json").categories) == [2, 3, 4]
    spec = spec_file(tmp_path, "yolo")
    asked = (
        "evaluate",
        "dense_models:yolo",
        "--spec",
        spec,
        "--data",
        tmp_path / "photos",
        "--coco",
        tmp_path / "coco.json",
    )
    assert command(*asked).code == 0
    (tmp_path / "coco.json").write_text(json.dumps({**RIGHT, "categories": RIGHT["categories"][:2]}))
    refused = command(*asked)
    assert refused.code == 3 and "has 3 classes without names, and photos has 2" in refused.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--masks", "m", "--coco", "c"), 2, "evaluate one, then the other"),
        (("--min-miou", "0.5"), 2, "--min-miou needs --masks"),
        (("--min-ap", "0.5"), 2, "--min-ap needs --coco"),
        (("--ignore-class", "0"), 2, "--ignore-class is a number in --masks"),
        (("--masks", "m", "--min-top1", "0.5"), 2, "--min-top1 is for scores of classes, and --masks is not"),
        (("--coco", "c", "--min-snr", "5"), 2, "--min-snr is for scores of classes, and --coco is not"),
        (("--masks", ".", "--min-ap", "0.5"), 2, "lies inside --data"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(
    options: tuple[str, ...],
    code: int,
    words: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("evaluate", "dense_models:deeplab", "--data", ".", *options)
    assert (done.code, words in done.err) == (code, True), done.err


def test_subjects_without_such_outputs(
    command: Command, photographs: Path, masks: Path, tmp_path: Path
) -> None:
    asked = ("--data", photographs, "--masks", masks)
    no_roles = command("evaluate", "dense_models:deeplab", *asked)
    assert no_roles.code == 4 and "and none is class_map or class_scores" in no_roles.err
    random = command("evaluate", "fashion-mnist", "--model", "cloformer_xxs_fpn", *asked)
    assert random.code == 3 and "weights are random" in random.err
    twice = tmp_path / "model.toml"
    twice.write_text('outputs = ["a", "b"]')
    named = command("evaluate", "dense_models:deeplab", "--spec", twice, *asked)
    assert named.code == 3 and "2 outputs named, and the model returns 1" in named.err


def test_a_dense_networks_own_checkpoint_says_what_it_is(
    command: Command, photographs: Path, masks: Path, tmp_path: Path
) -> None:
    path = tmp_path / "maps.safetensors"
    save_checkpoint(cloformer.create_dense_model("cloformer_xxs_fpn", num_classes=5), path)
    folder = tmp_path / "one"
    for name, end in ((photographs, "jpg"), (masks, "png")):
        (folder / name.name).mkdir(parents=True)
        (folder / name.name / f"0.{end}").write_bytes((name / f"0.{end}").read_bytes())
    done = command("evaluate", path, "--data", folder / "photos", "--masks", folder / "masks", "--json")
    assert done.code == 0, done.err
    assert (done.json["subjects"][0]["runs_in"], done.json["subjects"][0]["bytes"]) == (
        "PyTorch",
        path.stat().st_size,
    )
    tensors = read_checkpoint(path).tensors
    assert identify_dense(tensors) == "cloformer_xxs_fpn"
    assert identify_dense({key: value for key, value in tensors.items() if "lateral" not in key}) is None
