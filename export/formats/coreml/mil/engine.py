"""Emulation of the published cliffs of the Neural Engine: a row for each cliff, with where it is met and what stands there.

Where no cliff is met nothing is changed: float16 between operators and sums as wide as float32 inside one are what the engine is
reported to have (ane-guide, chapter 3), and are what ``Arithmetic.WIDE`` computes. An operator counts as the engine's if its
result is float16. What each report says and what is assumed beyond it is in :mod:`..cliffs`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import cliffs
from ..cliffs import Cliff, CliffMet
from .program import Constant, Operation

__all__ = ["RULES", "Rule", "Site", "met_at"]

_PRODUCTS = ("linear", "matmul", "einsum", "conv")
_SLICES = ("slice_by_index", "slice_by_size")
_FLAT = ("linear", "matmul")
_SUMS_OF_EXPONENTIALS = ("add", "reduce_sum")


@dataclass(frozen=True)
class Site:
    """One operation as it is computed: ``arguments`` in the width of the arithmetic, and its one ``result`` before it is rounded.
    ``made_by`` is the operation of every value of the program, ``constants`` the values that are written in it."""

    operation: Operation
    arguments: Mapping[str, object]
    result: Tensor
    made_by: Mapping[str, Operation]
    constants: Mapping[str, object]

    @property
    def x(self) -> Tensor:
        found = self.arguments.get("x")
        return found if isinstance(found, Tensor) else self.result

    def before(self, operation: Operation, parameter: str) -> Operation | None:
        """The operation that made what ``parameter`` is given; None for constants and the program's inputs."""
        name = _name(operation, parameter)
        return None if name is None else self.made_by.get(name)

    def is_constant(self, operation: Operation, parameter: str) -> bool:
        """Whether what ``parameter`` is given is written in the program."""
        name = _name(operation, parameter)
        return name is None or name in self.constants

    def number(self, operation: Operation, parameter: str) -> float:
        """The constant number that ``parameter`` is given, else NaN."""
        given = operation.inputs.get(parameter, ())
        name = given[0] if len(given) == 1 else ""
        value = name.value if isinstance(name, Constant) else self.constants.get(name)
        return float(value) if isinstance(value, Tensor) and value.numel() == 1 else math.nan


@dataclass(frozen=True)
class Rule:
    """``meets`` says at which places of the result the cliff is met (None: this is no such operation), ``gives`` what stands there;
    ``decides`` are the numbers that decide it, and ``also`` the values before it that have a part in it."""

    cliff: Cliff
    kinds: tuple[str, ...]  # none: any
    meets: Callable[[Site], Tensor | None]
    gives: Callable[[Site], Tensor]
    decides: Callable[[Site], Tensor] = lambda site: site.x
    also: Callable[[Site], tuple[str, ...]] = lambda _: ()


def met_at(site: Site) -> Iterator[tuple[CliffMet, Tensor]]:
    """The cliffs that are met at ``site``, each with the whole result as it then is. A later rule sees what earlier ones gave."""
    for rule in RULES:
        if rule.kinds and site.operation.kind not in rule.kinds:
            continue
        places = rule.meets(site)
        if places is None or not bool(places.any()):
            continue
        met = CliffMet(
            cliff=rule.cliff,
            value=site.operation.outputs[0].name,
            kind=site.operation.kind,
            also=rule.also(site),
            count=int(places.sum()),
            of=places.numel(),
            largest=_largest(rule.decides(site)) if rule.cliff.measured else math.nan,
        )
        site = replace(site, result=torch.where(places, rule.gives(site), site.result))
        yield met, site.result


def _zero(site: Site) -> Tensor:
    return torch.zeros_like(site.result)


def _infinite(site: Site) -> Tensor:
    return torch.full_like(site.result, math.inf).copysign(site.result)


def _softplus(site: Site) -> Tensor:
    return site.x > cliffs.SOFTPLUS_LIMIT


def _log_sum_exp(site: Site) -> Tensor:
    """The result is the logarithm of the sum."""
    return site.result > math.log(cliffs.LARGEST_SUM_OF_EXPONENTIALS)


def _log_of_exponentials(site: Site) -> Tensor | None:
    total = site.before(site.operation, "x")
    if total is None or total.kind not in _SUMS_OF_EXPONENTIALS:
        return None
    terms = [site.before(total, name) for name in ("x", "y")]
    is_of_exponentials = any(item is not None and item.kind == "exp" for item in terms)
    return site.x > cliffs.LARGEST_SUM_OF_EXPONENTIALS if is_of_exponentials else None


