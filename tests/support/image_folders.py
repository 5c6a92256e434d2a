"""A data set as folders of images: three classes of noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["CLASSES", "write_folders"]

CLASSES = ("ant", "bee", "wasp")


def write_folders(root: Path, each: int = 3, halves: tuple[str, ...] = ("train", "val")) -> Path:
    """Three classes of noise."""
    draw = np.random.default_rng(0)
    for half in halves:
        for name in CLASSES:
            (root / half / name).mkdir(parents=True)
            for number in range(each):
                pixels = draw.integers(0, 256, (12, 10, 3), np.uint8)
                Image.fromarray(pixels).save(root / half / name / f"{number}.png")
    return root
