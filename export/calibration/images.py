"""Which images ranges are taken from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import choose
from cloformer.io.read import sha256_of

from ..source.images import collect_images
from .methods import METHODS

__all__ = ["SAMPLES", "Calibration"]

SAMPLES = 128


@dataclass(frozen=True)
class Calibration:
    """The images below ``folder``, of which ``samples`` are drawn by ``seed`` if there are more, and the method that makes
    ranges of their statistics."""

    folder: Path
    samples: int = SAMPLES
    method: str = METHODS[0]
    seed: int = 0

    def __post_init__(self) -> None:
        choose("range method", self.method, METHODS, "--range-method")

    def images(self) -> list[Path]:
        """Drawn by what is in them, so that neither names nor places decide; in the order of that, each content once."""
        found = {sha256_of(path): path for path in collect_images([self.folder]).images}
        drawn = sorted(found, key=lambda digest: hashlib.sha256(f"{self.seed} {digest}".encode()).digest())
        return [found[digest] for digest in sorted(drawn[: self.samples])]
