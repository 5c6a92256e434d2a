"""At which node of a graph an error was raised."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from cloformer.io.causes import causes

__all__ = ["nodes_held"]

# What passes, frameworks, and the interpreters of torch that they run, call the node that they are at.
_AT = ("node", "n")


def nodes_held(error: BaseException) -> Iterator[object]:
    """What the calls that ``error`` passed through had for their node, the innermost first.

    Whatever walks a graph goes node by node, so the innermost call that holds one was at work on it. Nodes are torch's own,
    or what a framework made of them; both have a ``meta``.
    """
    for raised in reversed(list(causes(error))):
        for held in reversed(list(_locals(raised.__traceback__))):
            if isinstance(getattr(held, "meta", None), dict):
                yield held


def _locals(trace: TracebackType | None) -> Iterator[object]:
    """From the outermost call to the innermost."""
    while trace is not None:
        yield from (trace.tb_frame.f_locals[name] for name in _AT if name in trace.tb_frame.f_locals)
        trace = trace.tb_next
