"""ExecuTorch programs: heads, tables and segments that lie, inside the delegate too; damaged bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator

from ..case import InputClass, Place, Run, Trial
from ..flat_words import HOSTILE, with_word
from ..sound import Sound
from ..values import damage
from .litert_files import changed_run, run_of

__all__ = ["PROGRAM_FILES"]

_RANGES = {"b": 7, "B": 8, "h": 15, "H": 16, "i": 31, "I": 32, "q": 63, "Q": 64}


def _written(content: Callable[[bytes], bytes], place: Place) -> Run:
    return run_of(place, "executorch", content)


def _number(at: int, value: int, size: int = 8) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + value.to_bytes(size, "little") + data[at + size :]


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


def _in_payload(at: int, value: int) -> Callable[[bytes], bytes]:
    """A number in the head of the first delegate's bytes."""

    def content(data: bytes) -> bytes:
        start = data.index(b"XH00") - 4 + at
        return data[:start] + value.to_bytes(4, "little") + data[start + 4 :]

    return content


_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "a head alone": lambda data: data[:40],
    "its first 64 bytes": lambda data: data[:64],
    "all but a byte": lambda data: data[:-1],
    "zeros": lambda data: data[:8] + bytes(1 << 20),
    "ones": lambda data: data[:8] + b"\xff" * (1 << 16),
    "random bytes": lambda data: data[:40] + np.random.default_rng(0).bytes(10_000),
    "a root beyond the file": _number(0, 2**31 - 1, 4),
    "a root at itself": _number(0, 0, 4),
    "a program of no bytes": _number(16, 0),
    "a program of 2**63 bytes": _number(16, 2**63),
    "a program of a byte too few": lambda data: _number(16, int.from_bytes(data[16:24], "little") - 1)(data),
    "segments behind the file": _number(24, 2**40),
    "segments at its beginning": _number(24, 0),
    "segments at 2**64 - 1": _number(24, 2**64 - 1),
    "a head of no bytes": _number(12, 0, 4),
    "a payload that begins behind itself": _in_payload(10, 2**31),
    "a payload of no bytes": _in_payload(14, 0),
    "a payload of 2**32 - 1 bytes": _in_payload(14, 2**32 - 1),
    "constants behind the payload": _in_payload(18, 2**32 - 1),
    "constants inside the graph": _in_payload(18, 64),
    "another method": _replaced(b"forward", b"\x1b[2J::a"),
    "another version of the delegate": _replaced(b"XN01", b"XN02"),
    "another delegate": _replaced(b"XnnpackBackend", b"QnnpackBackend"),
}  # fmt: skip


def _with_field(data: bytes, place: Place) -> tuple[bytes, str]:
    """One to three scalars of the program or of its delegate."""
    from program_faults import places

    path = place.folder / "scalars.pte"
    path.write_bytes(data)
    found = list(places(path))
    path.unlink()
    made, done = bytearray(data), []
    for _ in range(int(place.random.choice((1, 1, 1, 2, 3)))):
        item = found[int(place.random.integers(len(found)))]
        value = _another(item.value, item.code, place.random)
        struct.pack_into(f"<{item.code}", made, item.at, value)
        done.append(f"{item.table}.{item.field}: {value} instead of {item.value}")
    return bytes(made), "; ".join(done)


def _another(value: float, code: str, random: Generator) -> float:
    if code == "?":
        return not value
    if code in "fd":
        return float(random.choice((0.0, -1.0, 1e30, np.nan, np.inf, -np.inf, 2 * value + 1)))
    bits = _RANGES[code]
    near = int(value) + int(random.choice((-2, -1, 1, 2, 3)))
    choices = (*[near] * len(HOSTILE), *HOSTILE, 2**63 - 1, -1)
    chosen = choices[int(random.integers(len(choices)))] % 2**bits
    return int(chosen)


def _listed(_sound: Sound) -> Sequence[Trial]:
    return [Trial(name, partial(_written, content)) for name, content in _BYTES.items()]


def _drawn(place: Place) -> Run:
    """Scalars, words and bytes with the hash made right; and bytes with the hash as it was."""
    way = place.random.random()

    def change(data: bytes) -> tuple[bytes, str]:
        if way < 0.5:
            return _with_field(data, place)
        if way < 0.8:
            return with_word(data, _tables(data), place.random)
        return damage(data, place.random)

    return changed_run(place, "executorch", change, is_rehashed=way < 0.95)


def _tables(data: bytes) -> list[int]:
    """The words of the program's tables and of its delegate's: what lies behind are constants."""
    size = int.from_bytes(data[16:24], "little")
    start = data.index(b"XH00") - 4
    behind = start + int.from_bytes(data[start + 18 : start + 22], "little")
    return [*range(0, size - 4, 4), *range(start, min(behind, len(data)) - 4, 4)]


def _odd(_sound: Sound) -> Sequence[Trial]:
    return ()


PROGRAM_FILES = InputClass("ExecuTorch file", _listed, _drawn, 600, _odd)
