"""Shares as options give them."""

from __future__ import annotations

import math

from cloformer.errors import UsageError
from cloformer.io.numbers import finite

__all__ = ["parse_share"]


def parse_share(option: str, text: str, example: float = 0.05, *, most: float = 1) -> float:
    """``5%`` or ``0.05`` as 0.05; :class:`UsageError`, with an ``example``, if it is no share from 0 to ``most``."""
    number, per = (text.strip()[:-1], 100) if text.strip().endswith("%") else (text.strip(), 1)
    try:
        share = finite(number.strip()) / per
    except ValueError:
        share = math.nan
    if 0 <= share <= most:
        return share
    meant = share / 100 if per == 1 and most < share <= 100 else example
    raise UsageError(
        f"{option} {text!r} is no share from 0 to {most:g}", f"{option} takes {100 * meant:g}%, or {meant:g}"
    )
