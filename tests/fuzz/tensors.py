"""Files of tensors (.safetensors) that lie about themselves: checkpoints, kits and conformance vectors are some."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from .values import NAMES, Literal, damage, drawn_change, text_of

__all__ = ["TROUBLES", "drawn_tensors", "joined", "parts"]


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the values of a sound file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: Any, values: bytes) -> bytes:
    """A file with this header, which may hold literals."""
    text = text_of(header).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + values


Change = Callable[[dict[str, Any], str], object]


def _entry(**values: Any) -> Change:
    """Of the first tensor."""
    return lambda header, name: header[name].update(values)


def _renamed(new: str) -> Change:
    return lambda header, name: header.__setitem__(new, header.pop(name))


def _of_rank(rank: int) -> Change:
    def change(header: dict[str, Any], name: str) -> None:
        begin, end = header[name]["data_offsets"]
        width = {"F32": 4, "F16": 2, "I64": 8, "U8": 1, "F64": 8}[header[name]["dtype"]]
        header[name]["shape"] = [1] * (rank - 1) + [(end - begin) // width]

    return change


def _metadata(value: Any) -> Change:
    return lambda header, name: header.__setitem__("__metadata__", value)


_HEADERS: dict[str, Change] = {
    "a size of 2**60": _entry(shape=[1 << 30, 1 << 30]),
    "a size below zero": _entry(shape=[-1]),
    "a size of a half": _entry(shape=[0.5]),
    "a size of a word": _entry(shape=["1"]),
    "a product that is zero by overflow": _entry(shape=[1 << 32, 1 << 32]),
    "no sizes": _entry(shape=None),
    "rank 65": _of_rank(65),
    "rank 33": _of_rank(33),
    "rank 5,000": _of_rank(5000),
    "a type that nobody knows": _entry(dtype="F7"),
    "a type of eight bits": _entry(dtype="F8_E4M3"),
    "a type of bfloat16": _entry(dtype="BF16"),
    "a type of truth": _entry(dtype="BOOL"),
    "no type": _entry(dtype=None),
    "offsets beyond the file": _entry(data_offsets=[0, 1 << 50]),
    "offsets in the wrong order": _entry(data_offsets=[8, 0]),
    "offsets below zero": _entry(data_offsets=[-8, 0]),
    "offsets of 2**64": _entry(data_offsets=[0, 2**64]),
    "one offset": _entry(data_offsets=[0]),
    "a tensor that is a list": lambda header, name: header.__setitem__(name, []),
    "a tensor less": lambda header, name: header.pop(name),
    "a tensor more": lambda header, name: header.__setitem__("more", {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
    "20,000 empty tensors more": lambda header, name: header.update(
        {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(20_000)}),
    "metadata of numbers": _metadata({"format": 1}),
    "metadata of a list": _metadata([]),
    "metadata of null": _metadata(None),
    "metadata in metadata": _metadata({"a": {"b": "c"}}),
    "metadata of ten million letters": _metadata({"format": "w" * 10_000_000}),
    "metadata nested too deep": _metadata(Literal("[" * 100_000 + "]" * 100_000)),
    "metadata of half a surrogate": _metadata({"format": Literal('"\\ud800"')}),
    **{f"a tensor called: {value.name}": _renamed(value.value) for value in NAMES},
}  # fmt: skip

_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "seven bytes": lambda data: data[:7],
    "eight bytes": lambda data: data[:8],
    "half of it": lambda data: data[: len(data) // 2],
    "all but a byte": lambda data: data[:-1],
    "a byte more": lambda data: data + b"x",
    "zeros": lambda data: bytes(1000),
    "text": lambda data: b"not a tensor\n" * 100,
    "a header of no bytes": lambda data: bytes(8) + data[8:],
    "a header of 2**63 bytes": lambda data: (1 << 63).to_bytes(8, "little") + data[8:],
    "a header longer than the file": lambda data: len(data).to_bytes(8, "little") + data[8:],
    "a header of 2 GiB": lambda data: (1 << 31).to_bytes(8, "little") + data[8:],
    "a header that is a list": lambda data: joined([], b""),
    "a header that is null": lambda data: joined(None, b""),
    "an empty header": lambda data: joined({}, b""),
    "a header nested 100,000 deep": lambda data: joined(Literal("[" * 100_000), b""),
    "a header that is no UTF-8": lambda data: (
        (16).to_bytes(8, "little") + b'{"\xff\xfe": {}}   ' + data[:100]
    ),
    "values that are no numbers": lambda data: joined(
        parts(data)[0], b"\xff\xff" * (len(parts(data)[1]) // 2) + b"\xff" * (len(parts(data)[1]) % 2)
    ),
    "values of infinity": lambda data: joined(
        parts(data)[0], (b"\x00\x00\x80\x7f" * (len(parts(data)[1]) // 4 + 1))[: len(parts(data)[1])]
    ),
}


def _with_header(change: Change, data: bytes) -> bytes:
    header, values = parts(data)
    change(header, next(name for name in header if name != "__metadata__"))
    return joined(header, values)


TROUBLES: dict[str, Callable[[bytes], bytes]] = {
    **_BYTES,
    **{name: (lambda data, change=change: _with_header(change, data)) for name, change in _HEADERS.items()},
}


def drawn_tensors(data: bytes, random: Generator) -> tuple[bytes, str]:
    """Fields of the header, bytes of the header, or bytes anywhere."""
    way = random.random()
    header, values = parts(data)
    if way < 0.5:
        text, what = drawn_change(header, random)
        encoded = text.encode("utf-8", "surrogatepass")
        return len(encoded).to_bytes(8, "little") + encoded + values, what
    if way < 0.7:
        length = 8 + int.from_bytes(data[:8], "little")
        changed, what = damage(data[:length], random)
        return changed + data[length:], f"the header: {what}"
    return damage(data, random)
