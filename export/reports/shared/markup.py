"""Writing HTML and SVG so that text stays text: whatever is not made by :func:`tag` is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .words import plain

__all__ = ["Markup", "join", "tag"]

_EMPTY = {"img", "input", "link", "meta"}  # elements of HTML that have no end


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """An element. ``class_`` is the attribute class, ``data_x`` is data-x; None and False leave one out."""
    listed = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(plain(str(value)))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY:
        return Markup(f"<{name}{listed}>")
    return Markup(f"<{name}{listed}>{join(children)}</{name}>")


def join(children: Iterable[str]) -> Markup:
    """Side by side."""
    return Markup("".join(item if isinstance(item, Markup) else escape(plain(item)) for item in children))
