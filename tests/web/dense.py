"""Networks that give boxes, maps, points and pictures: what the page draws and says, beside `cloformer predict`."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from browser import Chromium
from PIL import Image

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.predict import Prediction
from cloformer.export.artifact.seen import Seen, shown
from cloformer.export.reports.artifact.drawing import color_of
from cloformer.export.source.placement import Placement

from .conformance import failures
from .hosting import file_host
from .pictures import predicted
from .project import Project
from .visit import Visit, visit

__all__ = ["sees"]

Pixels = np.ndarray[Any, Any]
_ROWS = 5
_OPACITY = 0.5
_CANVAS = "document.getElementById('picture').toDataURL('image/png')"
_POINT = 5  # pixels, as far as a drawn point may reach
_NEAR = 3  # of 255: the browser mixes and rounds colours by itself


def sees(project: Project) -> list[str]:
    """Boxes, maps, points and pictures: what the page draws and says of a photograph is what `cloformer predict` says; their kits hold."""
    photograph = project.photograph
    said = []
    with Chromium() as browser, file_host(project.hosted) as host:
        for name, artifact in project.dense.items():
            bundle = project.bundled(f"dense-{name}", artifact)
            (prediction,) = predicted(read_artifact(artifact), [photograph]).values()
            with visit(browser, f"{host.address}/{bundle.name}", serviceWorkers="block") as person:
                said.append(f"{name}: {_compared(person, photograph, artifact, prediction)}")
                report = person.conform()
                assert failures(report) == [], f"{name}: {failures(report)} fail"
    return said


def _compared(person: Visit, photograph: Path, artifact: Path, prediction: Prediction) -> str:
    person.start()
    rows = person.classify(photograph)
    drawn = _canvas(person)
    function = read_artifact(artifact).function
    rule = function.inputs[0].preprocessing
    assert rule is not None
    with Image.open(photograph) as image:
        plain = np.asarray(image.convert("RGB"))
    placed = rule.placement(plain.shape[1], plain.shape[0])
    seen = prediction.seen
    _check_rows(rows, seen)
    parts = [
        _boxes_drawn(drawn, seen),
        _maps_drawn(drawn, plain, seen, placed, (rule.height, rule.width)),
        _points_drawn(drawn, seen),
        _picture_drawn(drawn, seen),
    ]
    found = [part for part in parts if part]
    assert found, "the network gives nothing that is drawn"
    return ", ".join(found)


def _canvas(person: Visit) -> Pixels:
    content = base64.b64decode(person.page.evaluate(_CANVAS).partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def _check_rows(rows: list[str], seen: Seen) -> None:
    """Names and shares of the best boxes, or of the classes with most of the picture."""
    expected = [(box.label or f"Class {box.index}", box.score) for box in seen.boxes or ()]
    for found in seen.maps.values():
        expected += [(found.label(index) or f"Class {index}", share) for index, share in found.shares.items()]
    wanted = [f"{name} {100 * share:.1f} %" for name, share in expected[:_ROWS]]
    assert rows == wanted, f"the page says {rows}, and Python {wanted}"


def _boxes_drawn(drawn: Pixels, seen: Seen) -> str:
    """Along the edges of each box, which no better one covers, there is its class's colour."""
    if not seen.boxes:
        return ""
    for box in seen.boxes:
        left, top, right, bottom = box.corners
        shares = [
            _share(drawn, color_of(box.index + 1), points)
            for points in (
                _line(left, top, left, bottom),
                _line(right, top, right, bottom),
                _line(left, bottom, right, bottom),
            )
        ]
        assert max(shares) > 0.5, f"no edge of {box} is drawn: {shares}"
    return f"{len(seen.boxes)} boxes"


def _line(x0: float, y0: float, x1: float, y1: float) -> Pixels:
    return np.stack((np.linspace(x0, x1, 50), np.linspace(y0, y1, 50)), 1)


def _share(drawn: Pixels, color: tuple[int, int, int], points: Pixels) -> float:
    height, width, _ = drawn.shape
    x, y = np.clip(points[:, 0].astype(int), 0, width - 1), np.clip(points[:, 1].astype(int), 0, height - 1)
    return float((np.abs(drawn[y, x].astype(int) - color).max(-1) <= 40).mean())


def _maps_drawn(drawn: Pixels, plain: Pixels, seen: Seen, placed: Placement, size: tuple[int, int]) -> str:
    """Each pixel that the input shows has half of the photograph's colour and half of its class's; but for those at borders of classes."""
    if not seen.maps:
        return ""
    (found,) = seen.maps.values()
    assert drawn.shape == plain.shape, f"the picture is drawn in {drawn.shape[:2]}"
    colors = np.array([color_of(index) for index in range(int(found.classes.max()) + 1)], np.float64)
    mixed = plain + _OPACITY * (colors[found.classes] - plain)
    inside = shown(placed, size)
    held = (np.abs(drawn - mixed).max(-1) <= _NEAR)[inside].mean()
    assert held > 0.99, f"only {held:.1%} of the map's pixels have their colour"
    outside = np.abs(drawn.astype(int) - plain).max(-1)[~inside]
    assert outside.size == 0 or (outside <= _NEAR).mean() > 0.99, (
        "something is drawn where the model sees nothing"
    )
    return f"a map, {held:.2%} of its pixels as Python's"


def _points_drawn(drawn: Pixels, seen: Seen) -> str:
    if not seen.points:
        return ""
    (found,) = seen.points.values()
    height, width, _ = drawn.shape
    inside = {
        number: (x, y)
        for number, (x, y, *_) in enumerate(found.points, 1)
        if 0 <= x < width and 0 <= y < height
    }
    assert inside, "no point lies in the photograph"
    # A later point is drawn over those that lie beneath it.
    on_top = {
        number: place
        for number, place in inside.items()
        if not any(
            later > number and np.hypot(*np.subtract(other, place)) < _POINT
            for later, other in inside.items()
        )
    }
    for number, (x, y) in on_top.items():
        assert _share(drawn, color_of(number), np.array([[x, y]])) == 1, (
            f"point {number} is not drawn at {x:.1f}, {y:.1f}"
        )
    return f"{len(inside)} of {len(found.points)} points are in the photograph, {len(on_top)} of them beneath no other"


def _picture_drawn(drawn: Pixels, seen: Seen) -> str:
    if not seen.pictures:
        return ""
    (found,) = seen.pictures.values()
    wanted = found.pixels.repeat(3 // found.pixels.shape[2], 2)
    assert drawn.shape == wanted.shape, f"a picture of {wanted.shape[:2]} is drawn in {drawn.shape[:2]}"
    most = int(np.abs(drawn.astype(int) - wanted).max())
    assert most <= 1, f"the picture is {most} of 255 away from Python's"
    return f"a picture, within {most} of 255"
