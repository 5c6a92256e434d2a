"""What the app's Swift code must compute, by the Python code that is the law: `python tests/ios/shared_fixtures.py`
writes the file that the Swift tests read. Small literals, so that a person can check one by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from device_law import MATCHED, SEEN, drawn, manifest_json, ordered, seen_json
from PIL import Image
from safetensors.numpy import load

from cloformer.export.source.function import Output
from cloformer.export.source.placement import Placement
from cloformer.export.source.postprocessing import softmax
from cloformer.export.source.preprocessing import INTERPOLATIONS, Preprocessing

__all__ = ["FILE", "fixtures"]

FILE = Path(__file__).parent.parent.parent / "deploy" / "ios" / "CoreTests" / "Fixtures" / "shared.json"

# Width, height, short side after the resize, crop height and width: halves of both kinds, upright and lying images.
_SIZES = [
    (640, 480, 256, 224, 224), (480, 640, 256, 224, 224), (256, 256, 256, 224, 224), (4032, 3024, 256, 224, 224),
    (451, 300, 9, 8, 8), (300, 451, 11, 8, 8), (1000, 333, 13, 10, 7), (7, 5, 10, 10, 10), (1, 3, 4, 3, 2),
    (333, 1000, 293, 256, 192),
]  # fmt: skip
_RESIZES = [
    (7, 5, 4, 3),
    (7, 5, 3, 9),
    (6, 6, 6, 2),
    (5, 8, 5, 8),
    (23, 17, 8, 6),
    (4, 3, 9, 7),
    (6, 16, 4, 9),
]
# Width and height, height and width of the input, what the border is: halves that are rounded up, odd borders, one pixel.
_LETTERBOXES = [
    (7, 5, 8, 8, 114), (5, 7, 8, 8, 0), (9, 4, 6, 8, 255), (3, 11, 5, 4, 114), (6, 6, 4, 7, 114), (1, 9, 4, 4, 17), (13, 2, 6, 5, 114),
    (4, 3, 6, 8, 114), (8, 3, 6, 4, 1),
]  # fmt: skip
_LOGITS = [[0.0, 0.0], [1.0, -2.0, 3.5, 0.25], [1000.0, 999.0, -1000.0], [-0.125]]
_RANKED = [[0.1, 0.4, 0.4, 0.05, 0.05], [0.0, 0.0], [0.25, 0.5, 0.125, 0.0625, 0.03125, 0.03125]]
# Bytes of memory, shape, strides and bytes of a number: rows that end before the next begins, axes in another order, one axis, none.
_STRIDED = [
    (64, [2, 3], [8, 1], 2), (48, [2, 2, 3], [12, 4, 1], 2), (24, [3, 2], [1, 3], 4), (12, [3], [2], 2), (8, [], [], 4), (16, [1, 2, 2], [4, 2, 1], 4),
]  # fmt: skip
# Expected, given, largest share that may be wrong, smallest cosine.
_JUDGED = [
    ([1.0, -2.0, 0.5], [1.0, -2.0, 0.5], 0.0, 1.0 - 1e-12),
    ([1.0, -2.0, 0.5], [1.0, -2.015625, 0.5], 0.01, 0.999),
    ([1.0, -2.0, 0.5], [1.0, -2.03125, 0.5], 0.01, 0.999),
    ([1.0, 0.0], [0.0, 1.0], 10.0, 0.5),
    ([1.0, 0.0], [0.0, 0.0], 10.0, 0.5),
    ([0.0, 0.0], [0.0, 0.0], 0.01, 0.999),
    ([1.0, 2.0], [1.0], 10.0, -1.0),
    ([1.0, 2.0], [1.0, 2.0, 3.0], 10.0, -1.0),
]


def fixtures() -> dict[str, Any]:
    """The whole document."""
    return {
        "sizes": [_size(*row) for row in _SIZES],
        "orientations": [_turned(orientation) for orientation in range(1, 9)],
        "resizes": [_resized(*row, name) for row in _RESIZES for name in INTERPOLATIONS],
        "crops": [_cropped(13, 9, 6, 4, 5, name) for name in INTERPOLATIONS]
        + [_cropped(8, 11, 7, 6, 7, "bicubic")],
        "letterboxes": [_letterbox(*row) for row in _LETTERBOXES],
        "softmax": [
            {"logits": row, "probabilities": softmax(np.array(row, np.float64)).tolist()} for row in _LOGITS
        ],
        "top": [{"probabilities": row, "count": 3, "order": _order(row)[:3]} for row in _RANKED],
        "judged": [_judged(*row) for row in _JUDGED],
        "seen": [_seen(*row, seed=seed) for seed, row in enumerate(SEEN)],
        "matched": [_matched(*row) for row in MATCHED.values()],
        "strided": [_strided(*row) for row in _STRIDED],
        "numbers": [_numbers()],
    }


def _strided(memory: int, shape: list[int], strides: list[int], width: int) -> dict[str, Any]:
    """Bytes 0, 1, 2, ... in memory, and those of an array in it."""
    given = np.arange(memory, dtype=np.uint8)
    apart = [*(stride * width for stride in strides), 1]
    found = np.lib.stride_tricks.as_strided(given, (*shape, width), apart)
    return {
        "memory": memory, "shape": shape, "strides": strides, "width": width, "bytes": found.reshape(-1).tolist()
    }  # fmt: skip


def _numbers() -> dict[str, Any]:
    """A file of tensors: what goes in, and the header and the numbers that come out, which the library's own reader takes."""
    tensors = {
        'a "b"/0/c': np.array([[1.5, -2.0]], np.float32),
        "none": np.zeros((0, 3), np.int64),
        "half": np.array([0.5], np.float16),
    }
    names = {"float32": "F32", "int64": "I64", "float16": "F16"}
    body, header = b"", {}
    for name, value in tensors.items():
        begin = len(body)
        body += value.tobytes()
        header[name] = {
            "dtype": names[str(value.dtype)],
            "shape": list(value.shape),
            "data_offsets": [begin, len(body)],
        }
    given = [
        {"name": name, "type": names[str(value.dtype)], "shape": list(value.shape), "bytes": list(value.tobytes())}
        for name, value in tensors.items()
    ]  # fmt: skip
    text = json.dumps(header).encode()
    read = load(len(text).to_bytes(8, "little") + text + body)
    assert all(np.array_equal(read[name], value) for name, value in tensors.items())
    told = {"kind": "test", "numbers_sha256": hashlib.sha256(body).hexdigest()}
    return {
        "tensors": given,
        "header": json.dumps(header | {"__metadata__": told}, sort_keys=True),
        "bytes": list(body),
    }


