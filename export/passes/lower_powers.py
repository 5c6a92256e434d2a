"""Powers that other operators compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["LowerPowers"]

aten = torch.ops.aten

_FORMS: dict[float, Callable[[Tensor], Tensor]] = {
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    4.0: lambda x: (x * x) * (x * x),
    0.5: torch.sqrt,
    -0.5: torch.rsqrt,
}


@dataclass(frozen=True)
class LowerPowers(Pass):
    """Write small whole powers as products, and halves as roots.

    litert-torch writes an operator for any power, which XNNPACK does not take, and which is refused for tensors of five axes.
    Of whole numbers it takes none. Left alone: other exponents, those that are tensors, and roots of whole numbers.
    """

    law: ClassVar[str] = (
        "x^2 = x x, x^3 = x x x, x^4 = (x x) (x x), x^(1/2) = sqrt(x), x^(-1/2) = 1 / sqrt(x)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out({aten.pow.Tensor_Scalar: _written})


def _written(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> Any:
    exponent, of_numbers = bound["exponent"], bound["self"].meta["val"].is_floating_point()
    form = _FORMS.get(exponent)
    if form is None or not (of_numbers or isinstance(exponent, int)):
        return None
    return rewriter.write(form, bound["self"])
