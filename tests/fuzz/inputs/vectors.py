"""What an artifact carries beside its model: conformance vectors, the kit, and where its values come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..artifacts import READERS, copied, rehash
from ..case import ANY, BAD, SOUND, InputClass, Make, Place, Run, Trial
from ..documents import Document, encoded
from ..sound import Sound
from ..tensors import TROUBLES, drawn_tensors, joined, parts
from ..values import NAMES

__all__ = ["CONFORMANCE", "KITS", "ORIGINS"]

Content = Callable[[bytes], bytes]

_FILE = "origins.json"

# The commands that read each file, in turn.
_OF_VECTORS = ("parity", "parity --json", "parity of operators", "bundle")
_OF_THE_KIT = ("import", "bundle")
_OF_ORIGINS = ("parity of operators", "profile")


def _run(
    file: str,
    readers: Sequence[str],
    content: Content,
    codes: frozenset[int],
    what: str,
    place: Place,
    *,
    again: bool = True,
    only: str | None = None,
) -> Run:
    """The artifact with another file, whose hash is made right ``again`` or stays as it was; ``only`` in one format."""
    rows = [READERS[name] for name in readers]
    row = rows[place.number % len(rows)]
    kind = row.formats[0] if row.formats == ("coreml",) or row.name == "import" else place.pick(row.formats)
    kind = only or kind
    artifact = copied(place, kind)
    path = artifact / file
    path.write_bytes(content(path.read_bytes()))
    if again:
        rehash(artifact)
    return Run(what, row.arguments(place, "artifact", kind), codes, ("out", "artifact-reports"))


def _of_tensors(file: str, readers: Sequence[str]) -> Callable[[Sound], Sequence[Trial]]:
    def listed(sound: Sound) -> Sequence[Trial]:
        return [
            Trial(name, partial(_run, file, readers, content, ANY, ""))
            for name, content in {**TROUBLES, **_MEANINGS[file]}.items()
        ]

    return listed


def _drawn_of(file: str, readers: Sequence[str], change: Callable[[bytes, Any], tuple[bytes, str]]) -> Make:
    def drawn(place: Place) -> Run:
        before = (place.sound.onnx / file).read_bytes()
        again = bool(place.random.random() < 0.8)
        data, what = change(before, place.random)
        codes = ANY if again or data == before else BAD
        what += "" if again else "; hash as it was"
        return _run(file, readers, lambda _: data, codes, what, place, again=again)

    return drawn


# What no format forbids, and no reader may take.


def _tensor(change: Callable[[dict[str, Any]], object]) -> Content:
    """The file written again from arrays by name."""

    def content(data: bytes) -> bytes:
        from safetensors.numpy import load, save

        arrays = load(data)
        header, _ = parts(data)
        change(arrays)
        return save(
            {name: np.ascontiguousarray(value) for name, value in arrays.items()}, header.get("__metadata__")
        )

    return content


def _first(arrays: dict[str, Any], word: str) -> str:
    return next(name for name in sorted(arrays) if word in name)


def _set(word: str, value: Callable[[Any], Any]) -> Content:
    def change(arrays: dict[str, Any]) -> None:
        name = _first(arrays, word)
        arrays[name] = value(arrays[name])

    return _tensor(change)


def _values_of(word: str) -> dict[str, Content]:
    return {
        f"{word}: not a number": _set(word, lambda a: np.full(a.shape, np.nan, np.float32)),
        f"{word}: infinity": _set(word, lambda a: np.full(a.shape, np.inf, np.float32)),
        f"{word}: zeros": _set(word, lambda a: np.zeros(a.shape, np.float32)),
        f"{word}: 1e38": _set(word, lambda a: np.full(a.shape, 1e38, np.float32)),
        f"{word}: nothing": _set(word, lambda a: a[..., :0]),
        f"{word}: one more axis": _set(word, lambda a: a[None]),
        f"{word}: flat": _set(word, lambda a: a.reshape(-1)),
        f"{word}: one number": _set(word, lambda a: a.reshape(-1)[0]),
        f"{word}: more of it": _set(word, lambda a: np.concatenate([a, a], -1)),
        f"{word}: a larger batch": _set(word, lambda a: np.concatenate([a] * 100, 0)),
        f"{word}: truth": _set(word, lambda a: a.astype(bool)),
        f"{word}: whole numbers": _set(word, lambda a: a.astype(np.int64)),
        f"{word}: float64": _set(word, lambda a: a.astype(np.float64)),
        f"{word}: float16": _set(word, lambda a: a.astype(np.float16)),
    }


def _metadata(**values: Any) -> Content:
    def content(data: bytes) -> bytes:
        header, rest = parts(data)
        header["__metadata__"] = {**header.get("__metadata__", {}), **values}
        return joined(header, rest)

    return content


_MEANINGS: dict[str, dict[str, Content]] = {
    "conformance.safetensors": {
        **_values_of("/input/"),
        **_values_of("/output/"),
        "no vectors": _tensor(dict.clear),
        "inputs alone": _tensor(lambda arrays: [arrays.pop(name) for name in list(arrays) if "/output/" in name]),
        "outputs alone": _tensor(lambda arrays: [arrays.pop(name) for name in list(arrays) if "/input/" in name]),
        "an input more": _tensor(lambda arrays: arrays.update({"noise/seed 0/input/more": np.zeros(1, np.float32)})),
        "an output more": _tensor(lambda arrays: arrays.update({"noise/seed 0/output/more": np.zeros(1, np.float32)})),
        "names of one part": _tensor(lambda arrays: arrays.update({"a": arrays.popitem()[1]})),
        "names of five parts": _tensor(lambda arrays: arrays.update({"a/b/c/d/e": arrays.popitem()[1]})),
        "names of blanks": _tensor(lambda arrays: arrays.update({" / / / ": arrays.popitem()[1]})),
        "another reference": _metadata(reference="float7"),
        "a reference of an escape code": _metadata(reference="\x1b[2J"),
        "1,000 cases": _tensor(lambda arrays: arrays.update({
            name.replace("noise", f"noise{n}"): value for n in range(500) for name, value in list(arrays.items()) if "noise" in name})),
        **{f"a case called: {value.name}": _tensor(lambda arrays, new=value.value: arrays.update({
            name.replace("noise", new.replace("/", "|")): arrays.pop(name) for name in list(arrays) if "noise" in name}))
           for value in NAMES},
    },
    "kit.safetensors": {
        **_values_of("crop/"),
        "no vectors": _tensor(dict.clear),
        "a vector less": _tensor(lambda arrays: arrays.pop(_first(arrays, "alpha"))),
        "a vector more": _tensor(lambda arrays: arrays.update({"more/logits": np.zeros((1, 10), np.float32)})),
        "other pixels": _metadata(crop="0" * 64),
        "a hash of an escape code": _metadata(crop="\x1b[2J"),
        "no hashes": lambda data: joined({name: value for name, value in parts(data)[0].items() if name != "__metadata__"}, parts(data)[1]),
    },
}  # fmt: skip


# Origins are a document.


def _origins(place: Place, data: bytes) -> Run:
    return _run(_FILE, _OF_ORIGINS, lambda _: data, ANY, "", place, only="onnx")


_ORIGINS = Document(lambda sound: json.loads((sound.onnx / _FILE).read_bytes()), _origins, (("nodes",),))


def _called(name: str, what: str, place: Place) -> Run:
    document = _ORIGINS.sound(place.sound)
    for entry in document["values"] if what == "values" else document["nodes"].values():
        entry.update({"value": name} if what == "values" else {"module": name, "location": name})
    return _origins(place, encoded(json.dumps(document)))


def _origins_listed(sound: Sound) -> Sequence[Trial]:
    named = [
        Trial(f"all {what} called: {value.name}", partial(_called, value.value, what))
        for value in NAMES
        for what in ("modules", "values")
    ]
    return [*_ORIGINS.listed(sound), *named]


def _more_nodes(place: Place) -> Run:
    document = _ORIGINS.sound(place.sound)
    document["nodes"]["昆虫"] = {"module": "層", "location": "somewhere:Else:1"}
    return replace(_origins(place, json.dumps(document, ensure_ascii=False).encode()), codes=SOUND)


def _origins_odd(sound: Sound) -> Sequence[Trial]:
    spelt = list(_ORIGINS.spelt())
    again = [Trial(f"{trial.name}, again", trial.make) for trial in spelt]
    return [*spelt, *again, Trial("a node more", _more_nodes)]


# Sound ones.


def _odd_tensors(file: str, readers: Sequence[str]) -> Callable[[Sound], Sequence[Trial]]:
    contents: dict[str, Content] = {
        "keys in another order": lambda data: _in_order(data, reverse=True),
        "a header padded with blanks": _padded,
        "a header that is indented": lambda data: _spelt(data, indent=2),
        "a header that is escaped": lambda data: _spelt(data, ensure_ascii=True),
    }
    if file == "conformance.safetensors":
        contents["a case more"] = _tensor(lambda arrays: arrays.update(
            {name.replace("noise", "more"): value for name, value in list(arrays.items()) if "noise" in name}))  # fmt: skip

    def odd(sound: Sound) -> Sequence[Trial]:
        return [
            Trial(f"{name}, {number}", partial(_run, file, readers, content, SOUND, ""))
            for name, content in contents.items()
            for number in range(2)
        ]

    return odd


def _in_order(data: bytes, *, reverse: bool) -> bytes:
    header, values = parts(data)
    return joined(dict(sorted(header.items(), reverse=reverse)), values)


def _padded(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    return (length + 4096).to_bytes(8, "little") + data[8 : 8 + length] + b" " * 4096 + data[8 + length :]


def _spelt(data: bytes, **how: Any) -> bytes:
    header, values = parts(data)
    text = json.dumps(header, **how).encode()
    return len(text).to_bytes(8, "little") + text + values


_VECTORS, _KIT = "conformance.safetensors", "kit.safetensors"
CONFORMANCE = InputClass(
    "conformance vectors", _of_tensors(_VECTORS, _OF_VECTORS), _drawn_of(_VECTORS, _OF_VECTORS, drawn_tensors), 250,
    _odd_tensors(_VECTORS, _OF_VECTORS),
)  # fmt: skip
KITS = InputClass(
    "kit", _of_tensors(_KIT, _OF_THE_KIT), _drawn_of(_KIT, _OF_THE_KIT, drawn_tensors), 150,
    _odd_tensors(_KIT, _OF_THE_KIT),
)  # fmt: skip
ORIGINS = InputClass("origins", _origins_listed, _ORIGINS.drawn, 150, _origins_odd, most=110)
