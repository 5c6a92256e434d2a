"""Hostile values, and the places of a document that they are put in."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

__all__ = ["ESSENTIAL", "NAMES", "VALUES", "Literal", "Value", "changed", "damage", "places", "text_of"]

Steps = tuple[str | int, ...]

COMMAND = "::set-output name=owned::yes"
_MARK = "literal-5d1f-"


@dataclass(frozen=True)
class Literal:
    """Text that stands in a JSON document as it is, which no JSON library writes."""

    text: str


@dataclass(frozen=True)
class Value:
    """``outside`` marks a path that leads out of the artifact: none of them may be followed."""

    name: str
    value: Any


def _nested(depth: int, opening: str, closing: str, inside: str = "") -> Literal:
    return Literal(opening * depth + inside + closing * depth)


# Of the kinds that the issue names, one or two each: every field gets these.
ESSENTIAL: tuple[Value, ...] = (
    Value("null", None),
    Value("a word", "word"),
    Value("the empty word", ""),
    Value("a number", 7),
    Value("zero", 0),
    Value("below zero", -1),
    Value("2**64", 2**64),
    Value("NaN", Literal("NaN")),
    Value("Infinity", Literal("Infinity")),
    Value("a long word", "w" * 100_000),
    Value("control characters", "a\x1b[2J\x07\r\n" + COMMAND + "\n"),
    Value("half a surrogate", Literal('"\\ud800"')),
    Value("an empty list", []),
    Value("an empty object", {}),
    Value("lists in lists", _nested(100_000, "[", "]")),
    Value("true", True),
)

# Besides them, for what is drawn.
VALUES: tuple[Value, ...] = (
    *ESSENTIAL,
    Value("false", False),
    Value("-2**63", -(2**63)),
    Value("2**31", 2**31),
    Value("2**53 + 1", 2**53 + 1),
    Value("10**30", 10**30),
    Value("a number of 5,000 digits", Literal("9" * 5000)),
    Value("a number beyond float64", Literal("1e400")),
    Value("a tiny number", 1e-320),
    Value("a half", 0.5),
    Value("minus zero", Literal("-0.0")),
    Value("1e308", 1e308),
    Value("minus infinity", Literal("-Infinity")),
    Value("a blank", " "),
    Value("a null character", "a\x00b"),
    Value("an escape code", "\x1b]0;owned\x07\x1b[31m"),
    Value("an escape code of 8 bits", "\x9b31m"),
    Value("a command of a CI", COMMAND),
    Value("a line and a command of a CI", "a\n" + COMMAND),
    Value("a line separator", f"a\u2028{COMMAND}\u2029{COMMAND}\x85{COMMAND}"),
    Value("right to left", "\u202egnp.exe"),
    Value("beyond 16 bits", "\U0001f98a" * 3),
    Value("a format", "%s%n{0}{}${HOME}$(id)`id`"),
    Value("markup", "<script>alert(1)</script><img src=x onerror=alert(1)>"),
    Value("a number as a word", "1"),
    Value("digits of another script", "\u0661\u0662"),
    Value("a path up", "../canary.txt"),
    Value("a path far up", "../" * 12 + "etc/passwd"),
    Value("a path from the root", "/etc/passwd"),
    Value("a path of Windows", "..\\..\\canary.txt"),
    Value("here", "."),
    Value("up", ".."),
    Value("home", "~/canary.txt"),
    Value("a list of null", [None]),
    Value("a list of lists", [[[]]]),
    Value("a hundred thousand numbers", list(range(100_000))),
    Value("an object in a list", [{}]),
    Value("a strange object", {"": {"": None}}),
    Value("objects in objects", _nested(50_000, '{"a":', "}", "1")),
    Value("the model", "model.onnx"),
    Value("the manifest", "manifest.json"),
    Value("one of everything", [1, "1", None, True, {}, []]),
)

_PATHS = ("a path up", "a path far up", "a path from the root", "a path of Windows", "here", "up", "home")

# Names as files, classes, layers and devices have them when somebody means harm.
NAMES: tuple[Value, ...] = tuple(
    value
    for value in VALUES
    if isinstance(value.value, str) and value.value and "\x00" not in value.value and value.name not in _PATHS
)


def places(
    document: Any, steps: Steps = (), *, of_a_list: int = 2, maps: Sequence[Steps] = ()
) -> Iterator[Steps]:
    """Where something stands in a document: every field, and of a list the first entries and the last. ``maps`` are
    objects whose keys are free: one of them stands for all."""
    if steps:
        yield steps
    if isinstance(document, dict):
        for key in list(document)[: 1 if steps in maps else None]:
            yield from places(document[key], (*steps, key), of_a_list=of_a_list, maps=maps)
    elif isinstance(document, list):
        count = len(document)
        for index in range(count) if count <= of_a_list else (*range(of_a_list - 1), count - 1):
            yield from places(document[index], (*steps, index), of_a_list=of_a_list, maps=maps)


def found(document: Any, steps: Steps) -> Any:
    """What stands there."""
    for step in steps:
        document = document[step]
    return document


def words(steps: Steps) -> str:
    """As a person writes it: functions[0].inputs[0].shape."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def changed(document: Any, steps: Steps, value: Any) -> Any:
    """A copy with another value there."""
    made = copy.deepcopy(document)
    found(made, steps[:-1])[steps[-1]] = value
    return made


