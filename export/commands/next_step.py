"""The last line of a command that has something after it: what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["next_step"]


def next_step(*words: str | Path, program: str = "cloformer") -> str:
    """``  next: cloformer export --weights 'my runs/best.safetensors'``: as a shell takes it."""
    return f"  next: {program} {shlex.join(map(str, words))}"
