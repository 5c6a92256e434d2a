"""Operators that a format does not know, by those that PyTorch itself defines them by."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, is_fixed

__all__ = ["TakeApart"]

_DEEPEST = 8  # rounds, in each of which what is not known is taken apart once more


@dataclass(frozen=True)
class TakeApart(Pass):
    """Write operators that ``knows`` says no to by those that PyTorch defines them by, until it says yes to all of them.

    Composite operators are made of others, and PyTorch lists decompositions of the rest. An operator of which something
    unknown is left stays, and is refused by its own name.
    """

    law: ClassVar[str] = "an operator = PyTorch's own decomposition of it"
    exactness: ClassVar[Exactness] = Exactness.REAL

    knows: Callable[[object], bool]

    @property
    def name(self) -> str:
        return "take_apart"

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in list(rewriter.graph.nodes):
            if node.op != "call_function" or self._is_known(node) or not is_fixed(node):
                continue
            written = self._written(rewriter, node)
            if written is not None:
                with rewriter.at(node):
                    result = rewriter.inline(written, node.args, node.kwargs)
                sites.append(rewriter.replace(node, result))
        return sites

    def _written(self, rewriter: Rewriter, node: fx.Node) -> fx.GraphModule | None:
        """The operator as a graph of known ones; None if there is none."""
        unknown: set[Any] = {node.target}
        function = _applied(_definition(node.target))
        for _ in range(_DEEPEST):
            if any(_definition(target) is None for target in unknown):
                return None
            written = rewriter.traced(function, node.args, node.kwargs, composite=False)
            assert written is not None  # no decomposition of torch's says so
            unknown = {item.target for item in written.graph.nodes if not self._is_known(item)}
            if not unknown:
                return written
            function = _applied(_TakenApart(written, unknown))
        return None

    def _is_known(self, node: fx.Node) -> bool:
        return node.op != "call_function" or node.target is operator.getitem or self.knows(node.target)


def _definition(target: Any) -> Callable[..., Any] | None:
    """What computes the operator by others; None if torch has nothing. A composite operator takes itself apart."""
    if not isinstance(target, torch._ops.OpOverload):
        return None
    listed = _decompositions().get(target)
    return target if listed is None and target._can_decompose() else listed


@functools.cache
def _decompositions() -> Mapping[object, Callable[..., Any]]:
    from torch._decomp import core_aten_decompositions  # a second, which most networks do not need

    listed: Any = core_aten_decompositions()  # a dictionary that is filled as it is read
    return dict(listed.items())


def _applied(function: Any) -> Callable[[Any, Any], Any]:
    """As a function of the arguments and the keywords."""
    return lambda args, kwargs: function(*args, **kwargs)


class _TakenApart(fx.Interpreter):
    """Runs a graph, and what is unknown in it as what it is made of."""

    def __init__(self, written: fx.GraphModule, unknown: set[Any]) -> None:
        super().__init__(written)
        self._unknown = unknown

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*(leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)))

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        known: Any = _definition(target) if target in self._unknown else target
        return super().call_function(known, args, kwargs)