def _flat_product(site: Site) -> Tensor | None:
    """hardswish is written as x times ``sigmoid_hard`` of x, with 1/6 and 1/2."""
    hardswish = site.operation
    for gate, other in (("x", "y"), ("y", "x")):
        hard = site.before(hardswish, gate)
        if (
            hard is not None
            and hard.kind == "sigmoid_hard"
            and _name(hard, "x") == _name(hardswish, other)
            and math.isclose(site.number(hard, "alpha"), 1 / 6, rel_tol=1e-3)
            and site.number(hard, "beta") == 0.5
        ):
            return torch.ones_like(site.result, dtype=torch.bool) if _is_of_flat_product(site, hard) else None
    return None


def _is_of_flat_product(site: Site, hard: Operation) -> bool:
    before = site.before(hard, "x")
    while before is not None and before.kind not in _FLAT:
        before = _before_bias_or_bound(site, before)
    shape = None if before is None else before.outputs[0].type.shape
    return shape is not None and len(shape) == cliffs.FLAT_PRODUCT_RANK


def _before_bias_or_bound(site: Site, operation: Operation) -> Operation | None:
    """What is read by a bias, or by the bound that coremltools puts before hardswish (below -3 it is 0); of others None."""
    if operation.kind == "thresholded_relu" and site.number(operation, "alpha") == -3.0:
        return site.before(operation, "x")
    if operation.kind == "add" and site.is_constant(operation, "y"):
        return site.before(operation, "x")
    if operation.kind == "add" and site.is_constant(operation, "x"):
        return site.before(operation, "y")
    return None


def _slice(site: Site) -> Tensor | None:
    begin, masks = site.arguments.get("begin"), site.arguments.get("begin_mask")
    if site.x.ndim != cliffs.SLICE_RANK or not isinstance(begin, Tensor):
        return None
    first = int(begin.reshape(-1)[-1])
    is_from_start = isinstance(masks, Tensor) and bool(masks.reshape(-1)[-1])
    if is_from_start or first in (0, -site.x.shape[-1]):
        return None
    return site.result.isfinite() & (site.result.half().abs() > cliffs.SLICE_LIMIT)


def _product(site: Site) -> Tensor | None:
    weight = site.arguments.get("weight")
    if site.operation.kind == "conv" and isinstance(weight, Tensor) and math.prod(weight.shape[1:]) < 2:
        return None
    return site.result.isfinite() & (site.result.half().abs() >= cliffs.PRODUCT_LIMIT)


def _number(site: Site) -> Tensor:
    """What stands for no number."""
    if site.operation.kind == "cast":  # from what is computed elsewhere
        return torch.where(site.x.isnan(), math.inf, 0.0).to(site.result.dtype)
    if site.operation.kind == "softmax":
        given = site.arguments.get("axis")
        axis = int(given) if isinstance(given, Tensor) else -1
        finite = site.x.clamp(max=torch.finfo(torch.float16).max)
        return torch.softmax(finite, axis).nan_to_num(nan=0.0)
    return _zero(site)


def _summed(site: Site) -> tuple[str, ...]:
    name = _name(site.operation, "x")
    return () if name is None else (name,)


RULES = (
    Rule(cliffs.SOFTPLUS, ("softplus",), _softplus, _zero),
    Rule(cliffs.LOG_SUM_EXP, ("reduce_log_sum_exp",), _log_sum_exp, _zero),
    Rule(cliffs.EXPONENTIALS, ("log",), _log_of_exponentials, _zero, also=_summed),
    Rule(cliffs.FLAT_PRODUCT, ("mul",), _flat_product, lambda site: site.result * (1 - cliffs.FLAT_PRODUCT_OFF)),
    Rule(cliffs.SLICE, _SLICES, _slice, _infinite),
    Rule(cliffs.PRODUCT, _PRODUCTS, _product, _infinite, decides=lambda site: site.result),
    Rule(cliffs.NO_NUMBER, (), lambda site: site.result.isnan(), _number),
)  # fmt: skip


def _name(operation: Operation, parameter: str) -> str | None:
    """The value that ``parameter`` is given, by name."""
    given = operation.inputs.get(parameter, ())
    return given[0] if len(given) == 1 and isinstance(given[0], str) else None


def _largest(tensor: Tensor) -> float:
    """The largest magnitude; infinity is one."""
    sizes = tensor.abs().nan_to_num(nan=0.0, posinf=math.inf)
    return float(sizes.max()) if sizes.numel() else 0.0
