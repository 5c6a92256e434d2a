"""What people, CI and other programs are told: a writer a file. They only read the frozen results."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..parity.report import ParityReport
    from .html import Pictures

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

        _write(junit, junit_xml(reports))
    if html is not None:
        from .html import html_page

        _write(html, html_page(reports, pictures))


def _write(path: Path, content: str | bytes) -> None:
    from ..errors import InputError

    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}", "choose another place for the report"
        ) from None
