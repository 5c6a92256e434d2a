"""Signs that roundings are drawn with, by seed."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Draw"]

_BITS = 65_521  # a prime, so that no axis of a tensor has its period


class Draw:
    """Signs for tensors of any size: pieces of one long row, each from another place."""

    def __init__(self, seed: int, size: float = 1.0) -> None:
        self.is_far = abs(size) > 1
        self._generator = torch.Generator().manual_seed(seed)
        signs = (torch.randint(0, 2, (_BITS,), generator=self._generator).double() * 2 - 1) * size
        self._twice = torch.cat([signs, signs])  # so that a piece from any place is in one piece
        self._factors: dict[float, Tensor] = {}

    def sign(self) -> float:
        return float(self._twice[self._place()])

    def signs(self, like: Tensor) -> Tensor:
        """As many as ``like`` has numbers."""
        return self._as_many(self._twice, like)

    def factors(self, like: Tensor, unit: float) -> Tensor:
        """As many, each as a factor: one and a sign times ``unit``."""
        if unit not in self._factors:
            self._factors[unit] = 1 + unit * self._twice
        return self._as_many(self._factors[unit], like)

    def _as_many(self, row: Tensor, like: Tensor) -> Tensor:
        start, count = self._place(), like.numel()
        piece, times = row[start : start + min(count, _BITS)], -(-count // _BITS)
        return (piece.repeat(times)[:count] if times > 1 else piece).reshape(like.shape)

    def _place(self) -> int:
        return int(torch.randint(0, _BITS, (), generator=self._generator))
