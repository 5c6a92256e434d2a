"""Images without a folder per class: their numbers are in labels.json, or nobody says what they show."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from image_spec import image_spec
from outcome import Command
from PIL import Image
from torch import nn

from cloformer.errors import InputError
from cloformer.export.accuracy.judged import read_judged

NETWORK = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
"""
SPEC = image_spec(16)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in "abcdefgh":
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), np.uint8)).save(
            tmp_path / "photos" / f"{name}.png"
        )
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"")
    return tmp_path / "photos"


def label(photos: Path, **labels: object) -> None:
    (photos / "labels.json").write_text(json.dumps({f"{name}.png": value for name, value in labels.items()}))


def test_labels_are_numbers_or_have_an_index(photos: Path) -> None:
    label(photos, **{name: {"index": 3, "name": "dog"} for name in "abcd"}, **dict.fromkeys("efgh", 1))
    found = read_judged(photos)
    assert (found.name, found.count, found.classes) == ("photos", 8, None)
    assert found.labels == [3, 3, 3, 3, 1, 1, 1, 1]
    assert found.left_out == ()
    (photos / "labels.json").unlink()
    (photos / "notes.txt").write_text("words")
    found = read_judged(photos)
    assert (found.count, found.labels, found.left_out[0].files) == (8, None, ("notes.txt",))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"a": 0}, "says nothing of 7 images of 8: b.png, c.png, d.png, ..."),
        (dict.fromkeys("abcdefghi", 0), "names 1 image that is not in .*: i.png"),
        (dict.fromkeys("abcdefgh", -1), "a.png is -1, not from 0 to "),
        (dict.fromkeys("abcdefgh", "cat"), "a.png is the text 'cat', not a whole number"),
        ({name: {"name": "cat"} for name in "abcdefgh"}, "a.png.index is missing"),
    ],
)
def test_labels_that_cannot_be_right(photos: Path, labels: dict[str, object], words: str) -> None:
    label(photos, **labels)
    with pytest.raises(InputError, match=words):
        read_judged(photos)
    (photos / "labels.json").write_text("[1]")
    with pytest.raises(InputError, match="is a list, not an object"):
        read_judged(photos)


def test_there_is_nothing_to_judge_on(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InputError):
            read_judged(place)
    (tmp_path / "labels.txt").write_text("cat\n")
    with pytest.raises(InputError, match="has images alone"):
        read_judged(photos, tmp_path / "labels.txt")


def test_a_network_of_the_users_is_what_its_artifacts_are_held_to(
    command: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prepared as --spec says. Without labels agreement and signal alone; with labels.json all; numbers that it does not have
    are refused."""
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETWORK)
    Path("model.toml").write_text(SPEC)
    Path("labels.txt").write_text("ant\nbee\ncat\ndog\n")
    made = command("export", "nets.py:build", "--spec", "model.toml", "--precision", "fp16", "-q", "--json")
    assert made.code == 0, made.err
    artifact = made.json["artifacts"][0]["folder"]
    asked = ("evaluate", artifact, "--model", "nets.py:build", "--spec", "model.toml", "--data", photos)
    done = command(*asked, "--min-snr", "40", "--min-agreement", "0.8", "--json")
    (found,) = done.json["subjects"]
    assert (done.code, found["images"], found["top1"], found["accuracy_drop"]) == (0, 8, None, None)
    assert found["reference"] == "nets.py:build"
    assert found["snr_db"] > 40
    assert command(*asked, "--min-snr", "200").code == 1
    refused = command(*asked, "--max-accuracy-drop", "1%")
    assert refused.code == 2
    assert "error: --max-accuracy-drop needs labels" in refused.err
    assert command("evaluate", artifact, "--data", photos, "--min-agreement", "0.9").code == 2
    for reference in (
        "--model",
        "--weights",
    ):  # fed as ImageNet's networks are, it would differ in everything
        guessed = command("evaluate", artifact, reference, "nets.py:build", "--data", photos)
        assert guessed.code == 2
        assert "nobody says how nets.py:build is fed" in guessed.err
    network = runpy.run_path("nets.py")["build"]()
    own = [own_class(network, photos / f"{name}.png") for name in "abcdefgh"]
    label(photos, **dict(zip("abcdefgh", own, strict=True)))
    labelled = command(*asked, "--max-accuracy-drop", "40%", "--json")
    assert (labelled.code, labelled.json["subjects"][0]["top1"]) == (0, 1.0)
    label(photos, **dict.fromkeys("abcdefgh", 4))
    wrong = command(*asked)
    assert wrong.code == 3
    assert "a.png is labelled as class 4, and nets.py:build has 4 classes (the first is class 0)" in wrong.err
    assert len(wrong.err.strip().splitlines()) <= 3


def own_class(network: nn.Module, image: Path) -> int:
    """What the network says of an image, by nobody's code but the test's."""
    pixels = np.asarray(Image.open(image), np.float32).transpose(2, 0, 1)[None] / 255
    with torch.no_grad():
        return int(network(torch.from_numpy((pixels - 0.5) / 0.5)).argmax())
