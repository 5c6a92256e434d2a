"""What people, CI and other programs are told: a writer a file. They only read the frozen results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...parity.report import ParityReport
    from ..parity.page import Pictures

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
        from ..parity.junit import junit_xml

        write_report(junit, junit_xml(reports))
    if html is not None:
        from ..parity.page import html_page

        write_report(html, html_page(reports, pictures))


def write_report(path: Path, content: str | bytes) -> None:
    """Whole or not at all; :class:`InputError` if the place cannot be written."""
    from cloformer.io.staging import write_whole

    write_whole(path, content, "choose another place for the report")
