"""JSON files of any kind: every field with every hostile value, and the sound ways to write one down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .case import ANY, BAD, SOUND, Place, Run, Trial
from .sound import Sound
from .values import (
    ESSENTIAL,
    Literal,
    Steps,
    changed,
    damage,
    drawn_change,
    found,
    places,
    text_of,
    with_one_more,
    without,
    words,
)

__all__ = ["Document", "encoded", "is_no_json"]

_TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "null": lambda data: b"null",
    "a list": lambda data: b"[]",
    "a word": lambda data: b'"report"',
    "an empty object": lambda data: b"{}",
    "half of it": lambda data: data[: len(data) // 2],
    "twice": lambda data: data + data,
    "lists 100,000 deep": lambda data: b"[" * 100_000,
    "objects 100,000 deep": lambda data: b'{"a":' * 100_000,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "bytes that are no UTF-8": lambda data: data.replace(b'"', b'"\xff', 3),
    "300 MiB behind it": lambda data: data + bytes(300 << 20),
}

_SPELLINGS: dict[str, Callable[[Any], bytes]] = {
    "a byte order mark": lambda document: b"\xef\xbb\xbf" + json.dumps(document).encode(),
    "CRLF": lambda document: json.dumps(document, indent=2).replace("\n", "\r\n").encode(),
    "one line": lambda document: json.dumps(document, separators=(",", ":")).encode(),
    "keys in another order": lambda document: json.dumps(dict(reversed(list(document.items())))).encode(),
}


def encoded(text: str) -> bytes:
    """Halves of surrogates too, which are no text."""
    return text.encode("utf-8", "surrogatepass")


def is_no_json(value: Any) -> bool:
    """What no reader of JSON may take: NaN, infinity, lists without end."""
    return isinstance(value, Literal) and not value.text.startswith('"')


@dataclass(frozen=True)
class Document:
    """``sound`` gives the document that is changed, ``write`` puts a file of these bytes before a command."""

    sound: Callable[[Sound], Any]
    write: Callable[[Place, bytes], Run]
    maps: tuple[Steps, ...] = ()  # objects whose keys are free: one of them stands for all
    may_pass: bool = False  # a number that is none is judged, or a command does not open the file

    def listed(self, sound: Sound) -> Iterator[Trial]:
        """Every field, and the whole file as something else."""
        document = self.sound(sound)
        for steps in places(document, of_a_list=1, maps=self.maps):
            for value in ESSENTIAL:
                codes = BAD if is_no_json(value.value) and not self.may_pass else ANY
                yield Trial(f"{words(steps)}: {value.name}", partial(self._set, steps, value.value, codes))
            yield Trial(f"{words(steps)} left out", partial(self._left_out, steps))
            if isinstance(found(document, steps), (dict, list)):
                yield Trial(f"{words(steps)} with one more", partial(self._one_more, steps))
        for name, text in _TEXTS.items():
            yield Trial(f"the file: {name}", partial(self._text, text))

    def drawn(self, place: Place) -> Run:
        """Some fields, or some bytes."""
        document = self.sound(place.sound)
        if place.random.random() < 0.7:
            text, what = drawn_change(document, place.random)
            data = encoded(text)
        else:
            data, what = damage(json.dumps(document, indent=1).encode(), place.random)
        return replace(self.write(place, data), what=what)

    def spelt(self) -> Iterator[Trial]:
        """The sound ones."""
        for name, spell in _SPELLINGS.items():
            yield Trial(name, partial(self._spelt, spell))

    def named(self, steps: Steps, names: Iterator[str] | tuple[str, ...]) -> Iterator[Trial]:
        """Sound ones, in which something is called otherwise."""
        for name in names:
            yield Trial(f"{words(steps)}: {name}", partial(self._spelt, partial(_renamed, steps, name)))

    def _set(self, steps: Steps, value: Any, codes: frozenset[int], place: Place) -> Run:
        run = self.write(place, encoded(text_of(changed(self.sound(place.sound), steps, value))))
        return replace(run, codes=codes & run.codes)

    def _left_out(self, steps: Steps, place: Place) -> Run:
        return self.write(place, encoded(text_of(without(self.sound(place.sound), steps))))

    def _one_more(self, steps: Steps, place: Place) -> Run:
        return self.write(place, encoded(text_of(with_one_more(self.sound(place.sound), steps))))

    def _text(self, text: Callable[[bytes], bytes], place: Place) -> Run:
        data = text(json.dumps(self.sound(place.sound)).encode())
        return replace(self.write(place, data), codes=BAD)

    def _spelt(self, spell: Callable[[Any], bytes], place: Place) -> Run:
        run = self.write(place, spell(self.sound(place.sound)))
        # A training is asked for a teacher that there is not, once it has read everything else.
        return replace(run, codes=frozenset({2}) if run.arguments[0] == "train" else SOUND)


def _renamed(steps: Steps, name: str, document: Any) -> bytes:
    return json.dumps(changed(document, steps, name), ensure_ascii=False).encode()
