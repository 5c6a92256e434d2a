"""How fast ExecuTorch's delegate multiplies matrices and moves memory on this machine."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from cloformer.io.quiet import quiet_natively

from ...source.signature import TensorSpec
from ...source.trace import lower, trace
from ..profiler import Rate, Rates, median_seconds
from .exporter import as_bytes
from .session import Threads, library

__all__ = ["measure_rates"]

# Rows, inner size and columns: a constant matrix is multiplied, as a model's weights are.
_PRODUCTS = ((256, 256, 256), (3136, 128, 512))
_ARRAYS = 7  # that a sum goes through: the runtime copies both inputs to where it wants them
_MOST_ROW = 2**20  # numbers of a row: the delegate counts them in 32 bits

Shapes = tuple[tuple[int, ...], ...]


def measure_rates(threads: int, *, seconds: float, array_bytes: int) -> Rates:
    """Matrix products of several sizes, and sums of arrays of ``array_bytes`` each, every one for ``seconds``.

    float32. 0 threads: the runtime's own choice.
    """
    return Rates(
        tuple(_product(sizes, threads, seconds) for sizes in _PRODUCTS),
        (_sum(array_bytes, threads, seconds),),
    )


class _Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def _product(sizes: tuple[int, int, int], threads: int, seconds: float) -> Rate:
    rows, inner, columns = sizes
    calls, took = _timed(((rows, inner),), columns, threads, seconds)
    flop = 2 * rows * inner * columns
    return Rate(f"linear {rows} x {inner} x {columns}, float32", calls, flop / took / 1e9)


def _sum(array_bytes: int, threads: int, seconds: float) -> Rate:
    rows = -(-array_bytes // (4 * _MOST_ROW))
    shape = rows, max(array_bytes // 4 // rows, 1)
    calls, took = _timed((shape, shape), None, threads, seconds)
    size = 4 * shape[0] * shape[1]
    return Rate(
        f"add and copies of its inputs, {_ARRAYS} arrays of {size / 2**20:,.0f} MiB, float32",
        calls,
        _ARRAYS * size / took / 1e9,
    )


def _timed(shapes: Shapes, columns: int | None, threads: int, seconds: float) -> tuple[int, float]:
    values = [torch.ones(shape) for shape in shapes]
    Threads.take(threads)
    try:
        with quiet_natively("executorch"):
            loaded = library()._load_for_executorch_from_buffer(_program(shapes, columns))
        # The output stays where the runtime keeps it: new pages cost more than the sum.
        return median_seconds(
            functools.partial(loaded.forward, values, clone_outputs=False), seconds, threads
        )
    finally:
        Threads.give_back()


@functools.cache
def _program(shapes: Shapes, columns: int | None) -> bytes:
    """A linear layer of so many outputs; or, of None, a sum."""
    model = _Sum() if columns is None else nn.Linear(shapes[0][1], columns)
    specs = [TensorSpec(f"x{number}", shape) for number, shape in enumerate(shapes)]
    return as_bytes(lower(trace(model.eval(), specs)))
