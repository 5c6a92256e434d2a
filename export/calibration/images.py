"""Which images ranges are taken from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def images(self) -> Mapping[str, Path]:
        """The sample, drawn by the images' names, so that those of a large set are not all read; in the order of what is in
        them, each content once, by its hash. :class:`InputError` for a folder without images."""
        found = collect_images([self.folder]).images
        drawn = sorted(found, key=self._place)[: self.samples]
        contents = {sha256_of(path): path for path in drawn}
        return {digest: contents[digest] for digest in sorted(contents)}

    def _place(self, path: Path) -> bytes:
        name = path.relative_to(self.folder).as_posix() if path != self.folder else path.name
        return hashlib.sha256(f"{self.seed} {name}".encode()).digest()
