"""LiteRT's interpreter: made without a word of its own, and what its delegate takes."""

from __future__ import annotations

import bisect
import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from cloformer.io.quiet import quiet_natively

from ..runner import runtime_errors
from .file import Operator, operators, packed

__all__ = ["first_refused", "opened", "partitions", "ready"]

_DELEGATE = "DELEGATE"
_NOT_THERE = re.compile(
    "Didn't find op|unresolved custom op"
)  # each kind that the file lists is looked for, used or not


def opened(path: Path, threads: int = 1, *, keep: bool = False) -> Any:
    """An interpreter of the file, ready to be given inputs; with ``keep``, every value that it computes can be had.
    :class:`InputError` if the runtime does not take the file."""
    with runtime_errors(f"LiteRT does not load {path}"):
        return ready(model_path=str(path), num_threads=threads or 1, experimental_preserve_all_tensors=keep)


def first_refused(model: Any, said: str) -> int:
    """Of a file that the runtime does not load, at which operator, by its number: one of the kind that it ``said`` it does not
    have, or else the first that it does not load behind those before it."""
    if _NOT_THERE.search(said):
        kinds = [item.kind for item in operators(model)]
        return next((n for n, kind in enumerate(kinds) if re.search(rf"\b{re.escape(kind)}\b", said)), 0)
    graph = copy.copy(model.subgraphs[0])
    part, found = copy.copy(model), list(graph.operators)
    part.subgraphs, part.signatureDefs = [graph, *model.subgraphs[1:]], []

    def is_refused(count: int) -> bool:
        graph.operators, graph.outputs = found[:count], found[count - 1].outputs
        try:
            ready(model_content=packed(part))
        except (RuntimeError, ValueError):
            return True
        return False

    return bisect.bisect_left(range(1, len(found)), x=True, key=is_refused)


def ready(**given: Any) -> Any:
    """An interpreter, which raises what it raises of a model that it does not take."""
    with quiet_natively("ai_edge_litert"):
        interpreter = Interpreter(**given)
        interpreter.allocate_tensors()
    return interpreter


def partitions(path: Path, found: Sequence[Operator]) -> list[set[int]]:
    """The pieces of the graph that the runtime's delegate takes on this processor, each by the places of its operators."""
    # The binding has no public way to ask.
    details = opened(path)._get_ops_details()
    producer = {place: number for number, item in enumerate(found) for place in item.outputs}
    pieces = []
    for item in details:
        if item["op_name"] == _DELEGATE:
            given = set(map(int, item["inputs"]))
            pieces.append(_between(given, [int(place) for place in item["outputs"]], producer, found))
    return pieces


def _between(
    given: set[int], wanted: Sequence[int], producer: dict[int, int], steps: Sequence[Operator]
) -> set[int]:
    """The operators that compute what is ``wanted`` of what is ``given``."""
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        place = waiting.pop()
        number = producer.get(place)
        if place not in given and number is not None and number not in found:
            found.add(number)
            waiting += steps[number].inputs
    return found
