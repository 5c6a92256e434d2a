"""Latency reports and comparisons as files: JSON, the schemas that it follows, and pages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..shared.file import write_report

if TYPE_CHECKING:
    from ...latency.comparison import Comparison
    from ...latency.report import LatencyReport

__all__ = ["comparison_schema", "latency_schema", "write_latency", "write_latency_page"]


def write_latency(report: LatencyReport | Comparison, path: Path) -> None:
    """Write the whole report, or nothing; :class:`InputError` if the place cannot be written."""
    write_report(path, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")


def write_latency_page(report: LatencyReport | Comparison, path: Path) -> None:
    """Write its page, or nothing; :class:`InputError` if the place cannot be written."""
    from ...latency.comparison import Comparison
    from ..comparison.page import comparison_page
    from .page import latency_page

    write_report(path, comparison_page(report) if isinstance(report, Comparison) else latency_page(report))


def latency_schema() -> dict[str, Any]:
    """The JSON Schema of what `cloformer bench` writes and prints."""
    return _schema("latency")


def comparison_schema() -> dict[str, Any]:
    """That of `cloformer compare`; it refers to :func:`latency_schema` for what both have."""
    return _schema("comparison")


@cache
def _schema(name: str) -> dict[str, Any]:
    text = (Path(__file__).parent.parent / "schemas" / f"{name}.schema.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed
