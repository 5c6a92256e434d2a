"""Writing the page of a latency report, or of a comparison, to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.file import write_report

if TYPE_CHECKING:
    from ...latency.comparison import Comparison
    from ...latency.report import LatencyReport

__all__ = ["write_latency_page"]


def write_latency_page(report: LatencyReport | Comparison, path: Path) -> None:
    """Write its page, or nothing; :class:`InputError` if the place cannot be written."""
    from ...latency.comparison import Comparison
    from .comparison_page import comparison_page
    from .page import latency_page

    write_report(path, comparison_page(report) if isinstance(report, Comparison) else latency_page(report))
