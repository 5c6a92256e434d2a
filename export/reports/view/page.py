"""A picture as one page that needs nothing else: the graph on a canvas, and its operators as a table that is there without it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.io.words import size

from ..shared.file import write_report
from ..shared.markup import Markup, join, tag
from ..shared.page import framed
from ..shared.words import count, number
from .data import as_json, embedded, told

if TYPE_CHECKING:
    from ...view.measured import Missing
    from ...view.picture import Node, Picture, Value

__all__ = ["SCRIPTS", "picture_page", "write_picture"]

SCRIPTS = ("data", "colours", "camera", "drawing", "bands", "details", "main")  # each calls those before it

_KEYS = (
    ("Drag, or arrow keys", "move (with Shift where an operator is chosen)"),
    ("Wheel, two fingers, + and -", "zoom"),
    ("0", "all of it"),
    ("Click, or Enter", "choose an operator"),
    ("Arrow keys", "go along connections from the chosen one, or to the next beside it"),
    ("/", "search; Enter goes to the next that was found"),
    ("Escape", "choose nothing"),
)


def write_picture(path: Path, picture: Picture, missing: Sequence[Missing]) -> int:
    """Write the page, whole or not at all, and give its bytes; :class:`InputError` if the place cannot be written. ``missing`` says
    which reports there are none of, and what makes them."""
    content = picture_page(picture, missing).encode()
    write_report(path, content)
    return len(content)


def picture_page(picture: Picture, missing: Sequence[Missing]) -> str:
    """The page."""
    here = Path(__file__).parent
    scripts = [(here / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    data = tag("script", Markup(embedded(as_json(picture))), type="application/json", id="graph")
    body = [
        tag("div", _bar(picture), _view(), class_="screen"),
        tag("main", _list(picture), _unknown(missing), _keys()),
        tag("p", role="status", class_="unseen", id="said"),
        data,
    ]
    style = (here / "view.css").read_text("utf-8")
    return framed(f"{told(picture.artifact)}: the graph", style, scripts, body, "view")


def _bar(picture: Picture) -> Markup:
    stored = sum(item.bytes for item in picture.constants)
    facts = f"{picture.format} {picture.precision}, {count(picture.operators, 'operator')}, {count(picture.edges, 'connection')}, {size(stored)} of stored numbers"
    choices = [
        _choice("Colours", "mode"),
        _choice("Modules", "depth"),
    ]
    search = tag(
        "label",
        tag("span", "Search", class_="unseen"),
        tag(
            "input",
            id="search",
            type="search",
            placeholder="Search name, operator, module",
            autocomplete="off",
            spellcheck="false",
        ),
    )
    name = tag("div", tag("h1", told(picture.model)), tag("p", facts), class_="name")
    tools = tag("div", search, tag("span", id="found", aria_live="polite"), *choices, class_="tools")
    return tag("header", name, tools)


def _choice(title: str, name: str) -> Markup:
    return tag("label", tag("span", title), tag("select", id=name))


def _view() -> Markup:
    canvas = tag(
        "canvas",
        id="canvas",
        tabindex="0",
        role="application",
        aria_label="The graph. Arrow keys move along it; its operators are also the table below.",
        aria_describedby="said",
    )
    buttons = tag(
        "span",
        tag("button", "+", type="button", id="closer", aria_label="Zoom in"),
        tag("button", "\u2212", type="button", id="farther", aria_label="Zoom out"),
        tag("button", "All", type="button", id="all", aria_label="Show all of the graph"),
        class_="buttons",
    )
    small = tag("canvas", id="minimap", aria_hidden="true")
    stage = tag(
        "div",
        tag("div", canvas, small, buttons, class_="sheet"),
        tag("ul", id="legend", class_="legend"),
        class_="stage",
    )
    aside = tag(
        "aside",
        tag("ol", id="hits", hidden=True),
        tag("section", id="details", hidden=True, aria_label="The chosen operator", tabindex="-1"),
        tag(
            "p",
            "Choose an operator, in the graph or in the table below, to see where it comes from and what it stores.",
            class_="hint",
        ),
    )
    return tag("section", stage, aside, id="view", aria_label="The graph")


def _list(picture: Picture) -> Markup:
    """A table by its roles: rows are laid out as grids, so that a browser leaves out those that are not in sight."""
    names = ["No.", "Operator", "Module and line", "Result", "Stored"]
    names += ["Own error"] if picture.errors else []
    names += ["Share"] if picture.times else []
    first = next((index for index, node in enumerate(picture.nodes) if node.role == "operator"), 0)
    rows = [
        _row(picture, node, index, index - first + 1)
        for index, node in enumerate(picture.nodes)
        if node.role == "operator"
    ]
    heads = [
        tag("th", name, role="columnheader", class_=None if name in names[1:4] else "num") for name in names
    ]
    listed = tag(
        "table",
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *rows, role="rowgroup"),
        role="table",
        aria_label="Operators",
    )
    return tag("section", tag("h2", "Operators in the order they run"), listed, id="list")


def _row(picture: Picture, node: Node, index: int, place: int) -> Markup:
    stored = sum(picture.constants[item].bytes for item in node.constants)
    given = node.gives[0] if node.gives else None
    name = tag("a", told(node.native), href=f"#op{place}")
    cells = [
        tag("td", str(place), class_="num", role="cell"),
        tag("th", name, tag("small", told(given.name) if given else ""), role="rowheader"),
        tag("td", told(node.module), tag("small", told(node.location)), role="cell"),
        tag("td", _shape(given), role="cell"),
        _figure("Stored", size(stored) if stored else ""),
    ]
    if picture.errors:
        cells.append(_figure("Own error", *_error(node)))
    if picture.times:
        share = sum(row.share for row in node.taken)
        cells.append(_figure("Share", f"{share:.2%}" if node.taken else ""))
    return tag("tr", *cells, id=f"op{place}", data_node=index, role="row")


def _figure(name: str, *content: str) -> Markup:
    return tag("td", *content, class_="num", role="cell", data_label=name)


def _error(node: Node) -> tuple[str, ...]:
    if node.error is None:
        return ("",)
    own = "no finite number" if node.error.own is None else number(node.error.own)
    return (own,) if node.error.verdict == "right" else (own, tag("small", node.error.verdict))


def _unknown(missing: Sequence[Missing]) -> Markup:
    rows = [
        tag(
            "li", f"{row.title}: {told(row.why)}. ", tag("code", row.command), ", then write this page again."
        )
        for row in missing
    ]
    if not rows:
        return join(())
    return tag("section", tag("h2", "What this page could also show"), tag("ul", *rows), class_="missing")


def _keys() -> Markup:
    rows = [tag("div", tag("dt", keys), tag("dd", what)) for keys, what in _KEYS]
    return tag("section", tag("h2", "Keys and gestures"), tag("dl", *rows), class_="keys with-script")


def _shape(value: Value | None) -> str:
    if value is None:
        return ""
    if value.shape is None:
        return f"? {told(value.dtype)}"
    sizes = " \u00d7 ".join("?" if item is None else str(item) for item in value.shape) or "one number"
    return f"{sizes} {told(value.dtype)}"
