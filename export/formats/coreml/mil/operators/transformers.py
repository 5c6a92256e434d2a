"""Attention (``iOS18/transformers.py``)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .._operator import operator
from ._narrow import half, narrow_matmul
from ._shapes import broadcast_count, product_count

Product = Callable[[Tensor, Tensor], Tensor]


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    product: Product,
    rounded: Callable[[Tensor], Tensor],
) -> Tensor:
    product_count(query, key.mT)
    scores = rounded(product(query, key.mT) / math.sqrt(query.shape[-1]))
    if attn_mask is not None:
        broadcast_count([scores.shape, attn_mask.shape])
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = rounded(scores + attn_mask)
    return product(rounded(torch.softmax(scores, -1)), value)


def _narrow_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    return _attention(query, key, value, attn_mask, narrow_matmul, half)


@operator(
    "scaled_dot_product_attention",
    specification="iOS18/transformers.py: scaled_dot_product_attention",
    narrow=_narrow_attention,
)
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """softmax(query key^T / sqrt(E) + attn_mask) value; a truth value in the mask says who takes part."""
    return _attention(query, key, value, attn_mask, torch.matmul, lambda x: x)
