"""A number's relevance, shared among the terms of the sum that it is.

Source: Bach et al., On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation (2015):
the rule with alpha = 1 and beta = 0, for results of either sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["LEAST", "by_sign"]

LEAST = 1e-150  # what is smaller is nothing: relevance over it would not be a number


def by_sign(
    product: Callable[[Tensor, Tensor], Tensor],
    one: Tensor,
    other: Tensor,
    result: Tensor,
    relevance: Tensor,
    taking: tuple[bool, bool] = (True, True),
) -> tuple[Tensor, Tensor]:
    """Shares for each factor of a bilinear ``product``: of the terms of each sum, those with the sign of its ``result`` take
    its relevance, in proportion. Where there are none, which a bias does, the others do; where all are zero, each alike. The
    shares of a factor that is not ``taking`` any are zeros.

    So no share is larger than what is shared. Terms of both signs would cancel, and shares in proportion to a small difference
    grow from layer to layer without bound.
    """
    halves = [
        half.detach().requires_grad_(takes)
        for factor, takes in zip((one, other), taking, strict=True)
        for half in (factor.clamp(min=0), factor.clamp(max=0))
    ]
    with torch.enable_grad():
        high, low, other_high, other_low = halves
        positive = product(high, other_high) + product(low, other_low)
        negative = product(high, other_low) + product(low, other_high)
        is_positive = torch.where(result > 0, positive > LEAST, negative > -LEAST)
        chosen = torch.where(is_positive, positive, negative)
        shares = _in_proportion(chosen, halves, relevance)
    of_one, of_other = shares[0] + shares[1], shares[2] + shares[3]
    rest = torch.where(chosen.abs() > LEAST, 0.0, relevance)
    if not rest.any():
        return of_one, of_other
    alike = [
        torch.ones_like(factor).requires_grad_(takes)
        for factor, takes in zip((one, other), taking, strict=True)
    ]
    with torch.enable_grad():
        more = _in_proportion(product(*alike), alike, rest)
    return of_one + more[0], of_other + more[1]


def _in_proportion(total: Tensor, factors: Sequence[Tensor], relevance: Tensor) -> list[Tensor]:
    """What each number of ``factors`` takes of the ``relevance`` of the sums ``total``: gradient times input, for both."""
    per_unit = torch.where(total.abs() > LEAST, relevance / total, 0.0).detach()
    taking = [factor for factor in factors if factor.requires_grad]
    gradients = iter(torch.autograd.grad(total, taking, per_unit, materialize_grads=True))
    return [
        factor.detach() * next(gradients) if factor.requires_grad else torch.zeros_like(factor)
        for factor in factors
    ]
