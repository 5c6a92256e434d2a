"""Parity reports as files: JUnit XML and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.file import write_report

if TYPE_CHECKING:
    from ...parity.report import ParityReport
    from .page import Pictures

__all__ = ["write_reports"]


def write_reports(
    reports: Sequence[ParityReport],
    *,
    junit: Path | None = None,
    html: Path | None = None,
    pictures: Sequence[Pictures] = (),
) -> None:
    """Write the files that are asked for, whole or not at all; :class:`InputError` if a place cannot be written."""
    if junit is not None:
        from .junit import junit_xml

        write_report(junit, junit_xml(reports))
    if html is not None:
        from .page import html_page

        write_report(html, html_page(reports, pictures))
