"""Numbers, one by one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten
Number = Tensor | float


@defines(aten.lerp.Scalar, aten.lerp.Tensor)
def lerp(self: Tensor, end: Tensor, weight: Number) -> Tensor:
    """x + w (y - x) if \\|w\\| < 1/2 else y - (1 - w) (y - x), so that either end is exact."""
    step = end - self
    if isinstance(weight, Tensor):
        return torch.where(weight.abs() < 0.5, self + step * weight, end - step * (1 - weight))
    return self + step * weight if abs(weight) < 0.5 else end - step * (1 - weight)


@defines(aten.hardshrink.default)
def hardshrink(self: Tensor, lambd: float) -> Tensor:
    """0 if \\|x\\| <= l else x"""
    return torch.where(self.abs() <= lambd, 0.0, self)


@defines(aten.softshrink.default)
def softshrink(self: Tensor, lambd: float) -> Tensor:
    """x - clamp(x, -l, l)"""
    return self - self.clamp(-lambd, lambd)


@defines(aten.threshold.default)
def threshold(self: Tensor, threshold: float, value: float) -> Any:
    """Of whole numbers, x if x > t else v"""
    if self.is_floating_point() or not isinstance(value, int):
        return NotImplemented
    return torch.where(self > threshold, self, value)


@defines(aten.celu.default)
def celu(self: Tensor, alpha: float) -> Tensor:
    """x if x > 0 else a elu(x / a)"""
    return torch.where(self > 0, self, aten.elu.default(self * (1 / alpha), 1.0) * alpha)


@defines(aten.trunc.default, aten.fix.default)
def trunc(self: Tensor) -> Any:
    """ceil(x) if x < 0 else floor(x)"""
    return torch.where(self < 0, self.ceil(), self.floor()) if self.is_floating_point() else self


@defines(aten.frac.default)
def frac(self: Tensor) -> Any:
    """x - trunc(x)"""
    return self - trunc(self)


@defines(aten.div.Tensor_mode, aten.div.Scalar_mode)
def div(self: Tensor, other: Number, rounding_mode: str | None) -> Any:
    """trunc(x / y); of integers by their magnitudes, of which the quotient is rounded down"""
    are_whole = not self.is_floating_point() and not _is_float(other)
    if rounding_mode == "floor" and are_whole:
        return torch.floor_divide(self, other)
    if rounding_mode != "trunc":
        return NotImplemented
    if are_whole:
        quotient = torch.floor_divide(self.abs(), _magnitude(other))
        return torch.where((self < 0) == (other < 0), quotient, -quotient)
    return trunc(self / other)


@defines(aten.relu.default)
def relu(self: Tensor) -> Any:
    """Of whole numbers: max(x, 0)"""
    return NotImplemented if self.is_floating_point() else self.clamp_min(0)


@defines(aten.relu6.default)
def relu6(self: Tensor) -> Any:
    """Of whole numbers: min(max(x, 0), 6)"""
    return NotImplemented if self.is_floating_point() else self.clamp(0, 6)


@defines(aten.hardtanh.default)
def hardtanh(self: Tensor, min_val: float, max_val: float) -> Any:
    """Of whole numbers: min(max(x, a), b)"""
    return NotImplemented if self.is_floating_point() else self.clamp(int(min_val), int(max_val))


@defines(aten.fmod.Scalar, aten.fmod.Tensor)
def fmod(self: Tensor, other: Number) -> Tensor:
    """sign(x) (\\|x\\| mod \\|y\\|); a quotient that was rounded to the next whole number is put right"""
    left, right = self.abs(), _magnitude(other)
    rest = left - torch.floor_divide(left, right) * right
    if rest.is_floating_point():
        rest = torch.where(rest < 0, rest + right, rest)
        rest = torch.where(rest >= right, rest - right, rest)
    return torch.where(self < 0, -rest, rest)


@defines(aten.special_entr.default)
def entr(self: Tensor) -> Tensor:
    """-x log x, 0 at 0, and -inf below"""
    is_above = self > 0
    inside = -self * torch.where(is_above, self, 1.0).log()
    return torch.where(is_above, inside, torch.where(self < 0, -math.inf, 0.0))


@defines(aten.logit.default, aten.special_logit.default)
def logit(self: Tensor, eps: float | None) -> Tensor:
    """log(x / (1 - x)), clamped to what it is at 1 - e and the opposite, for float16 has no 1 - e next to 1"""
    if eps is None or not 0 < eps < 0.5:
        inside = self if eps is None else self.clamp(eps, 1 - eps)
        return (inside / (1 - inside)).log()
    inside, most = self.clamp(0, 1), math.log((1 - eps) / eps)
    return (inside / (1 - inside)).log().clamp(-most, most)


@defines(aten.heaviside.default)
def heaviside(self: Tensor, values: Tensor) -> Tensor:
    """0, the value, or 1: below, at, and above 0"""
    return torch.where(self == 0, values, (self > 0).to(self.dtype))


@defines(aten.hypot.default)
def hypot(self: Tensor, other: Tensor) -> Tensor:
    """m sqrt((x / m)^2 + (y / m)^2) for the larger magnitude m, so that no square leaves float16"""
    largest = torch.maximum(self.abs(), other.abs())
    scale = torch.where(largest > 0, largest, 1.0)
    left, right = self / scale, other / scale
    return largest * (left * left + right * right).sqrt()


@defines(aten.logaddexp.default)
def logaddexp(self: Tensor, other: Tensor) -> Tensor:
    """max + log(1 + exp(min - max)); of equal ones, infinities too, the difference is 0"""
    return torch.maximum(self, other) + (1 + (-_distance(self, other)).exp()).log()


@defines(aten.logaddexp2.default)
def logaddexp2(self: Tensor, other: Tensor) -> Tensor:
    """max + log2(1 + 2^(min - max))"""
    return torch.maximum(self, other) + (1 + torch.exp2(-_distance(self, other))).log2()


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x == y, 0.0, (x - y).abs())


def _magnitude(value: Number) -> Any:
    return value.abs() if isinstance(value, Tensor) else abs(value)


def _is_float(value: Number) -> bool:
    return value.is_floating_point() if isinstance(value, Tensor) else isinstance(value, float)


@defines(aten.xlogy.Tensor, aten.xlogy.Scalar_Self, aten.xlogy.Scalar_Other)
def xlogy(self: Number, other: Number) -> Tensor:
    """x log y, 0 where x is"""
    if not isinstance(self, Tensor):
        assert isinstance(other, Tensor)  # one of the two is
        return other.log() * self if self else torch.zeros_like(other)
    logarithm = other.log() if isinstance(other, Tensor) else math.log(other)
    return torch.where(self == 0, 0.0, self * logarithm)


@defines(aten.sinc.default)
def sinc(self: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0"""
    turned = torch.where(self == 0, 1.0, self * math.pi)
    return torch.where(self == 0, 1.0, turned.sin() / turned)