def without(document: Any, steps: Steps) -> Any:
    """A copy without what stands there."""
    made = copy.deepcopy(document)
    del found(made, steps[:-1])[steps[-1]]
    return made


def with_one_more(document: Any, steps: Steps) -> Any:
    """A copy with a key that nobody knows in the object that stands there, or an entry twice in the list."""
    made = copy.deepcopy(document)
    target = found(made, steps)
    if isinstance(target, dict):
        target["surprise\x1b[2J"] = "yes"
    else:
        target.append(target[-1] if target else None)
    return made


def text_of(document: Any, *, twice: Steps = ()) -> str:
    """The document as JSON, literals as they are; ``twice`` is a key that stands there a second time, as null."""
    literals: list[str] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Literal):
            literals.append(value.text)
            return f"{_MARK}{len(literals) - 1}"
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value

    if twice:
        target = found(document, twice[:-1])
        key = twice[-1]
        again = {**target, f"{_MARK}twice": None}
        document = changed(document, twice[:-1], again) if len(twice) > 1 else again
        return json.dumps(plain(document)).replace(json.dumps(f"{_MARK}twice"), json.dumps(key))
    text = json.dumps(plain(document))
    for number, literal in enumerate(literals):
        text = text.replace(json.dumps(f"{_MARK}{number}"), literal)
    return text


def damage(data: bytes, random: Generator) -> tuple[bytes, str]:
    """The bytes with one thing wrong with them, or a few, and what that is."""
    kind = int(random.integers(8))
    size = len(data)
    if size == 0:
        return bytes(random.integers(0, 256, 64, "uint8")), "random bytes for none"
    at = int(random.integers(size))
    if kind == 0:
        return data[:at], f"cut after {at} of {size} bytes"
    if kind == 1:
        bit = 1 << int(random.integers(8))
        return data[:at] + bytes([data[at] ^ bit]) + data[
            at + 1 :
        ], f"bit {bit} of byte {at} of {size} flipped"
    if kind == 2:
        value = int(random.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF)))
        return data[:at] + bytes([value]) + data[at + 1 :], f"byte {at} of {size} set to {value}"
    if kind == 3:
        length = int(random.integers(1, 65))
        noise = bytes(random.integers(0, 256, length, "uint8"))
        return data[:at] + noise + data[at + length :], f"{length} random bytes from {at} of {size} on"
    if kind == 4:
        length = int(random.integers(1, 1025))
        return data[:at] + data[at + length :], f"{length} bytes from {at} of {size} on left out"
    if kind == 5:
        length = int(random.integers(1, 1025))
        return data[:at] + data[at : at + length] + data[at:], f"{length} bytes from {at} of {size} on twice"
    if kind == 6:  # a length or an offset, as most formats write it: near the beginning
        at = int(random.integers(min(size, 64)))
        large = (1 << int(random.integers(8, 64))) - int(random.integers(2))
        return data[:at] + large.to_bytes(8, "little") + data[
            at + 8 :
        ], f"{large} in eight bytes at {at} of {size}"
    flips = bytearray(data)
    count = int(random.integers(2, 33))
    for place in random.integers(0, size, count):
        flips[int(place)] ^= 1 << int(random.integers(8))
    return bytes(flips), f"{count} bits of {size} bytes flipped"


def drawn_change(document: Any, random: Generator, values: Sequence[Value] = VALUES) -> tuple[str, str]:
    """A JSON document with one to three fields changed, as text, and what was done."""
    done = []
    for _ in range(int(random.choice((1, 1, 1, 2, 3)))):
        all_places = list(places(document, of_a_list=8))
        if not all_places:
            break
        steps = all_places[int(random.integers(len(all_places)))]
        if random.random() < 0.12:
            document = without(document, steps)
            done.append(f"{words(steps)} left out")
            continue
        chosen = values[int(random.integers(len(values)))]
        document = changed(document, steps, chosen.value)
        done.append(f"{words(steps)}: {chosen.name}")
    return text_of(document), "; ".join(done)
