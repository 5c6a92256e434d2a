"""The JSON Schema of what `cloformer parity --json` prints."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["parity_schema"]


@cache
def parity_schema() -> dict[str, Any]:
    """Of the whole document; a report's own is under ``$defs``. Infinities and what is no number are null."""
    text = (Path(__file__).parent.parent / "schemas" / "parity.schema.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed
