"""Numbers in words from outside, as options and files hold them.

Python reads more than people mean: digits of every script, `1_000`, blanks around, `nan` and `inf`. Here a number is
written in the digits 0 to 9, and is finite. What is none raises :class:`ValueError`, as ``int`` and ``float`` do.
"""

from __future__ import annotations

import math
import re

__all__ = ["bytes_in", "finite", "whole"]

_WHOLE = re.compile("-?[0-9]{1,30}")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_FINITE = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def whole(text: str, low: float = -math.inf, high: float = math.inf) -> int:
    """``224`` or ``-1``, from ``low`` to ``high``."""
    if _WHOLE.fullmatch(text) is None or not low <= int(text) <= high:
        raise ValueError(f"{text[:40]!r} is no whole number from {low} to {high}")
    return int(text)


def finite(text: str, low: float = -math.inf, high: float = math.inf) -> float:
    """``0.5``, ``-2`` or ``1e-3``, from ``low`` to ``high``."""
    number = float(text) if _FINITE.fullmatch(text) else math.nan
    if not (math.isfinite(number) and low <= number <= high):
        raise ValueError(f"{text[:40]!r} is no number from {low:g} to {high:g}")
    return number


def bytes_in(text: str) -> int:
    """``5MB``, ``4.5 MiB`` or ``300kB``; a number alone is bytes."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no size")
    return int(float(found[1]) * _BYTES[found[2] or "B"])
