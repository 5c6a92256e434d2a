"""Networks that give boxes, maps and points: their bundles, and what Python says of outputs of theirs on images of odd sizes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from dense_specs import size_of, spec_file
from device_law import drawn, seen_json

from cloformer.export.artifact.folder import read_artifact

from .tools import run

__all__ = ["NETWORKS", "DenseBundle"]

COUNT = 50
_SIZES = (
    (1, 1),
    (1, 37),
    (41, 1),
    (2, 3),
    (7, 5),
    (31, 64),
    (64, 31),
    (224, 224),
    (257, 255),
    (640, 427),
    (333, 1001),
    (1023, 321),
)
# The network of :mod:`dense_models`, and what else is asked for of its export.
NETWORKS = {
    "yolo": ("yolo",),
    "detector": ("yolo", "--nms", "in-graph", "--max-detections", "12", "--score-threshold", "0.3"),
    "maps": ("deeplab",),
    "map": ("deeplab", "--class-map", "32"),
    "points": ("points",),
    "sharper": ("sharper",),
}
_CLOFORMER = (sys.executable, "-m", "cloformer")


class DenseBundle:
    """A network's artifact and its project for Android, below ``folder``."""

    def __init__(self, name: str, folder: Path) -> None:
        network, *options = NETWORKS[name]
        folder.mkdir(parents=True)
        spec = spec_file(folder, network)
        if network == "yolo":
            (folder / "labels.txt").write_text("cup\nplate\nspoon\n", "utf-8")
            spec.write_text('labels = "labels.txt"\n' + spec.read_text("utf-8"), "utf-8")
        run(*_CLOFORMER, "export", "--format", "onnx", "--model", f"dense_models:{network}", "--spec", spec, *size_of(network),
            *options, "--output", folder / "export")  # fmt: skip
        (self.artifact,) = (path.parent for path in (folder / "export").glob("*/manifest.json"))
        self.project = folder / "bundle"
        run(*_CLOFORMER, "bundle", "android", self.artifact, "--output", self.project)
        self.payload = self.project / "app/src/main/assets/cloformer"
        self.conformance = self.project / "app/src/androidTest/assets/conformance"

    def write_cases(self, folder: Path) -> None:
        """Numbers in the place of outputs, and what Python says of them on images of odd sizes."""
        artifact = read_artifact(self.artifact)
        function, rule = artifact.function, artifact.function.inputs[0].preprocessing
        assert rule is not None
        draw = np.random.default_rng(5)
        folder.mkdir(parents=True)
        cases = []
        for number in range(COUNT):
            width, height = _SIZES[number % len(_SIZES)]
            given = {item.spec.name: drawn(draw, item.spec, shares=True) for item in function.outputs}
            placed = rule.placement(width, height)
            found = seen_json(
                function.outputs, given, placed, (rule.height, rule.width), artifact.labels,
                is_suppressed=artifact.manifest.request.decoding.suppression is not None,
            )  # fmt: skip
            for place, value in enumerate(given.values()):
                (folder / f"{number}.{place}.f32").write_bytes(value.astype("<f4").tobytes())
            files = {name: f"{number}.{place}.f32" for place, name in enumerate(given)}
            cases.append({"width": width, "height": height, "outputs": files, **found})
        (folder / "cases.json").write_text(json.dumps(cases), "utf-8")
