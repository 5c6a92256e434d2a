"""Products of matrices in one batch, which XNNPACK has an operator for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, shape_of

__all__ = ["BatchProducts"]

aten = torch.ops.aten

_OF_A_BATCH = 3  # axes


@dataclass(frozen=True)
class BatchProducts(Pass):
    """Write a product of two batches of matrices as one of tensors with three axes.

    torch takes a product of more axes apart into copies that repeat each factor, here once, before it multiplies: XNNPACK takes no
    such copy, so that each cuts its graph in two. Left alone are factors whose batches differ, which are repeated indeed, and
    those with a single matrix.
    """

    law: ClassVar[str] = "A B = reshape(bmm(reshape(A), reshape(B)))"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.matmul.default):
            first, second = node.args
            a, b = (shape_of(item) if isinstance(item, torch.fx.Node) else None for item in (first, second))
            if a is None or b is None or len(a) < _OF_A_BATCH or a[:-2] != b[:-2]:
                continue
            count = math.prod(a[:-2])
            with rewriter.at(node):
                if len(a) > _OF_A_BATCH:
                    first = rewriter.call(aten.reshape.default, first, [count, *a[-2:]])
                    second = rewriter.call(aten.reshape.default, second, [count, *b[-2:]])
                product = rewriter.call(aten.bmm.default, first, second)
                if len(a) > _OF_A_BATCH:
                    product = rewriter.call(aten.reshape.default, product, [*a[:-1], b[-1]])
            sites.append(rewriter.replace(node, product))
        return sites
