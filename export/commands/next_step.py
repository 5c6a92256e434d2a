"""The last line of a command that has something after it: what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..formats import FORMATS

__all__ = ["bundle_step", "next_step"]


def next_step(*words: str | Path, program: str = "cloformer") -> str:
    """``  next: cloformer export --weights 'my runs/best.safetensors'``: as a shell takes it."""
    return f"  next: {program} {shlex.join(map(str, words))}"


def bundle_step(format_name: str, artifact: str | Path) -> str | None:
    """An app around an artifact; None if no app carries the format."""
    system = FORMATS[format_name].app_system
    return None if system is None else next_step("bundle", system, artifact, "--output", f"apps/{system}")