def _seen(
    outputs: list[Output],
    is_suppressed: bool,
    labels: list[str] | None,
    image: tuple[int, int],
    size: tuple[int, int],
    seed: int,
) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    shares = any(item.coordinates is not None and item.coordinates.unit == "shares" for item in outputs)
    given = {item.spec.name: drawn(draw, item.spec, shares=shares) for item in outputs}
    placed = Placement.letterbox(image, (size[1], size[0]))
    found = seen_json(outputs, given, placed, size, labels, is_suppressed=is_suppressed)
    boxes = [
        {"index": box[0], "label": box[1], "score": box[2], "corners": box[3:]} for box in found.pop("boxes")
    ]
    return {
        "manifest": manifest_json(outputs, size, is_suppressed=is_suppressed), "labels": labels, "image": list(image),
        "given": {name: value.reshape(-1).astype(np.float32).tolist() for name, value in given.items()}, "boxes": boxes, **found,
    }  # fmt: skip


def _matched(want: list[Any], got: list[Any]) -> dict[str, Any]:
    names = ("where", "what", "classes")

    def lists(values: list[Any]) -> dict[str, list[float]]:
        return {
            name: value.reshape(-1).astype(np.float32).tolist()
            for name, value in zip(names, values, strict=True)
        }

    outputs = SEEN[2][0]
    return {
        "manifest": manifest_json(outputs, SEEN[2][4], is_suppressed=True), "expected": lists(want), "given": lists(got),
        "ordered": lists(ordered(got, want)),
    }  # fmt: skip


def _rule(resize_size: int, height: int, width: int, interpolation: str = "bicubic") -> Preprocessing:
    return Preprocessing(height, width, resize_size, interpolation)


def _size(width: int, height: int, resize_size: int, crop_height: int, crop_width: int) -> dict[str, Any]:
    """Size and corner are read off what the law does to an image whose pixels say where they are."""
    rule = _rule(resize_size, crop_height, crop_width, "nearest")
    seen = _Watched(Image.new("RGB", (width, height)))
    rule.crop_image(seen.image)
    return {
        "width": width, "height": height, "resize_size": resize_size, "crop": [crop_height, crop_width],
        "resized": list(seen.resized), "corner": list(seen.corner),
    }  # fmt: skip


