"""Activations written out in arithmetic, as the single operators that formats have for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["RecognizeActivations"]

aten = torch.ops.aten

_ROUNDING = 2**-24  # a constant this near is the same in float32, which the model computes in


@dataclass(frozen=True)
class RecognizeActivations(Pass):
    """x * sigmoid(x) becomes ``silu``; x / 2 * (1 + erf(x / sqrt 2)), in any order, becomes ``gelu``.

    Left alone when something else reads the inner values.
    """

    law: ClassVar[str] = "silu(x) = x sigmoid(x); gelu(x) = x (1 + erf(x / sqrt 2)) / 2"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.mul.Tensor):
            if not node.users and node.op != "output":
                continue
            for target, operand in ((aten.silu.default, _silu(node)), (aten.gelu.default, _gelu(node))):
                if operand is not None:
                    with rewriter.at(node):
                        activation = rewriter.call(target, operand)
                    sites.append(rewriter.replace(node, activation))
                    break
        return sites


def _silu(node: fx.Node) -> fx.Node | None:
    for operand, gate in _both_ways(node.args):
        if _is_call(gate, aten.sigmoid.default) and gate.args[0] is operand and len(gate.users) == 1:
            return operand  # type: ignore[no-any-return]
    return None


def _gelu(node: fx.Node) -> fx.Node | None:
    """The operand if the product's factors are exactly {1/2, x, 1 + erf(x / sqrt 2)}."""
    factors = _factors(node)
    number = math.prod(factor for factor in factors if isinstance(factor, (int, float)))
    nodes = [factor for factor in factors if isinstance(factor, fx.Node)]
    if len(nodes) != 2 or not math.isclose(number, 0.5, rel_tol=1e-12):
        return None
    for operand, gate in _both_ways(nodes):
        if not _is_call(gate, aten.add.Tensor) or gate.kwargs:  # alpha would scale one summand
            continue
        for one, erf in _both_ways(gate.args):
            if one == 1 and _is_call(erf, aten.erf.default) and _is_scaled(erf.args[0], operand):
                return operand  # type: ignore[no-any-return]
    return None


def _factors(node: object, top: bool = True) -> list[Any]:
    """The factors of a product, through products and divisions by numbers that nothing else reads."""
    if isinstance(node, fx.Node) and (top or len(node.users) == 1):
        if node.target is aten.mul.Tensor:
            return [factor for operand in node.args for factor in _factors(operand, top=False)]
        if node.target is aten.div.Tensor and isinstance(node.args[1], (int, float)) and node.args[1]:
            return [*_factors(node.args[0], top=False), 1 / node.args[1]]
    return [node]


def _is_scaled(node: object, operand: object) -> bool:
    """Whether ``node`` is ``operand / sqrt 2``."""
    factors = _factors(node, top=False)
    number = math.prod(factor for factor in factors if isinstance(factor, (int, float)))
    rest = [factor for factor in factors if not isinstance(factor, (int, float))]
    return rest == [operand] and math.isclose(number, math.sqrt(0.5), rel_tol=_ROUNDING)


def _is_call(node: object, target: object) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is target


def _both_ways(pair: Any) -> tuple[tuple[Any, Any], ...]:
    return ((pair[0], pair[1]), (pair[1], pair[0])) if len(pair) == 2 else ()
