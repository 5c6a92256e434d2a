"""What a long program has found so far, a line of JSON each: stopped, it goes on after the last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["keep", "kept"]


def kept(path: Path) -> list[dict[str, Any]]:
    """The fields of each line of ``path``, which need not be there yet."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def keep(path: Path, fields: Mapping[str, Any]) -> None:
    """Add a line to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(fields) + "\n")
