"""Words of flatbuffers that lie: offsets, lengths and numbers are four bytes each, and lie at multiples of four."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

__all__ = ["HOSTILE", "shared", "with_word", "without_constants"]

HOSTILE = (
    0,
    1,
    2,
    3,
    4,
    7,
    16,
    255,
    2**15,
    2**16,
    2**20,
    2**28,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32 - 4,
    2**32 - 2**16,
)


def without_constants(data: bytes, constants: Sequence[bytes]) -> list[int]:
    """The places of words that are in none of these constants."""
    free = np.ones(len(data), bool)
    for constant in constants:
        at = data.find(constant) if len(constant) > 32 else -1
        if at >= 0:
            free[at : at + len(constant)] = False
    return [at for at in range(0, len(data) - 4, 4) if free[at]]


def with_word(data: bytes, places: Sequence[int], random: Generator) -> tuple[bytes, str]:
    """One to three words set to a hostile number, to a neighbour's, or off by a little."""
    made, done = bytearray(data), []
    for _ in range(int(random.choice((1, 1, 1, 2, 3)))):
        at = int(places[int(random.integers(len(places)))])
        old = int.from_bytes(made[at : at + 4], "little")
        near = (old + int(random.choice((-4, -1, 1, 4)))) % 2**32
        other = int(places[int(random.integers(len(places)))])
        choices = (*HOSTILE, *[near] * 8, int.from_bytes(data[other : other + 4], "little"))
        value = int(choices[int(random.integers(len(choices)))])
        made[at : at + 4] = value.to_bytes(4, "little")
        done.append(f"{value} instead of {old} in four bytes at {at} of {len(data)}")
    return bytes(made), "; ".join(done)


def shared(count: int, table: bytes, at: int) -> bytes:
    """A vector of ``count`` offsets that all lead to one ``table``, which begins ``at`` bytes into its own."""
    size = 4 + 4 * count
    offsets = [(size + at - 4 - 4 * number).to_bytes(4, "little") for number in range(count)]
    return count.to_bytes(4, "little") + b"".join(offsets) + table