class _Watched:
    """An image that notes what it is resized to, in one step or more, and where it is cropped."""

    def __init__(self, image: Image.Image) -> None:
        self.resized = self.corner = (0, 0)
        self.image = self._watched(image)

    def _watched(self, image: Image.Image) -> Image.Image:
        resize, crop = image.resize, image.crop

        def watched_resize(size: tuple[int, int], *arguments: Any) -> Image.Image:
            self.resized = size
            return self._watched(resize(size, *arguments))

        def watched_crop(box: tuple[int, int, int, int]) -> Image.Image:
            self.corner = box[:2]
            return crop(box)

        image.resize = watched_resize  # type: ignore[method-assign,assignment]
        image.crop = watched_crop  # type: ignore[method-assign,assignment]
        return image


def _picture(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Hard edges and full range, so that filters overshoot."""
    drawn = np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3), np.uint8)
    drawn[::2, ::3] = 255
    drawn[1::3, ::2] = 0
    return drawn


def _image(pixels_HWC: Any) -> dict[str, Any]:
    height, width, _ = pixels_HWC.shape
    return {"width": width, "height": height, "bytes": pixels_HWC.reshape(-1).tolist()}


def _turned(orientation: int) -> dict[str, Any]:
    from PIL import ImageOps

    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    return {
        "orientation": orientation,
        "stored": _image(stored),
        "upright": _image(np.asarray(ImageOps.exif_transpose(image))),
    }


def _resized(width: int, height: int, new_width: int, new_height: int, name: str) -> dict[str, Any]:
    """Rows first, whatever Pillow is there: from version 13 on, it begins with the columns of a tall image."""
    stored = _picture(width, height)
    filter_ = Image.Resampling[name.upper()]
    wide = Image.fromarray(stored).resize((new_width, height), filter_)
    resized = np.asarray(wide.resize((new_width, new_height), filter_))
    return {"interpolation": name, "stored": _image(stored), "resized": _image(resized)}


def _cropped(
    width: int, height: int, side: int, crop_height: int, crop_width: int, name: str
) -> dict[str, Any]:
    stored = _picture(width, height)
    rule = _rule(side, crop_height, crop_width, name)
    return {
        "interpolation": name, "resize_size": side, "crop": [crop_height, crop_width], "stored": _image(stored),
        "cropped": _image(rule.crop_image(Image.fromarray(stored))),
    }  # fmt: skip


def _letterbox(width: int, height: int, down: int, across: int, fill: int) -> dict[str, Any]:
    stored = _picture(width, height)
    name = INTERPOLATIONS[(width + height) % len(INTERPOLATIONS)]
    rule = Preprocessing(down, across, max(down, across), name, crop="letterbox", fill=fill)
    places = [(0.0, 0.0), (across / 3, down / 7), (float(across), float(down)), (-1.5, 2.25)]
    back = rule.placement(width, height).back(np.array(places))
    return {
        "interpolation": name, "fill": fill, "into": [down, across], "stored": _image(stored),
        "fitted": _image(rule.crop_image(Image.fromarray(stored))),
        "points": [[*place, *found] for place, found in zip(places, back.tolist(), strict=True)],
    }  # fmt: skip


def _order(probabilities: list[float]) -> list[int]:
    return np.argsort(-np.array(probabilities), kind="stable").tolist()


def _judged(expected: list[float], got: list[float], max_rel: float, min_cosine: float) -> dict[str, Any]:
    """The rule: no number further off than a share of the largest expected one, and the same direction."""
    row: dict[str, Any] = {"expected": expected, "got": got, "max_rel": max_rel, "min_cosine": min_cosine}
    if len(expected) != len(got):
        return row | {"passed": False, "max_abs": None, "cosine": 0.0}
    one, other = np.array(got), np.array(expected)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    same = 1.0 if np.array_equal(one, other) else 0.0
    cosine = float(one @ other) / lengths if lengths else same
    max_abs = float(abs(one - other).max())
    passed = max_abs <= max_rel * float(abs(other).max()) and cosine >= min_cosine
    return row | {"passed": passed, "max_abs": max_abs, "cosine": cosine}


def text() -> str:
    """One line a case, so that a change can be read."""
    parts = []
    for name, cases in fixtures().items():
        lines = ",\n".join("    " + json.dumps(case) for case in cases)
        parts.append(f'  "{name}": [\n{lines}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
