"""Precision maps, as `cloformer parity` writes them and people edit them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from ..case import ANY, BAD, REFUSED, SOUND, InputClass, Place, Run, Trial
from ..sound import CLASSES, MODEL, Sound
from ..values import (
    ESSENTIAL,
    NAMES,
    Literal,
    changed,
    damage,
    drawn_change,
    places,
    text_of,
    without,
    words,
)

__all__ = ["PRECISION_MAPS"]

_SMALL = ("--model", MODEL, "--image-size", "32", "--dry-run", "--output", "out")
_TEN = "\n".join(CLASSES)
_MARK = b"\xef\xbb\xbf"


_MAP = {
    "schema_version": 1,
    "because": "beyond float16",
    "float32": [{"node": "relu", "operator": "relu", "largest": 1.0}],
}


def _map(text: str | bytes, codes: frozenset[int], what: str, place: Place) -> Run:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (place.folder / "map.json").write_bytes(data)
    kind = ("--format", "coreml", "--precision", "fp16") if place.number % 5 else ("--format", "onnx")
    return Run(
        what,
        ("export", *_SMALL, *kind, "--precision-map", "map.json"),
        codes if place.number % 5 else codes | REFUSED,
    )


def _maps_listed(sound: Sound) -> Sequence[Trial]:
    trials = []
    for steps in places(_MAP, of_a_list=1):
        for value in ESSENTIAL:
            is_sure = isinstance(value.value, Literal) and not value.value.text.startswith('"')
            text = text_of(changed(_MAP, steps, value.value))
            trials.append(
                Trial(f"{words(steps)}: {value.name}", partial(_map, text, BAD if is_sure else ANY, ""))
            )
        trials.append(
            Trial(f"{words(steps)} left out", partial(_map, text_of(without(_MAP, steps)), ANY, ""))
        )
    files = {
        "empty": b"", "null": b"null", "a list": b"[]", "a number": b"1", "deep": b"[" * 100_000, "UTF-16": json.dumps(_MAP).encode("utf-16"),
        "not UTF-8": b'{"schema_version": 1, "float32": [{"node": "\xff"}]}', "an empty object": b"{}", "cut": json.dumps(_MAP).encode()[:-1],
    }  # fmt: skip
    trials += [Trial(f"the file: {name}", partial(_map, data, BAD, "")) for name, data in files.items()]
    many = {**_MAP, "float32": [{"node": f"n{number}"} for number in range(100_000)]}
    trials.append(Trial("100,000 operators", partial(_map, json.dumps(many), ANY, "")))
    for value in NAMES:
        named = {**_MAP, "float32": [{"node": value.value}]}
        trials.append(Trial(f"an operator called: {value.name}", partial(_map, json.dumps(named), ANY, "")))
    return trials


def _map_drawn(place: Place) -> Run:
    if place.random.random() < 0.7:
        text, what = drawn_change(_MAP, place.random)
        return _map(text, ANY, what, place)
    data, what = damage(json.dumps(_MAP).encode(), place.random)
    return _map(data, ANY, what, place)


def _map_odd(data: bytes, place: Place) -> Run:
    (place.folder / "map.json").write_bytes(data)
    return Run("", ("export", *_SMALL, "--format", "coreml", "--precision-map", "map.json"), SOUND)


def _maps_odd(sound: Sound) -> Sequence[Trial]:
    empty = {**_MAP, "float32": []}
    spellings = {
        "a byte order mark": _MARK + json.dumps(empty).encode(),
        "CRLF": json.dumps(empty, indent=1).replace("\n", "\r\n").encode(),
        "a comment of one's own": json.dumps({**empty, "because": "昆虫 🐝"}, ensure_ascii=False).encode(),
        "as parity wrote it": sound.precision_map.read_bytes(),
        "an operator": json.dumps(_MAP).encode(),
        "an operator twice": json.dumps({**_MAP, "float32": _MAP["float32"] * 2}).encode(),  # type: ignore[operator]
    }
    return [Trial(name, partial(_map_odd, data)) for name, data in spellings.items()]


PRECISION_MAPS = InputClass("precision map", _maps_listed, _map_drawn, 100, _maps_odd, most=90)
