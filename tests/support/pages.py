"""Pages as their readers' browsers see them, and a name that tries to break out of one."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["HOSTILE", "Elements"]

HOSTILE = "</script></style></title><img src=x onerror=alert(1)>\"'&|`[x](http://x)]]>\x00\x1b[31m\r\n::error::\u202e\ud800"


class Elements(HTMLParser):
    """Every element with its attributes; fails on an end that fits no start."""

    EMPTY = ("meta", "link", "img", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]
