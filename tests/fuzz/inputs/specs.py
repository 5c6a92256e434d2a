"""Specs of users' modules, in TOML."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..case import ANY, BAD, REFUSED, SOUND, InputClass, Place, Run, Trial
from ..sound import MODEL, SPEC, Sound
from ..values import (
    COMMAND,
    ESSENTIAL,
    NAMES,
    Literal,
    changed,
    damage,
    places,
    without,
    words,
)

__all__ = ["SPECS"]

_MARK = b"\xef\xbb\xbf"


def _toml(value: Any) -> str:
    """A value as TOML has it; literals as they are."""
    if isinstance(value, Literal):
        return {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf", '"\\ud800"': '"\\ud800"'}.get(
            value.text, value.text
        )
    if value is None:
        return "null"  # which TOML has not
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def _document() -> dict[str, Any]:
    """The sound spec; TOML's readers come with Python 3.11."""
    return {
        "labels": "labels.txt",
        "outputs": ["logits"],
        "inputs": [{
            "name": "image", "shape": [1, 3, 32, 32], "dtype": "float32", "role": "image",
            "preprocessing": {"resize_size": 36, "interpolation": "bilinear", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        }],
        "metadata": {"author": "somebody", "license": "MIT"},
    }  # fmt: skip


def _written(document: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in document.items())


def _spec(text: str | bytes, codes: frozenset[int], what: str, place: Place) -> Run:
    place.copy(place.sound.labels)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (place.folder / "model.toml").write_bytes(data)
    more = ("--format", "coreml") if place.number % 4 == 0 else ()
    more += ("--json",) if place.number % 3 == 0 else ()
    return Run(
        what,
        ("export", "--model", MODEL, "--spec", "model.toml", "--dry-run", "--output", "out", *more),
        codes,
    )


def _changed_spec(change: Callable[[dict[str, Any]], Any], codes: frozenset[int], place: Place) -> Run:
    document = _document()
    document = change(document) or document
    return _spec(_written(document), codes, "", place)


def _input(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document["inputs"][0].update(values)


_SPEC_CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an axis of 2**40": _input(shape=[1, 3, 2**40, 2**40], preprocessing={}),
    "an axis of 10**5": _input(shape=[1, 3, 10**5, 10**5], preprocessing={}),
    "a batch of a million": _input(shape=[10**6, 3, 32, 32]),
    "rank 65": _input(shape=[1] * 65, role="tensor"),
    "no axes": _input(shape=[], role="tensor"),
    "resize_size of 10**9": lambda d: d["inputs"][0]["preprocessing"].update(resize_size=10**9),
    "std of zero": lambda d: d["inputs"][0]["preprocessing"].update(std=[0.0, 0.0, 0.0]),
    "an input twice": lambda d: d["inputs"].append(d["inputs"][0]),
    "1,000 inputs": lambda d: d.update(inputs=[dict(d["inputs"][0], name=f"i{n}") for n in range(1000)]),
    "10,000 outputs": lambda d: d.update(outputs=[f"o{n}" for n in range(10_000)]),
    "an output twice": lambda d: d.update(outputs=["logits", "logits"]),
    "labels that are the spec": lambda d: d.update(labels="model.toml"),
    "labels: a folder": lambda d: d.update(labels="."),
    "labels: a device": lambda d: d.update(labels="/dev/zero"),
    "labels: not there": lambda d: d.update(labels="names.txt"),
}  # fmt: skip

_SPEC_TEXTS: dict[str, bytes] = {
    "empty": b"",
    "no TOML": b"{}",
    "JSON": json.dumps(_document()).encode(),
    "UTF-16": SPEC.encode("utf-16"),
    "bytes that are no UTF-8": SPEC.encode().replace(b"somebody", b"some\xff"),
    "a null byte": SPEC.encode().replace(b"somebody", b"some\x00"),
    "lists 100,000 deep": b"labels = " + b"[" * 100_000,
    "lists 500 deep": b"labels = " + b"[" * 500 + b"]" * 500,
    "tables 100,000 deep": b"[" + b".".join([b"a"] * 100_000) + b"]\n",
    "keys 100,000 deep": b".".join([b"a"] * 100_000) + b" = 1\n",
    "a number of 5,000 digits": b"labels = " + b"9" * 5000,
    "a key twice": b'labels = "x"\n' + SPEC.encode(),
    "a date": b"labels = 1979-05-27T07:32:00Z\n",
    "a key of an escape code": b'"\\u001b[2J" = 1\n',
    "a key of a command of a CI": ('"a\\n' + COMMAND + '" = 1\n').encode(),
    "a key of 100,000 letters": b'"' + b"k" * 100_000 + b'" = 1\n',
    "20 MiB of comments": b"# comment\n" * (2 << 20),
}


def _specs_listed(sound: Sound) -> Sequence[Trial]:
    trials = []
    document = _document()
    for steps in places(document, of_a_list=1):
        trials += [
            Trial(
                f"{words(steps)}: {value.name}",
                partial(_changed_spec, partial(changed, steps=steps, value=value.value), ANY),
            )
            for value in ESSENTIAL
        ]
        trials.append(
            Trial(f"{words(steps)} left out", partial(_changed_spec, partial(without, steps=steps), ANY))
        )
    trials += [Trial(name, partial(_changed_spec, change, ANY)) for name, change in _SPEC_CHANGES.items()]
    codes = {"empty": ANY, "20 MiB of comments": ANY, "lists 500 deep": REFUSED}
    trials += [
        Trial(f"the file: {name}", partial(_spec, text, codes.get(name, BAD), ""))
        for name, text in _SPEC_TEXTS.items()
    ]
    return trials


def _spec_drawn(place: Place) -> Run:
    if place.random.random() < 0.4:
        data, what = damage(SPEC.encode(), place.random)
        return _spec(data, ANY, what, place)
    document, done = _document(), []
    for _ in range(int(place.random.choice((1, 1, 2)))):
        all_places = list(places(document, of_a_list=4))
        steps = place.pick(all_places)
        value = place.pick([*ESSENTIAL, *NAMES])
        document = changed(document, steps, value.value)
        done.append(f"{words(steps)}: {value.name}")
    return _spec(_written(document), ANY, "; ".join(done), place)


_SOUND_SPECS: dict[str, str | bytes] = {
    "a byte order mark": _MARK + SPEC.encode(),
    "CRLF": SPEC.replace("\n", "\r\n").encode(),
    "comments": SPEC.replace("\n", "  # a comment: 昆虫\n").replace("]  #", "] #"),
    "inline": _written(_document()),
    "no line at the end": SPEC.rstrip("\n"),
    "metadata in any script": SPEC.replace("somebody", "Jürgen 昆虫 🐝 \\u00e9"),
    "metadata of a number": SPEC.replace('"somebody"', "7"),
    "whole numbers as the mean": SPEC.replace("mean = [0.5, 0.5, 0.5]", "mean = [0, 0, 0]").replace("std = [0.5, 0.5, 0.5]", "std = [1, 1, 1]"),
    "no labels": SPEC.replace('labels = "labels.txt"\n', ""),
    "labels in a folder": SPEC.replace('"labels.txt"', '"names of 昆虫/the labels.txt"'),
    "one line of many": SPEC.replace("[0.5, 0.5, 0.5]", "[\n 0.5,\n 0.5,\n 0.5,\n]"),
    "inputs alone": SPEC[SPEC.index("[[inputs]]") :],
}  # fmt: skip


def _spec_odd(text: str | bytes, name: str, place: Place) -> Run:
    run = _spec(text, SOUND, "", place)
    place.copy(place.sound.labels, "names of 昆虫/the labels.txt")
    return Run(
        "",
        tuple(argument for argument in run.arguments if argument != "--format" and argument != "coreml"),
        SOUND,
    )


def _specs_odd(sound: Sound) -> Sequence[Trial]:
    return [Trial(name, partial(_spec_odd, text, name)) for name, text in _SOUND_SPECS.items()]


SPECS = InputClass("spec", _specs_listed, _spec_drawn, 200, _specs_odd, most=200)
