"""What ``forward`` asks of its inputs only to raise an error: ``if var.min() < 0: raise ...``, ``assert x.max() <= 1``."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["is_a_check"]


def is_a_check(file: str, line: int) -> bool:
    """Whether what stands in that line is part of a condition that decides nothing but whether an error is raised.

    The model gives something only where it is not, so the answer of a run that ended well is that of every other one.
    """
    return any(first <= line <= last for first, last in _conditions(file))


@lru_cache(maxsize=64)
def _conditions(file: str) -> tuple[tuple[int, int], ...]:
    """The first and the last line of each; none of a file that is not Python's."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(
        (test.lineno, test.end_lineno or test.lineno) for test in map(_condition, ast.walk(tree)) if test
    )


def _condition(node: ast.AST) -> ast.expr | None:
    """The condition, if one side of it raises and it names nothing that is read later."""
    if not isinstance(node, (ast.Assert, ast.If)):
        return None
    if isinstance(node, ast.If) and _raises(node.body) == _raises(node.orelse):
        return None
    return None if any(isinstance(part, ast.NamedExpr) for part in ast.walk(node.test)) else node.test


def _raises(body: Sequence[ast.stmt]) -> bool:
    """Whether it ends in an error on every way."""
    return bool(body) and isinstance(body[-1], ast.Raise) and not any(map(_leaves, body))


def _leaves(statement: ast.stmt) -> bool:
    return any(isinstance(part, (ast.Return, ast.Break, ast.Continue)) for part in ast.walk(statement))
