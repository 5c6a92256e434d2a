"""What the networks of :mod:`dense_models` give, as TOML files of --spec."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SPECS", "size_of", "spec_file"]

_YOLO = """
[[inputs]]
name = "image"
shape = [1, 3, 32, 48]
[inputs.preprocessing]
crop = "letterbox"
interpolation = "bilinear"
[[outputs]]
name = "where"
role = "boxes"
form = "center_size"
unit = "shares"
[[outputs]]
name = "what"
role = "box_scores"
"""
_CENTERS = """
labels = "labels.txt"
[[inputs]]
name = "image"
shape = [1, 3, 192, 288]
[inputs.preprocessing]
crop = "letterbox"
interpolation = "bilinear"
mean = [0, 0, 0]
std = [1, 1, 1]
[[outputs]]
name = "boxes"
role = "boxes"
form = "xyxy"
unit = "pixels"
[[outputs]]
name = "scores"
role = "box_scores"
"""
SPECS = {
    "yolo": _YOLO,
    "centers": _CENTERS,
    "deeplab": '[[outputs]]\nname = "scores"\nrole = "class_scores"\n',
    "points": '[[outputs]]\nname = "places"\nrole = "keypoints"\nform = "xy"\nunit = "pixels"\n',
    "sharper": '[[outputs]]\nname = "large"\nrole = "image"\n',
}


def spec_file(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    text = SPECS[name]
    for wrong, right in changes:
        assert wrong in text
        text = text.replace(wrong, right)
    if 'labels = "labels.txt"' in text:
        (folder / "labels.txt").write_text("eye\nnose\n", "utf-8")
    (folder / "model.toml").write_text(text, "utf-8")
    return folder / "model.toml"


def size_of(name: str) -> tuple[str, ...]:
    """The options that say how large images are, where the file does not."""
    return () if "[[inputs]]" in SPECS[name] else ("--image-size", "32")
