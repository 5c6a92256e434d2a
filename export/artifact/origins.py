"""Where the values of a written model come from: ``origins.json``.

``values``: each value of the written model, the nodes of the trace that it was made for, and the one that it equals
(null: a step on the way). ``nodes``: the module and line of each node that is named there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json
from cloformer.io.write import canonical_json

from ..source.arrays import Array
from ..source.origin import Origin
from .folder import ORIGINS, Artifact

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..formats.exporter import Written

__all__ = ["Origins", "read_origins", "write_origins"]

_MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Origins:
    """What ``origins.json`` says: by node, the value that equals it and how many values it became; by value, the last
    of its nodes."""

    equals: Mapping[str, str]
    steps: Mapping[str, int]
    places: Mapping[str, Origin]

    def candidate(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The values of a run, by node; those that the run did not give are left out."""
        return {node: values[value] for node, value in self.equals.items() if value in values}


def write_origins(path: Path, program: ExportedProgram, written: Written) -> None:
    """The origins of what was ``written`` of the lowered ``program``."""
    from ..source.trace import origin_of

    named = {name for item in written.values for name in (*item.nodes, item.equals)}
    document = {
        "nodes": {
            node.name: {"module": origin_of(node).module, "location": origin_of(node).location}
            for node in program.graph.nodes
            if node.name in named
        },
        "values": [
            {"value": item.value, "nodes": list(item.nodes), "equals": item.equals} for item in written.values
        ],
    }
    path.write_text(canonical_json(document), "utf-8")


def read_origins(artifact: Artifact) -> Origins:
    """The artifact's origins; :class:`InputError` if they are not there or damaged."""
    path = artifact.listed(ORIGINS)
    if path is None:
        raise InputError(
            f"{artifact.folder} does not say where its values come from",
            "export it again with this cloformer",
        )
    try:
        return _parse(Fields(read_json(path, _MAX_BYTES, "export it again")))
    except FieldError as error:
        raise InputError(f"{path}: {error}", "export it again") from None


def _parse(fields: Fields) -> Origins:
    nodes = fields.child("nodes")
    known: dict[str, Origin] = {}
    for name in nodes.names():
        node = nodes.child(name)
        known[name] = Origin(name, node.text("module"), node.text("location"))
        node.done()
    equals: dict[str, str] = {}
    steps: dict[str, int] = {}
    places: dict[str, Origin] = {}
    for entry in fields.objects("values"):
        value, carried = entry.text("value"), entry.texts("nodes")
        equal = entry.optional("equals", entry.text)
        entry.done()
        if equal is not None:
            equals[equal] = value
        for name in carried:
            if name not in known:
                raise entry.error("nodes", f"has {name[:80]!r}, which is not one of nodes")
            steps[name] = steps.get(name, 0) + 1
        if carried:
            places[value] = known[carried[-1]]
    fields.done()
    return Origins(equals, steps, places)
