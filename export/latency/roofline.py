"""The two rates that bound an operator on this machine, measured: of products, and of memory.

Both are measured in this process through the runtime that is profiled, with the same thread count, before and after
the profile: the best counts, since what else the machine did can only have slowed one down. The rate of products is that
of matrix products by constant weights; the rate of memory that of arrays which no cache holds. An operator whose values
are still in a cache can go beyond the second, and a convolution with a kernel of its own a little beyond the first.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ..formats.profiler import Profiler, Rate, Work

__all__ = ["CONVENTION", "Roofline", "measure_roofline"]

CONVENTION = "one multiply-add is 2 FLOP"
_SECONDS = 0.15  # for each product and each way through memory, each time
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_SMALLEST_ARRAY, _LARGEST_ARRAY = 64 * 2**20, 256 * 2**20  # bytes


@dataclass(frozen=True)
class Roofline:
    """All that was measured, float32; the best of each counts."""

    threads: int
    products: tuple[Rate, ...]
    transfers: tuple[Rate, ...]

    @property
    def product(self) -> Rate:
        return max(self.products, key=lambda rate: rate.giga_per_second)

    @property
    def transfer(self) -> Rate:
        return max(self.transfers, key=lambda rate: rate.giga_per_second)

    def and_again(self, later: Roofline) -> Roofline:
        """With what was measured ``later``, with as many threads."""
        return Roofline(self.threads, self.products + later.products, self.transfers + later.transfers)

    def compute_us(self, work: Work) -> float:
        """Microseconds that the multiply-adds take at the measured rate; 0 where they are not known."""
        return 2 * (work.multiply_adds or 0) / self.product.giga_per_second / 1e3

    def memory_us(self, work: Work) -> float:
        """Microseconds that the bytes take at the measured rate."""
        return work.bytes / self.transfer.giga_per_second / 1e3

    def bound_us(self, work: Work) -> float:
        """Microseconds that neither rate lets an operator stay below."""
        return max(self.compute_us(work), self.memory_us(work))

    def to_json(self) -> dict[str, object]:
        return {
            "threads": self.threads,
            "convention": CONVENTION,
            "gflops": self.product.giga_per_second,
            "gigabytes_per_second": self.transfer.giga_per_second,
            "products": [rate.to_json() for rate in self.products],
            "transfers": [rate.to_json() for rate in self.transfers],
        }


def measure_roofline(
    profiler: Profiler, threads: int, *, seconds: float = _SECONDS, array_bytes: int | None = None
) -> Roofline:
    """Measure both rates with as many threads, for ``seconds`` each size; 0 threads: the runtime's own choice.

    ``array_bytes`` is the size of each array in memory; by default four times the last cache, within limits.
    """
    size = array_bytes or min(max(4 * _last_cache_bytes(), _SMALLEST_ARRAY), _LARGEST_ARRAY)
    rates = profiler.measure_rates(threads, seconds=seconds, array_bytes=size)
    return Roofline(threads, rates.products, rates.transfers)


def _last_cache_bytes() -> int:
    """Size of the largest cache that the system knows of; 0 if it knows of none."""
    sizes = [0]
    for path in _CACHES.glob("index*/size"):
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text("ascii").strip()
            sizes.append(int(text.removesuffix("K")) * 1024)
    return max(sizes)
