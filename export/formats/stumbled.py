"""What a framework raises while it converts a program, told by the operator that it was at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from cloformer.errors import UnsupportedError
from cloformer.io.causes import causes
from cloformer.io.words import reason_of

from ..source.raised import nodes_held
from ..source.trace import lowered_name_of, origin_of
from .exporter import Unsupported, unsupported_error

if TYPE_CHECKING:
    from torch import fx
    from torch.export import ExportedProgram

__all__ = ["refusal"]


# What stands in quotes in an error's words, without what coremltools adds to the name of what it computes in another type.
_QUOTED = re.compile(r"""["'](\w+?)(?:_cast_fp(?:16|32))?["']""")


def refusal(
    framework: str, error: BaseException, program: ExportedProgram, named: Iterable[str] = ()
) -> UnsupportedError:
    """``error``, which ``framework`` raised on ``program``, with the operator's place in the model where it can be seen:
    ``named`` are the nodes that it named beside what it raised."""
    *_, first = causes(error, said=True)
    reason, node = reason_of(first), _node_at(error, program, named)
    if node is not None:
        return unsupported_error([Unsupported(str(node.target), origin_of(node), reason)], framework)
    return UnsupportedError(
        f"{framework} cannot convert the graph: {reason}",
        "it does not say at which operator: leave out parts of the model until it goes through, or choose another --format",
    )


def _node_at(error: BaseException, program: ExportedProgram, named: Iterable[str]) -> fx.Node | None:
    nodes: dict[str, fx.Node] = {
        node.name: node for node in program.graph.nodes if node.op == "call_function"
    }
    for held in nodes_held(error):
        name = lowered_name_of(cast("fx.Node", held)) or getattr(
            held, "name", ""
        )  # which reads the meta alone
        if name in nodes:
            return nodes[name]
    said = (name for cause in causes(error) for name in _QUOTED.findall(str(cause)))
    return next((nodes[name] for name in (*named, *said) if name in nodes), None)