@defines(aten.erfc.default, aten.special_erfc.default)
def erfc(self: Tensor) -> Tensor:
    """1 - erf(x)"""
    return 1 - self.erf()


@defines(aten.special_ndtr.default)
def ndtr(self: Tensor) -> Tensor:
    """(1 + erf(x / sqrt 2)) / 2"""
    return (1 + (self * math.sqrt(0.5)).erf()) / 2


def is_negative(x: Tensor) -> Tensor:
    """x < 0, or x is a zero of which a quotient is -infinity: of float16's least normal number, which no other number of
    float16 divides into more than float16 holds"""
    if not x.is_floating_point():
        return x < 0
    least = torch.full((), 2.0**-14, dtype=x.dtype)
    return torch.logical_or(x < 0, least / x < 0)


@defines(aten.copysign.Tensor, aten.copysign.Scalar)
def copysign(self: Tensor, other: Number) -> Tensor:
    """\\|x\\| with the sign of y"""
    size = self.abs()
    if isinstance(other, Tensor):
        return torch.where(is_negative(other), -size, size)
    return -size if math.copysign(1, other) < 0 else size


@defines(aten.signbit.default)
def signbit(self: Tensor) -> Tensor:
    """x < 0, and of a zero its sign"""
    return is_negative(self)


@defines(aten.isnan.default)
def isnan(self: Tensor) -> Tensor:
    """x != x"""
    return self != self


