"""Operators that a converter does not know, or writes wrong, by others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .by_places import largest_of_parts, repeated
from .definitions import DEFINITIONS
from .rewriter import Form, Rewriter, written

__all__ = ["WriteOutOperators"]

aten = torch.ops.aten
_BY_PLACES: dict[object, Form] = {
    aten.repeat_interleave.self_Tensor: repeated,
    aten.adaptive_max_pool3d.default: largest_of_parts,
}


@dataclass(frozen=True)
class WriteOutOperators(Pass):
    """Write what coremltools has no conversion for, or a wrong one, by operators that it converts: :mod:`.definitions` has a
    function for each, whose docstring is its law."""

    law: ClassVar[str] = (
        "an operator = its definition by others; trunc(x) = ceil(x) if x < 0 else floor(x), for one"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_BY_PLACES | {target: written(law) for target, law in DEFINITIONS.items()})
