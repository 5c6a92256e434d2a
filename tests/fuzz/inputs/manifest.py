"""The manifest: every field set to every hostile value, left out, doubled; and whatever a seed makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..artifacts import MANIFEST, any_reader, copied, manifest_of
from ..case import ANY, BAD, SOUND, InputClass, Place, Run, Trial
from ..sound import Sound
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

__all__ = ["MANIFESTS"]

# Objects whose keys are free: one of each stands for all.
_MAPS = (("graph", "by_type"), ("versions",))

Edit = Callable[[Any], Any]
Change = Callable[[Path, Any], object]


def _run(place: Place, what: str, text: str | bytes, codes: frozenset[int], format_name: str = "onnx") -> Run:
    artifact = copied(place, format_name)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (artifact / MANIFEST).write_bytes(data)
    arguments = any_reader(place, artifact, format_name, by_itself=codes == SOUND)
    return Run(what, arguments, codes, ("out", "artifact-reports"))


# Every field.


def _format_of(place: Place) -> str:
    return "coreml" if place.number % 4 == 3 else "onnx"


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
    manifest, kind = _manifest_with(place, steps)
    codes = _codes(steps, found(manifest, steps), value)
    return _run(place, "", text_of(changed(manifest, steps, value)), codes, kind)


def _left_out(steps: Steps, place: Place) -> Run:
    manifest, kind = _manifest_with(place, steps)
    return _run(place, "", text_of(without(manifest, steps)), ANY, kind)


def _twice(steps: Steps, place: Place) -> Run:
    manifest, kind = _manifest_with(place, steps)
    return _run(place, "", text_of(manifest, twice=steps), ANY, kind)


def _one_more(steps: Steps, place: Place) -> Run:
    manifest, kind = _manifest_with(place, steps)
    return _run(place, "", text_of(with_one_more(manifest, steps)), ANY, kind)


def _manifest_with(place: Place, steps: Steps) -> tuple[Any, str]:
    """The manifest of the Core ML artifact now and then, where it has the field."""
    for kind in (_format_of(place), "onnx"):
        manifest = manifest_of(place.sound.artifacts[kind])
        try:
            found(manifest, steps)
        except (KeyError, IndexError):
            continue
        return manifest, kind
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


def _input(manifest: Any) -> Any:
    return manifest["functions"][0]["inputs"][0]


def _output(manifest: Any) -> Any:
    return manifest["functions"][0]["outputs"][0]


def _shape(*shape: int) -> Edit:
    return lambda manifest: _input(manifest).update(shape=list(shape))


def _rule(**values: Any) -> Edit:
    return lambda manifest: _input(manifest)["preprocessing"].update(values)


_EDITS: dict[str, tuple[Edit, frozenset[int]]] = {
    "an axis of 2**31": (_shape(1, 3, 2**31, 2**31), BAD),
    "an axis of 2**62": (_shape(2**62, 3, 32, 32), BAD),
    "a product of axes of 2**60": (_shape(2**20, 3, 2**20, 2**20), BAD),
    "a batch of a million": (_shape(10**6, 3, 32, 32), ANY),
    "a rank of 65": (_shape(*[1] * 65), BAD),
    "a rank of 100,000": (_shape(*[1] * 100_000), BAD),
    "no axis": (_shape(), BAD),
    "an axis of zero": (_shape(1, 3, 0, 32), BAD),
    "five axes for an image": (_shape(1, 3, 32, 32, 1), BAD),
    "another size than the crop": (_shape(1, 3, 64, 64), ANY),
    "another size than the model's, crop and all": (
        lambda m: (_shape(1, 3, 64, 64)(m), _rule(height=64, width=64, resize_size=64)(m)), ANY),
    "one channel": (_shape(1, 1, 32, 32), ANY),
    "resize_size of 10**9": (_rule(resize_size=10**9), BAD),
    "resize_size of 2**40": (_rule(resize_size=2**40), BAD),
    "resize_size of 40,000": (_rule(resize_size=40_000), ANY),
    "resize_size of 13,000": (_rule(resize_size=13_000), ANY),
    "a crop of 10**6": (_rule(height=10**6, width=10**6, resize_size=10**6), BAD),
    "std of zero": (_rule(std=[0, 0, 0]), BAD),
    "std below zero": (_rule(std=[-1, 1, 1]), BAD),
    "std of 1e-320": (_rule(std=[1e-320] * 3), ANY),
    "mean of 1e308": (_rule(mean=[1e308] * 3), ANY),
    "scale of 1e308": (_rule(scale=1e308), ANY),
    "one mean and three std": (_rule(mean=[0.5]), BAD),
    "four means": (_rule(mean=[0.5] * 4, std=[0.5] * 4), BAD),
    "a grey rule for a colour image": (_rule(mean=[0.5], std=[0.5]), ANY),
    "an unknown filter": (_rule(interpolation="sinc"), BAD),
    "an unknown crop": (_rule(crop="random"), BAD),
    "an unknown colour order": (_rule(color_order="RGBA"), BAD),
    "BGR": (_rule(color_order="BGR"), ANY),
    "no preprocessing for an image": (lambda m: _input(m).update(preprocessing=None), ANY),
    "preprocessing for a tensor": (lambda m: _input(m).update(role="tensor"), ANY),
    "the preprocessing inside": (lambda m: _input(m).update(preprocessing_inside=True), ANY),
    "an unknown format": (lambda m: m.update(format="tflite"), frozenset({3, 4})),
    "the other format": (lambda m: m.update(format="coreml"), ANY),
    "an unknown precision": (lambda m: m["precision"].update(name="fp7"), ANY),
    "an unknown type of activations": (lambda m: m["precision"].update(activations="float7"), ANY),
    "another precision": (lambda m: m["precision"].update(name="fp16", activations="float16"), ANY),
    "an unknown opset": (lambda m: m["request"].update(opset="999"), ANY),
    "an unknown model": (lambda m: m["request"].update(model="cloformer_xxxl"), ANY),
    "a model that is a module": (lambda m: m["request"].update(model="os:getcwd"), ANY),
    "a built-in model": (lambda m: m["request"].update(model="cloformer_xxs"), ANY),
    "a built-in model of 10**9 classes": (
        lambda m: (m["request"].update(model="cloformer_xxs", num_classes=10**9), m["weights"].update(origin="random")),
        ANY),
    "two functions": (lambda m: m["functions"].append(dict(m["functions"][0], name="other")), ANY),
    "two functions of one name": (lambda m: m["functions"].append(m["functions"][0]), ANY),
    "two inputs of one name": (lambda m: m["functions"][0]["inputs"].append(_input(m)), ANY),
    "two outputs of one name": (lambda m: m["functions"][0]["outputs"].append(_output(m)), ANY),
    "10,000 outputs": (
        lambda m: m["functions"][0].update(outputs=[dict(_output(m), name=f"o{n}") for n in range(10_000)]), ANY),
    "an input of another name": (lambda m: _input(m).update(name="pixels"), ANY),
    "an output of another name": (lambda m: _output(m).update(name="scores"), ANY),
    "an output of another shape": (lambda m: _output(m).update(shape=[1, 1000]), ANY),
    "an output without axes": (lambda m: _output(m).update(shape=[]), ANY),
    "an output of four axes": (lambda m: _output(m).update(shape=[1, 10, 1, 1]), ANY),
    "an output of another type": (lambda m: _output(m).update(dtype="int64"), ANY),
    "labels for probabilities": (lambda m: _output(m).update(role="probabilities", postprocessing=None), ANY),
    "labels: the manifest": (lambda m: _output(m).update(labels="manifest.json"), BAD),
    "labels: the model": (lambda m: _output(m).update(labels="model.onnx"), ANY),
    "labels: the kit": (lambda m: _output(m).update(labels="kit.safetensors"), ANY),
    "labels: a file that is not there": (lambda m: _output(m).update(labels="names.txt"), BAD),
    "labels: beside the artifact": (lambda m: _output(m).update(labels="../canary.txt"), BAD),
    "labels: from the root": (lambda m: _output(m).update(labels="/etc/passwd"), BAD),
    "labels: another way to write them": (lambda m: _output(m).update(labels="./labels.txt"), ANY),
    "labels: a folder": (lambda m: _output(m).update(labels="."), BAD),
    "model: the manifest": (lambda m: m["model"].update(path="manifest.json"), BAD),
    "model: the labels": (lambda m: m["model"].update(path="labels.txt"), ANY),
    "model: beside the artifact": (lambda m: m["model"].update(path="../canary.onnx"), BAD),
    "model: a file that is not there": (lambda m: m["model"].update(path="m.onnx"), BAD),
    "model: the folder": (lambda m: m["model"].update(path="."), BAD),
    "model: another way to write it": (lambda m: m["model"].update(path="./model.onnx"), ANY),
    "files: one twice": (lambda m: m["files"].append(m["files"][0]), ANY),
    "files: none": (lambda m: m.update(files=[]), BAD),
    "files: 100,000 that are not there": (
        lambda m: m.update(files=[dict(m["files"][0], path=f"f{n}") for n in range(100_000)]), BAD),
    "files: one of 2**62 bytes": (lambda m: m["files"][0].update(bytes=2**62), BAD),
    "files: the manifest itself": (lambda m: m["files"].append(dict(m["files"][0], path="manifest.json")), BAD),
    "files: a hash in capitals": (lambda m: m["files"][0].update(sha256=m["files"][0]["sha256"].upper()), BAD),
    "files: the hash of another": (lambda m: m["files"][0].update(sha256=m["files"][1]["sha256"]), BAD),
    "files: roles of others": (lambda m: [entry.update(role="model") for entry in m["files"]], ANY),
    "files: no role that is known": (lambda m: [entry.update(role="other") for entry in m["files"]], ANY),
    "version zero": (lambda m: m.update(schema_version=0), BAD),
    "version 99": (lambda m: m.update(schema_version=99), BAD),
    "version 10**400": (lambda m: m.update(schema_version=10**400), BAD),
    "version 1.0": (lambda m: m.update(schema_version=1.0), ANY),
    "version 1.5": (lambda m: m.update(schema_version=1.5), BAD),
    "a name of a path": (lambda m: m.update(name="../../out"), ANY),
    "a million sites": (
        lambda m: m["passes"][0].update(sites=m["passes"][0]["sites"][:1] * 100_000 if m["passes"][0]["sites"] else []),
        ANY),
}  # fmt: skip


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
        _output(manifest)["labels"] = "linked/canary.txt"
    elif where == "passwd":
        _output(manifest)["labels"] = "root/etc/passwd"
    elif where == "model":
        manifest["model"]["path"] = "linked/canary.onnx"
    else:
        canary = place.outside / "canary.txt"
        from ..sound import sha256

        entry = {
            "path": "linked/canary.txt",
            "role": "labels",
            "sha256": sha256(canary),
            "bytes": canary.stat().st_size,
        }
        manifest["files"].append(entry)
        _output(manifest)["labels"] = "linked/canary.txt"
    return _run_again(place, artifact, manifest)


def _run_again(place: Place, artifact: Path, manifest: Any) -> Run:
    (artifact / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return Run("", any_reader(place, artifact, "onnx"), BAD, ("out", "artifact-reports"))


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = list(_fields(sound))
    trials += [Trial(name, partial(_edited, edit, codes)) for name, (edit, codes) in _EDITS.items()]
    trials += [Trial(f"the file: {name}", partial(_text, name)) for name in _texts(b'{"a": "onnx"}')]
    trials += [
        Trial(f"through a link: {where}", partial(_leading_out, where))
        for where in ("labels", "passwd", "model", "files")
    ]
    return trials


def _drawn(place: Place) -> Run:
    """Fields, or bytes of the file as it is."""
    format_name = place.pick(("onnx", "onnx", "coreml"))
    path = place.sound.artifacts[format_name] / MANIFEST
    if place.random.random() < 0.75:
        text, what = drawn_change(json.loads(path.read_bytes()), place.random)
        return _run(place, what, text, ANY, format_name)
    data, what = damage(path.read_bytes(), place.random)
    return _run(place, what, data, ANY, format_name)


# Sound ones.


def _respelt(spell: Callable[[Any], str | bytes], format_name: str, place: Place) -> Run:
    manifest = manifest_of(place.sound.artifacts[format_name])
    return _run(place, "", spell(manifest), SOUND, format_name)


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
    return [
        Trial(f"{name}, {format_name}", partial(_respelt, spell, format_name))
        for name, spell in _SPELLINGS.items()
        for format_name in sound.artifacts
    ]


MANIFESTS = InputClass("manifest", _listed, _drawn, 700, _odd)
