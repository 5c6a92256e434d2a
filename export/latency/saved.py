"""Latency reports and comparisons as JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.io.write import write_whole

if TYPE_CHECKING:
    from .comparison import Comparison
    from .report import LatencyReport

__all__ = ["write_latency"]


def write_latency(report: LatencyReport | Comparison, path: Path) -> None:
    """Write the whole report, or nothing; :class:`InputError` if the place cannot be written."""
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(path, text, "choose another place for the report")
