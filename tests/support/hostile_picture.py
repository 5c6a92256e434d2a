"""A picture of a graph whose names try to break out of the page that it is written into."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pages import HOSTILE

from cloformer.export.view.measured import OwnError, Taken
from cloformer.export.view.picture import Node, Picture, Stored, Value

__all__ = ["hostile"]


def hostile(picture: Picture) -> Picture:
    """The same with hostile names: each of them ends with its own number, so that no two are one."""
    name = HOSTILE.replace("\ud800", "")

    def value(item: Value) -> Value:
        return replace(item, name=f"{name}{item.name}", dtype=f"{name}{item.dtype}")

    def stored(item: Stored) -> Stored:
        return replace(item, name=f"{name}{item.name}", dtype=f"{name}{item.dtype}")

    def error(item: OwnError) -> OwnError:
        return replace(item, value=f"{name}{item.value}", case=name)

    def taken(item: Taken) -> Taken:
        return replace(
            item, value=f"{name}{item.value}", stands_for=tuple(f"{name}{each}" for each in item.stands_for)
        )

    def node(item: Node) -> Node:
        changes: dict[str, Any] = {
            "native": f"{name}{item.native}",
            "module": f"{name}.{item.module}",
            "location": f"{name}{item.location}",
            "reads": tuple(map(value, item.reads)),
            "gives": tuple(map(value, item.gives)),
            "attributes": tuple((f"{name}{key}", f"{name}{text}") for key, text in item.attributes),
            "error": item.error and error(item.error),
            "taken": tuple(map(taken, item.taken)),
        }
        return replace(item, **changes)

    return replace(
        picture,
        artifact=name,
        model=name,
        nodes=tuple(map(node, picture.nodes)),
        edges=tuple(replace(edge, value=f"{name}{edge.value}") for edge in picture.edges),
        constants=tuple(map(stored, picture.constants)),
        errors=picture.errors and replace(picture.errors, by=name),
        times=picture.times and replace(picture.times, by=name),
    )
