"""The JSON Schemas of what is written: manifest, reports, comparisons, device reports."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

__all__ = ["schema"]


@cache
def schema(name: str) -> dict[str, object]:
    """The schema called ``name``: ``manifest``, ``parity``, ``latency``, ``comparison``, ``profile``, ``lint``, ``evaluation``,
    ``dense-evaluation``, ``pareto``,
    ``device-report`` or ``device-latency``."""
    text = (Path(__file__).parent / f"{name}.schema.json").read_text("utf-8")
    parsed: dict[str, object] = json.loads(text)
    return parsed
