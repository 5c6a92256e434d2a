"""How pages and charts look: style sheets and the page's script, which lie beside this file."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["chart_style", "page_script", "page_style"]


def page_style() -> str:
    """Of all that a page shows, in light and in dark."""
    return _read("page.css") + _read("chart.css")


def page_script() -> str:
    return _read("page.js")


def chart_style(**values: str) -> str:
    """Of charts alone, in the light colours, for what knows no variables of CSS. ``values`` stand in the place of the page's."""
    light = dict(re.findall(r"--([\w-]+): ([^;]+);", _read("page.css").partition("@media")[0])) | values
    return re.sub(r"var\(--([\w-]+)\)", lambda name: light[name[1]], _read("chart.css"))


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")
