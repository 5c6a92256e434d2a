"""Networks that give boxes, maps and points: their bundles, and what Python says of outputs of theirs on images of odd sizes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from checklist import run
from dense_exports import NETWORKS, export_network
from device_law import drawn, seen_json

from cloformer.export.artifact.folder import read_artifact

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
_CLOFORMER = (sys.executable, "-m", "cloformer")


class DenseBundle:
    """A network's artifact and its project for Android, below ``folder``."""

    def __init__(self, name: str, folder: Path) -> None:
        self.artifact = export_network(name, folder)
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
