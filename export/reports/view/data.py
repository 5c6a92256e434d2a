"""A picture as the page's script reads it: JSON that cannot end the element that it stands in, with words that are harmless."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloformer.io.words import bounded, escape_controls

if TYPE_CHECKING:
    from ...view.picture import Node, Picture, Stored, Value

__all__ = ["as_json", "embedded", "told"]

_LONGEST = 300  # characters of a name


def told(name: str) -> str:
    """A name from outside as the page shows it: one line, bounded."""
    return bounded(name, _LONGEST)


def as_json(picture: Picture) -> dict[str, object]:
    """The document. Connections name their nodes by number; places are pixels."""
    layout = picture.layout
    return {
        "artifact": told(picture.artifact),
        "model": told(picture.model),
        "format": picture.format,
        "precision": picture.precision,
        "size": list(layout.size),
        "nodes": [
            _node(node) | {"at": list(place), "layer": layer, "column": column}
            for node, place, layer, column in zip(
                picture.nodes, layout.places, layout.layers, layout.columns, strict=True
            )
        ],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "value": told(edge.value),
                "route": [each for point in route for each in point],
            }
            for edge, route in zip(picture.edges, layout.routes, strict=True)
        ],
        "constants": [_stored(item) for item in picture.constants],
        "error": None
        if picture.errors is None
        else {"by": told(picture.errors.by), "unplaced": picture.unplaced_errors},
        "time": None
        if picture.times is None
        else {"by": told(picture.times.by), "unit": picture.times.unit, "unplaced": picture.unplaced_share},
    }


def embedded(document: Mapping[str, object]) -> str:
    """JSON for an element of the page: nothing in it begins a tag, and no line of it ends early."""
    text = escape_controls(json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _node(node: Node) -> dict[str, object]:
    return {
        "role": node.role,
        "native": told(node.native),
        "kind": node.kind,
        "module": told(node.module),
        "location": told(node.location),
        "step": node.is_step,
        "reads": [_value(value) for value in node.reads],
        "gives": [_value(value) for value in node.gives],
        "attributes": [[told(name), told(text)] for name, text in node.attributes],
        "constants": list(node.constants),
        "error": None if node.error is None else node.error.to_json() | {"case": told(node.error.case)},
        "taken": [
            row.to_json() | {"stands_for": [told(name) for name in row.stands_for]} for row in node.taken
        ],
    }


def _value(value: Value) -> dict[str, object]:
    return {
        "name": told(value.name),
        "shape": None if value.shape is None else list(value.shape),
        "dtype": told(value.dtype),
    }


def _stored(item: Stored) -> dict[str, object]:
    return {
        "name": told(item.name),
        "shape": list(item.shape),
        "dtype": told(item.dtype),
        "bytes": item.bytes,
        "spread": None if item.spread is None else item.spread.to_json(),
    }
