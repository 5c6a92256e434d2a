"""``cloformer predict`` of what is not classes: in the photograph's own pixels, in words, in JSON and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from outcome import Command
from PIL import Image

from cloformer.export.artifact.seen import Box, ClassMap, Points, Seen, run_lengths, seen_of
from cloformer.export.reports.artifact.drawing import color_of, drawn
from cloformer.export.source.function import Output
from cloformer.export.source.placement import Placement
from cloformer.export.source.roles import Coordinates
from cloformer.export.source.signature import TensorSpec

WIDTH, HEIGHT = 200, 100
PLACED = Placement.letterbox(
    (WIDTH, HEIGHT), (64, 64)
)  # 64 x 32 of the input, 16 pixels of border above and below


def _outputs(form: str, unit: str) -> list[Output]:
    return [
        Output(TensorSpec("b", (1, 3, 4), role="boxes"), coordinates=Coordinates(form, unit)),
        Output(TensorSpec("s", (1, 3, 2), role="box_scores"), labels="labels.txt"),
    ]


@pytest.mark.parametrize(
    ("form", "unit", "box"),
    [("xyxy", "pixels", (16, 24, 48, 40)), ("center_size", "pixels", (32, 32, 32, 16)), ("xyxy", "shares", (0.25, 0.375, 0.75, 0.625)),
     ("center_size", "shares", (0.5, 0.5, 0.5, 0.25))],
)  # fmt: skip
def test_boxes_are_where_they_are_in_the_photograph(form: str, unit: str, box: tuple[float, ...]) -> None:
    """The middle half of the photograph, in each form; one that overlaps it, of a smaller score, goes, and one of another class stays."""
    boxes = np.array([[box, box, box]], np.float32)
    scores = np.array([[[0.1, 0.6], [0.2, 0.9], [0.7, 0.1]]], np.float32)
    seen = seen_of(
        _outputs(form, unit),
        {"b": boxes, "s": scores},
        PLACED,
        (64, 64),
        ("ant", "bee"),
        min_score=0.3,
        is_suppressed=False,
    )
    assert seen.boxes is not None
    assert [(item.index, item.label) for item in seen.boxes] == [(1, "bee"), (0, "ant")]
    for item in seen.boxes:
        np.testing.assert_allclose(item.corners, (50, 25, 150, 75))
    assert seen.boxes[0].to_json()["bbox"] == pytest.approx([50, 25, 100, 50])


def test_maps_are_at_the_photographs_size() -> None:
    """The left half of the input is class 1, in a map of a quarter of its size; the border belongs to nothing that is seen."""
    classes = np.zeros((1, 16, 16), np.int64)
    classes[:, :, :8] = 1
    classes[:, :4] = classes[:, 12:] = 5
    outputs = [Output(TensorSpec("m", (1, 16, 16), "int64", "class_map"))]
    seen = seen_of(outputs, {"m": classes}, PLACED, (64, 64), None, min_score=0.3, is_suppressed=False)
    found = seen.maps["m"].classes
    assert found.shape == (HEIGHT, WIDTH)
    assert (found[:, :100] == 1).all() and (found[:, 100:] == 0).all()
    assert seen.maps["m"].shares == {0: 0.5, 1: 0.5}


@pytest.mark.parametrize("seed", range(4))
def test_run_lengths_are_cocos(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 5)) > (0.3, 0.6, 0.0, 1.0)[seed]
    counts = run_lengths(mask)["counts"]
    assert isinstance(counts, list)
    flat = np.concatenate([np.full(count, place % 2) for place, count in enumerate(counts)])
    np.testing.assert_array_equal(flat.reshape(5, 7).T, mask)


def test_what_is_drawn() -> None:
    """Half of the colour of its class over each pixel, an outline where the box is, a dot where the point is."""
    photograph = Image.new("RGB", (WIDTH, HEIGHT), (100, 100, 100))
    classes = np.zeros((HEIGHT, WIDTH), np.int64)
    classes[:, 100:] = 3
    seen = Seen(
        (Box(0, "ant", 0.9, (120.0, 40.0, 180.0, 90.0)),),
        {"m": ClassMap(classes)},
        points={"p": Points(np.array([[60.0, 70.0]]))},
    )
    pixels = np.asarray(_opened(drawn(photograph, seen, 0.5)))
    half = [round((100 + each) / 2 - 0.01) for each in color_of(3)]
    assert np.abs(pixels[80, 110].astype(int) - half).max() <= 1
    assert pixels[70, 60].tolist() == list(color_of(1))
    assert pixels[70, 120].tolist() == list(color_of(1)) and pixels[90, 150].tolist() == list(color_of(1))
    assert pixels[80, 30].tolist() == [50, 50, 50]
    assert len({color_of(index) for index in range(150)}) == 150


def _opened(content: bytes) -> Image.Image:
    import io

    return Image.open(io.BytesIO(content))


def test_wrong_numbers(tmp_path: Path, command: Command) -> None:
    for flag in ("--min-score", "--opacity"):
        done = command("predict", tmp_path, flag, "2")
        assert done.code == 2 and f"{flag} '2' is no share" in done.err
