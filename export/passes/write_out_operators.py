"""Operators that a converter does not know, or writes wrong, by others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .definitions import DEFINITIONS
from .rewriter import Form, Rewriter

__all__ = ["WriteOutOperators"]


@dataclass(frozen=True)
class WriteOutOperators(Pass):
    """Write what coremltools has no conversion for, or a wrong one, by operators that it converts: :mod:`.definitions` has a
    function for each, whose docstring is its law."""

    law: ClassVar[str] = (
        "an operator = its definition by others; trunc(x) = ceil(x) if x < 0 else floor(x), for one"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({target: _written(function) for target, function in DEFINITIONS.items()})


def _written(function: Callable[..., Any]) -> Form:
    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> Any:
        return rewriter.write(lambda given: function(**given), bound)

    return form
