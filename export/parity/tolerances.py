"""How far rounding alone may take a correct export. Every number has its reason beside it.

``u`` is the unit roundoff of the format that the model computes in: 2**-24 in float32, 2**-11 in float16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..reference.references import Expected

__all__ = [
    "BACKWARD",
    "MARGIN",
    "MAX_LOSS",
    "MOST_LOSS",
    "ROUNDINGS",
    "ROUNDOFF",
    "OutputTolerance",
    "allowance",
    "output_tolerance",
]

ROUNDOFF = {"float32": 2.0**-24, "float16": 2.0**-11}


# Of what rounding every operator's result costs an output: the largest seen over six networks is 1.6 times (kernels that
# add up in another order), and 2.8 times where coremltools joins a product and a sum into a batch_norm of epsilon 1e-5.
MARGIN = 4.0
# And never less than so many roundings of the largest value: what the last operators of a network may add.
ROUNDINGS = 8.0
_COSINE = 2.0**-20  # an angle whose cosine float64 still tells from 1
# Of the largest value: beyond, outputs cannot tell a right file from a wrong one, and operators alone judge.
MOST_LOSS = 0.10
# Of the largest value: what a number format may cost on photographs, unless it is said otherwise.
MAX_LOSS = 0.10


@dataclass(frozen=True)
class OutputTolerance:
    """Bounds on an output on one input. ``loss`` is what rounding costs there and ``max_rel`` what is allowed, as shares of
    the reference's largest magnitude; infinite if rounding ends in infinity. Unless it ``judges``, the loss is too large to
    tell a right file from a wrong one."""

    max_rel: float
    cosine: float
    because: str
    loss: float = 0.0
    judges: bool = True

    def to_json(self) -> dict[str, object]:
        """JSON has no infinity: None stands for it."""
        finite = {
            name: value if math.isfinite(value) else None
            for name, value in (("max_rel", self.max_rel), ("loss", self.loss))
        }
        return finite | {"min_cosine": self.cosine, "because": self.because, "judges": self.judges}


def output_tolerance(expected: Expected) -> OutputTolerance:
    """What rounding may do to an output: ``MARGIN`` times what it costs where every operator's result is rounded."""
    want, loss, form = expected.want, expected.loss, expected.form
    if want.dtype.kind != "f":
        return OutputTolerance(0.0, 1.0, "integers and truths are right or wrong")
    sizes = np.abs(want[np.isfinite(want)])
    largest = float(sizes.max(initial=0))
    share = loss.whole / largest if largest else 0.0 if not loss.whole else math.inf
    least = ROUNDINGS * form.roundoff
    # An angle's cosine falls with its square; one element that is off by what it may be turns the whole by as much.
    turned = MARGIN**2 * max(1 - loss.cosine, share**2 / 2) + max(least, _COSINE) ** 2
    return OutputTolerance(
        max(MARGIN * share, least),
        max(1 - turned, -1.0),
        f"{form.name} costs {share:.1e} of the largest value where every operator's result is rounded (emulated from float64); "
        f"{MARGIN:g} times that, and never below {ROUNDINGS:g} roundings",
        share,
        judges=share <= MOST_LOSS,
    )


# What one operator may add, in u of its result's largest magnitude; the largest seen over the built-in
# models is in brackets: (ONNX Runtime float32, reference runtime float32, reference runtime float16).
_MOVES = 0.0  # (0, 0, 0) numbers are copied
_ROUNDS_ONCE = {"float32": 2.0, "float16": 1.5}  # (0.97, 0.95, 0.92) one rounding is at most 1
_FUNCTION = {"float32": 12.0, "float16": 1.5}  # (2.7, 5.5, 0.98) approximations within a few units
_SUMS = {
    "float32": 2.0,
    "float16": 1.5,
}  # (1, 1, 0.98) the rounding of the result; what is lost before it is in .sums
_NORMALIZES = {"float32": 32.0, "float16": 1.5}  # (15, 2.4, 0.92) means of up to 400,000 numbers
_JOINED = {"float32": 4.0, "float16": 2.0}  # x * g + b, written as one operator or as two

# What is beyond that may still be as far as moving every operand and every result by one rounding takes it, this many
# times: kernels add up and round in between in other orders than ours.
BACKWARD = 6.0

_ALLOWED: dict[str, dict[str, float]] = {
    "moves": dict.fromkeys(ROUNDOFF, _MOVES),
    "rounds once": _ROUNDS_ONCE,
    "function": _FUNCTION,
    "sums": _SUMS,
    "normalizes": _NORMALIZES,
}


def allowance(kinds: Sequence[str], steps: int, precision: str) -> float:
    """What a group of operators may add, in u of the result's largest magnitude; ``kinds`` are their natures.

    ``steps`` are the operators of the written model that compute it: each rounds what the next one takes. These
    roundings do not all point the same way, so what they add grows with the square root of their number. A
    normalization of ten steps: measured 2.7 of 8 in float16.
    """
    each = [_ALLOWED[kind][precision] for kind in kinds]
    computing = sum(amount > 0 for amount in each)
    if computing > 1 and set(kinds) <= {"moves", "rounds once"}:
        return max(sum(each), _JOINED[precision])
    more = max(steps - len(kinds), 0) if computing else 0
    # A normalization that is taken apart ends in x * g + b.
    joined = _JOINED[precision] if more and "normalizes" in kinds else 0.0
    return sum(each) + math.sqrt(more) * _ROUNDS_ONCE[precision] + joined
