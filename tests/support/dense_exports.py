"""Exports, as ONNX, of the networks that give boxes, maps, points and pictures."""

from __future__ import annotations

import sys
from pathlib import Path

from checklist import run
from dense_specs import size_of, spec_file

__all__ = ["NETWORKS", "export_network"]

# The network of :mod:`dense_models`, and what else is asked for of its export.
NETWORKS = {
    "yolo": ("yolo",),
    "detector": ("yolo", "--nms", "in-graph", "--max-detections", "12", "--score-threshold", "0.3"),
    "maps": ("deeplab",),
    "map": ("deeplab", "--class-map", "32"),
    "points": ("points",),
    "sharper": ("sharper",),
}


def export_network(name: str, folder: Path) -> Path:
    """The artifact of a network of :data:`NETWORKS`, below the new ``folder``."""
    network, *options = NETWORKS[name]
    folder.mkdir(parents=True)
    spec = spec_file(folder, network)
    if network == "yolo":
        (folder / "labels.txt").write_text("cup\nplate\nspoon\n", "utf-8")
        spec.write_text('labels = "labels.txt"\n' + spec.read_text("utf-8"), "utf-8")
    run(sys.executable, "-m", "cloformer", "export", "--format", "onnx", "--model", f"dense_models:{network}", "--spec", spec,
        *size_of(network), *options, "--output", folder / "export")  # fmt: skip
    (artifact,) = (path.parent for path in (folder / "export").glob("*/manifest.json"))
    return artifact