@defines(aten.isinf.default)
def isinf(self: Tensor) -> Tensor:
    """\\|x\\| = infinity"""
    return self.abs() == math.inf


@defines(aten.isfinite.default)
def isfinite(self: Tensor) -> Tensor:
    """\\|x\\| < infinity"""
    return self.abs() < math.inf


@defines(aten.isin.Tensor_Tensor)
def isin(elements: Tensor, test_elements: Tensor, invert: bool, **_: object) -> Tensor:
    """Whether the number is among the others."""
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    return ~found if invert else found


@defines(aten.fmax.default)
def fmax(self: Tensor, other: Tensor) -> Tensor:
    """max(x, y), the other where one is no number"""
    larger = torch.maximum(self, other)
    return torch.where(self != self, other, torch.where(other != other, self, larger))


@defines(aten.fmin.default)
def fmin(self: Tensor, other: Tensor) -> Tensor:
    """min(x, y), the other where one is no number"""
    smaller = torch.minimum(self, other)
    return torch.where(self != self, other, torch.where(other != other, self, smaller))


@defines(aten.ldexp.Tensor)
def ldexp(self: Tensor, other: Tensor) -> Tensor:
    """x 2^y"""
    return self * torch.exp2(other)


@defines(aten.asinh.default)
def asinh(self: Tensor) -> Tensor:
    """sign(x) log(\\|x\\| + sqrt(x^2 + 1))"""
    size = self.abs()
    found = log1p(size + size * size / (1 + (1 + size * size).sqrt()))
    return torch.where(self < 0, -found, found)


@defines(aten.expm1.default, aten.special_expm1.default)
def expm1(self: Tensor) -> Any:
    """tanh(x / 2) (exp(x) + 1): near 0 as exact as the tangent, where exp(x) - 1 loses all digits"""
    return (self / 2).tanh() * (self.exp() + 1) if self.is_floating_point() else NotImplemented


@defines(aten.log1p.default, aten.special_log1p.default)
def log1p(self: Tensor) -> Any:
    """x log(u) / (u - 1) for u = 1 + x near 0, and x where u is 1: what was rounded in u cancels (Goldberg, What every
    computer scientist should know about floating-point arithmetic, 1991); log(u) elsewhere"""
    if not self.is_floating_point():
        return NotImplemented
    sum_ = 1 + self
    step = sum_ - 1
    is_near, is_lost = self.abs() < 0.5, step == 0
    share = torch.where(is_near, self, 1.0) / torch.where(torch.logical_or(is_lost, ~is_near), 1.0, step)
    return torch.where(is_lost, self, sum_.log() * share)


@defines(aten.acosh.default)
def acosh(self: Tensor) -> Tensor:
    """log(x + sqrt(x^2 - 1))"""
    return (self + (self * self - 1).sqrt()).log()


@defines(aten.round.decimals)
def round_decimals(self: Tensor, decimals: int) -> Tensor:
    """round(10^d x) / 10^d"""
    power = 10.0 ** abs(decimals)
    return (self * power).round() / power if decimals >= 0 else (self / power).round() * power


@defines(aten.isclose.default)
def isclose(self: Tensor, other: Tensor, rtol: float, atol: float, **_: object) -> Tensor:
    """\\|x - y\\| <= a + r \\|y\\|, or x = y"""
    return torch.logical_or(self == other, (self - other).abs() <= atol + rtol * other.abs())
