"""What a framework raises while it converts a program, told by the operator that it was at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from cloformer.errors import UnsupportedError
from cloformer.io.causes import causes, is_of_memory
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
# What torch's interpreter says it was at, an operator or a constant.
_EXECUTING = re.compile(r"While executing %(\w+)")


def refusal(
    framework: str,
    error: BaseException,
    program: ExportedProgram,
    named: Iterable[str] = (),
    in_words: Callable[[BaseException], str] = reason_of,
) -> UnsupportedError:
    """``error``, which ``framework`` raised on ``program``, with the operator's place in the model where it can be seen:
    ``named`` are the nodes that it named beside what it raised, and ``in_words`` says what it means."""
    *_, first = causes(error, said=True)
    if is_of_memory(first):
        return UnsupportedError(
            f"{framework} ran out of memory: it needs several times what the model's weights take, {_size(program)}",
            "end what else runs, or export on a machine with more memory",
        )
    reason, node = in_words(first), _node_at(error, program, named)
    if node is not None:
        return unsupported_error([Unsupported(_kind(node), origin_of(node), reason)], framework)
    return UnsupportedError(
        f"{framework} cannot convert the graph: {reason}",
        "it does not say at which operator: leave out parts of the model until it goes through, or choose another --format",
    )


def _size(program: ExportedProgram) -> str:
    return f"{sum(value.nbytes for value in program.state_dict.values()) / 1e9:.1f} GB"


def _kind(node: fx.Node) -> str:
    """Its operator, or, of a function that a framework put in its place, its name."""
    return str(node.target) if hasattr(node.target, "_schema") else node.name


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
    raised = [str(cause) for cause in causes(error)]
    said = (name for text in raised for name in _QUOTED.findall(text))
    found = next((nodes[name] for name in (*named, *said) if name in nodes), None)
    return found or _reader_of([name for text in raised for name in _EXECUTING.findall(text)], program)


def _reader_of(executed: list[str], program: ExportedProgram) -> fx.Node | None:
    """What was executed, or what reads it first: a constant has no place in a model."""
    held = {node.name: node for node in program.graph.nodes}
    nodes = (node for name in executed if name in held for node in (held[name], *held[name].users))
    return next((node for node in nodes if node.op == "call_function"), None)
