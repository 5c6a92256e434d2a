"""LiteRT's interpreter: made without a word of its own, and what its delegate takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from cloformer.io.quiet import quiet_natively

from ..runner import runtime_errors
from .file import Operator

__all__ = ["opened", "partitions"]

_DELEGATE = "DELEGATE"


def opened(path: Path, threads: int = 1, *, keep: bool = False) -> Any:
    """An interpreter of the file, ready to be given inputs; with ``keep``, every value that it computes can be had.
    :class:`InputError` if the runtime does not take the file."""
    with quiet_natively("ai_edge_litert"), runtime_errors(f"LiteRT does not load {path}"):
        interpreter = Interpreter(
            model_path=str(path), num_threads=threads or 1, experimental_preserve_all_tensors=keep
        )
        interpreter.allocate_tensors()
    return interpreter


def partitions(path: Path, operators: Sequence[Operator]) -> list[set[int]]:
    """The pieces of the graph that the runtime's delegate takes on this processor, each by the places of its operators."""
    # The binding has no public way to ask.
    details = opened(path)._get_ops_details()
    producer = {place: number for number, item in enumerate(operators) for place in item.outputs}
    pieces = []
    for item in details:
        if item["op_name"] == _DELEGATE:
            given = set(map(int, item["inputs"]))
            pieces.append(_between(given, [int(place) for place in item["outputs"]], producer, operators))
    return pieces


def _between(
    given: set[int], wanted: Sequence[int], producer: dict[int, int], operators: Sequence[Operator]
) -> set[int]:
    """The operators that compute what is ``wanted`` of what is ``given``."""
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        place = waiting.pop()
        number = producer.get(place)
        if place not in given and number is not None and number not in found:
            found.add(number)
            waiting += operators[number].inputs
    return found
