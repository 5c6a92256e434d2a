"""A latency report as a JSON file, and the schema that it follows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _write

if TYPE_CHECKING:
    from ..latency.report import LatencyReport

__all__ = ["latency_schema", "write_latency"]


def write_latency(report: LatencyReport, path: Path) -> None:
    """Write the whole report, or nothing; :class:`InputError` if the place cannot be written."""
    _write(path, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")


@cache
def latency_schema() -> dict[str, Any]:
    """The JSON Schema of what `cloformer bench` writes and prints."""
    text = (Path(__file__).parent.parent / "schemas" / "latency.schema.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed
