"""The manifest: every field set to every hostile value, left out, doubled; and whatever a seed makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..artifacts import MANIFEST, READERS, any_reader, copied, manifest_of
from ..case import ANY, BAD, SOUND, InputClass, Place, Run, Trial
from ..documents import encoded
from ..sound import Sound, sha256
from ..values import (
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
from .manifest_troubles import TROUBLES, Edit, first_output

__all__ = ["MANIFESTS"]

_KEPT = Path(__file__).parent.parent.parent / "data" / "artifacts"

# Objects whose keys are free: one of each stands for all.
_MAPS = (("graph", "by_type"), ("versions",))

Change = Callable[[Path, Any], object]


def _run(
    place: Place, what: str, text: str | bytes, codes: frozenset[int], source: Path | None = None
) -> Run:
    """An artifact, that of the sound ONNX one if not another, with this manifest."""
    source = source or place.sound.onnx
    format_name = manifest_of(source)["format"]
    artifact = place.copy(source, "artifact")
    (artifact / MANIFEST).write_bytes(encoded(text) if isinstance(text, str) else text)
    arguments = any_reader(place, artifact, format_name, by_itself=codes == SOUND)
    return Run(what, arguments, codes, ("out", "artifact-reports"))


# Every field.


def _fields(sound: Sound) -> Iterator[Trial]:
    manifest = manifest_of(sound.onnx)
    for steps in places(manifest, of_a_list=1, maps=_MAPS):
        for value in ESSENTIAL:
            yield Trial(f"{words(steps)}: {value.name}", partial(_set, steps, value.value))
        yield Trial(f"{words(steps)} left out", partial(_left_out, steps))
        if isinstance(steps[-1], str):
            yield Trial(f"{words(steps)} twice", partial(_twice, steps))
        if isinstance(found(manifest, steps), (dict, list)):
            yield Trial(f"{words(steps)} with one more", partial(_one_more, steps))


def _set(steps: Steps, value: Any, place: Place) -> Run:
    manifest, source = _manifest_with(place, steps)
    codes = _codes(steps, found(manifest, steps), value)
    return _run(place, "", text_of(changed(manifest, steps, value)), codes, source)


def _left_out(steps: Steps, place: Place) -> Run:
    manifest, source = _manifest_with(place, steps)
    return _run(place, "", text_of(without(manifest, steps)), ANY, source)


def _twice(steps: Steps, place: Place) -> Run:
    manifest, source = _manifest_with(place, steps)
    return _run(place, "", text_of(manifest, twice=steps), ANY, source)


def _one_more(steps: Steps, place: Place) -> Run:
    manifest, source = _manifest_with(place, steps)
    return _run(place, "", text_of(with_one_more(manifest, steps)), ANY, source)


def _manifest_with(place: Place, steps: Steps) -> tuple[Any, Path]:
    """The manifest of the Core ML artifact now and then, where it has the field."""
    for source in (place.sound.coreml if place.number % 4 == 3 else place.sound.onnx, place.sound.onnx):
        manifest = manifest_of(source)
        try:
            found(manifest, steps)
        except (KeyError, IndexError):
            continue
        return manifest, source
    raise AssertionError(f"no artifact has {words(steps)}")


def _codes(steps: Steps, before: Any, value: Any) -> frozenset[int]:
    """Refused for sure is what no reader of JSON may take, and what is of another type than the field. Where a field
    may be null, or a request is kept as it was made, nobody knows from outside."""
    if isinstance(value, Literal):
        return ANY if value.text.startswith('"') else BAD
    if value is None or before is None or steps[0] == "request":
        return ANY
    if isinstance(before, bool) or isinstance(value, bool):
        return ANY if isinstance(before, bool) and isinstance(value, bool) else BAD
    if isinstance(before, (int, float)):
        if not isinstance(value, (int, float)):
            return BAD
        return BAD if isinstance(before, int) and value == 2**64 else ANY
    return ANY if isinstance(value, type(before)) else BAD


# What a field alone does not show.


def _edited(edit: Edit, codes: frozenset[int], place: Place) -> Run:
    manifest = manifest_of(place.sound.onnx)
    edit(manifest)
    return _run(place, "", text_of(manifest), codes)


def _texts(text: bytes) -> dict[str, bytes]:
    """The whole file as something else."""
    return {
        "empty": b"",
        "a blank": b" ",
        "null": b"null",
        "a list": b"[]",
        "a word": b'"manifest"',
        "a number": b"1",
        "an empty object": b"{}",
        "a version and no more": b'{"schema_version": 1}',
        "cut in the middle": text[: len(text) // 2],
        "two documents": text + text,
        "something behind it": text + b"x",
        "UTF-16": text.decode().encode("utf-16"),
        "UTF-32": text.decode().encode("utf-32"),
        "bytes that are no UTF-8": text.replace(b'"onnx"', b'"onn\xff"', 1),
        "a null byte": text.replace(b'"onnx"', b'"on\x00nx"', 1),
        "random bytes": bytes(range(256)) * 100,
        "lists 100,000 deep": b"[" * 100_000,
        "objects 100,000 deep": b'{"a":' * 100_000,
        "70 MiB of blanks": b" " * (70 << 20) + text,
        "a million keys": b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}",
        "comments": b"// a manifest\n" + text,
    }


def _text(name: str, place: Place) -> Run:
    data = _texts((place.sound.onnx / MANIFEST).read_bytes())[name]
    return _run(place, "", data, BAD)


def _leading_out(where: str, place: Place) -> Run:
    """A folder of the artifact is a link, and a field leads through it to a file that no hash covers."""
    artifact = copied(place, "onnx")
    manifest = manifest_of(artifact)
    (artifact / "linked").symlink_to(place.outside)
    (artifact / "root").symlink_to("/")
    if where == "labels":
        first_output(manifest)["labels"] = "linked/canary.txt"
    elif where == "passwd":
        first_output(manifest)["labels"] = "root/etc/passwd"
    elif where == "model":
        manifest["model"]["path"] = "linked/canary.onnx"
    else:
        canary = place.outside / "canary.txt"
        entry = {
            "path": "linked/canary.txt",
            "role": "labels",
            "sha256": sha256(canary),
            "bytes": canary.stat().st_size,
        }
        manifest["files"].append(entry)
        first_output(manifest)["labels"] = "linked/canary.txt"
    return _run_again(place, artifact, manifest)


def _run_again(place: Place, artifact: Path, manifest: Any) -> Run:
    (artifact / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return Run("", any_reader(place, artifact, "onnx"), BAD, ("out", "artifact-reports"))


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = list(_fields(sound))
    trials += [Trial(name, partial(_edited, edit, codes)) for name, (edit, codes) in TROUBLES.items()]
    trials += [Trial(f"the file: {name}", partial(_text, name)) for name in _texts(b'{"a": "onnx"}')]
    trials += [
        Trial(f"through a link: {where}", partial(_leading_out, where))
        for where in ("labels", "passwd", "model", "files")
    ]
    return trials


def _drawn(place: Place) -> Run:
    """Fields, or bytes of the file as it is; now and then of an artifact that an earlier version wrote."""
    source = place.pick((place.sound.onnx, place.sound.onnx, place.sound.coreml, place.pick(_kept())))
    data = (source / MANIFEST).read_bytes()
    if place.random.random() < 0.75:
        text, what = drawn_change(json.loads(data), place.random)
        return _run(place, what, text, ANY, source)
    data, what = damage(data, place.random)
    return _run(place, what, data, ANY, source)


def _kept() -> list[Path]:
    """The artifacts of each version of the schema that the tests keep."""
    return sorted(path.parent for path in _KEPT.glob(f"*/*/{MANIFEST}"))


# Sound ones.


def _respelt(spell: Callable[[Any], str | bytes], format_name: str, place: Place) -> Run:
    source = place.sound.artifacts[format_name]
    return _run(place, "", spell(manifest_of(source)), SOUND, source)


def _of_a_version(source: Path, command: str, place: Place) -> Run:
    artifact = place.copy(source, "artifact")
    return Run("", READERS[command].arguments(place, artifact.name, manifest_of(source)["format"]), SOUND)


_SPELLINGS: dict[str, Callable[[Any], str | bytes]] = {
    "a byte order mark": lambda m: b"\xef\xbb\xbf" + json.dumps(m).encode(),
    "one line": lambda m: json.dumps(m, separators=(",", ":")),
    "CRLF": lambda m: json.dumps(m, indent=2).replace("\n", "\r\n"),
    "tabs and empty lines": lambda m: "\n\n" + json.dumps(m, indent="\t") + "\n\n",
    "escaped": lambda m: json.dumps(m, ensure_ascii=True),
    "keys in another order": lambda m: json.dumps(dict(reversed(list(m.items())))),
    "made by an older version": lambda m: json.dumps(
        _with(m, lambda d: d["versions"].update(cloformer="0.0.9"))
    ),
}


def _with(manifest: Any, edit: Edit) -> Any:
    edit(manifest)
    return manifest


def _odd(sound: Sound) -> Sequence[Trial]:
    trials = [
        Trial(f"{name}, {format_name}", partial(_respelt, spell, format_name))
        for name, spell in _SPELLINGS.items()
        for format_name in sound.artifacts
    ]
    return trials + [
        Trial(f"{source.relative_to(_KEPT)}, {command}", partial(_of_a_version, source, command))
        for source in _kept()
        for command in ("inspect", "predict", "parity")
    ]


MANIFESTS = InputClass("manifest", _listed, _drawn, 700, _odd)
