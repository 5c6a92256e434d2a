"""The pictures of docs/dense.md: what two networks find on the photograph that comes with cloformer.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.dense_pictures
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_INPUT = """
labels = "labels.txt"
[[inputs]]
name = "image"
shape = [1, 3, 192, 288]
[inputs.preprocessing]
crop = "letterbox"
interpolation = "bilinear"
mean = [0, 0, 0]
std = [1, 1, 1]
"""
_BOXES = '[[outputs]]\nname = "boxes"\nrole = "boxes"\nform = "xyxy"\nunit = "pixels"\n[[outputs]]\nname = "scores"\nrole = "box_scores"\n'
_MAP = '[[outputs]]\nname = "parts"\nrole = "class_scores"\n'
# The network, its classes and outputs, and what else is asked for.
_PICTURES = {
    "dense-boxes": (
        "centers",
        "eye nose",
        _BOXES,
        ("--nms", "in-graph", "--max-detections", "8", "--iou-threshold", "0.2"),
    ),
    "dense-map": ("parts", "behind fur eye nose", _MAP, ("--class-map", "192x288")),
}


def main() -> int:
    program = (sys.executable, "-m", "cloformer")
    for name, (model, classes, outputs, options) in _PICTURES.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "labels.txt").write_text("\n".join(classes.split()), "utf-8")
            (folder / "model.toml").write_text(_INPUT + outputs, "utf-8")
            asked = [
                "--model",
                f"cat_models:{model}",
                "--spec",
                f"{folder}/model.toml",
                *options,
                "--output",
                f"{folder}/made",
            ]
            subprocess.run([*program, "export", "--format", "onnx", *asked], check=True)
            (artifact,) = (path.parent for path in (folder / "made").glob("*/manifest.json"))
            subprocess.run([*program, "predict", str(artifact), "--draw", f"{folder}/drawn"], check=True)
            (drawn,) = (folder / "drawn").iterdir()
            shutil.copyfile(drawn, DOCS / f"{name}.png")
        print(DOCS / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
