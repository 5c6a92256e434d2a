"""The last line of a command that has something after it: what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..formats import FORMATS

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["bundle_step", "next_step"]


def next_step(*words: str | Path, program: str = "cloformer") -> str:
    """``  next: cloformer export --weights 'my runs/best.safetensors'``: as a shell takes it."""
    return f"  next: {program} {shlex.join(map(str, words))}"


def bundle_step(artifact: Artifact) -> str | None:
    """An app around an artifact; None if no app carries its format, or shows what it gives."""
    from ..bundle.payload import why_not_in_an_app

    systems = FORMATS[artifact.format].app_systems
    if not systems or why_not_in_an_app(artifact) is not None:
        return None
    system = systems[0]
    return next_step("bundle", system, artifact.folder, "--output", f"apps/{system}")
