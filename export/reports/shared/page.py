"""The frame of a page that needs nothing else: no file, no font, no request, and no script to be read.

All text goes through :mod:`.markup`, and the page's own policy lets no script or style run but those that it is made with.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from .markup import Markup, tag
from .style import page_script, page_style

__all__ = ["framed", "page"]


def page(
    title: str, header: Sequence[Markup], sections: Sequence[Markup], footer: str, kind: str | None = None
) -> str:
    """The whole document of a report. ``title`` and ``footer`` are plain text, ``kind`` is the class of its body."""
    body = [tag("header", *header), tag("main", *sections), tag("footer", tag("p", footer))]
    return framed(title, page_style(), [page_script()], body, kind)


def framed(
    title: str, style: str, scripts: Sequence[str], body: Sequence[Markup], kind: str | None = None
) -> str:
    """A document with its style, and scripts that run one after the other behind its body."""
    allowed = " ".join(f"'{_hash(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Markup(style)),
    )
    run = [tag("script", Markup(script)) for script in scripts]
    whole = tag("html", head, tag("body", *body, *run, class_=kind), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
