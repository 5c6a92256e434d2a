"""ML Packages: the model, its weights, and the manifest that Apple's tools write beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from coremltools.proto import Model_pb2
from mil_package import blocks_in_blocks

from ..artifacts import any_reader, copied, model_of, rehash
from ..case import ANY, BAD, SOUND, InputClass, Place, Run, Trial
from ..documents import Document
from ..protobuf import drawn_edit
from ..sound import Sound
from ..values import NAMES, damage
from .onnx_files import model_codes
from .package_troubles import TROUBLES, named, numbers

__all__ = ["PACKAGES"]

_MODEL = "Data/com.apple.CoreML/model.mlmodel"
_WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
_ITEMS = "Manifest.json"

Edit = Callable[[Any], object]


def _run(
    place: Place, what: str, change: Callable[[Path], object], codes: frozenset[int] | None = None
) -> Run:
    """The artifact with another package, which its manifest names as if it had been exported so."""
    artifact = copied(place, "coreml")
    change(model_of(artifact))
    rehash(artifact)
    arguments = any_reader(place, artifact, "coreml", by_itself=codes == SOUND)
    return Run(what, arguments, codes or model_codes(arguments))


def _edited(edit: Edit, codes: frozenset[int] | None, place: Place) -> Run:
    def change(package: Path) -> None:
        model = Model_pb2.Model.FromString((package / _MODEL).read_bytes())
        edit(model)
        (package / _MODEL).write_bytes(model.SerializeToString())

    return _run(place, "", change, codes)


def _file(name: str, content: Callable[[bytes], bytes], codes: frozenset[int] | None, place: Place) -> Run:
    def change(package: Path) -> None:
        (package / name).write_bytes(content((package / name).read_bytes()))

    return _run(place, "", change, codes)


_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "all but a byte": lambda data: data[:-1],
    "random bytes": lambda data: np.random.default_rng(0).bytes(10_000),
    "zeros": lambda data: bytes(len(data)),
    "a byte order mark before it": lambda data: b"\xef\xbb\xbf" + data,
}


# What stands beside it.


def _items(edit: Callable[[Any], object], codes: frozenset[int] | None, place: Place) -> Run:
    def change(package: Path) -> None:
        document = json.loads((package / _ITEMS).read_bytes())
        edit(document)
        (package / _ITEMS).write_text(json.dumps(document), "utf-8")

    return _run(place, "", change, codes)


def _paths(path: str) -> Callable[[Any], object]:
    def edit(document: Any) -> None:
        for entry in document["itemInfoEntries"].values():
            entry["path"] = path

    return edit


def _of_the_folder(
    change: Callable[[Path, Place], object], codes: frozenset[int] | None, place: Place
) -> Run:
    return _run(place, "", lambda package: change(package, place), codes)


def _linked(package: Path, place: Place) -> None:
    shutil.move(package / "Data", place.folder / "Data")
    (package / "Data").symlink_to(place.folder / "Data")


_FOLDERS: dict[str, tuple[Callable[[Path, Place], object], frozenset[int] | None]] = {
    "no model": (lambda package, place: (package / _MODEL).unlink(), None),
    "no weights": (lambda package, place: (package / _WEIGHTS).unlink(), None),
    "no manifest": (lambda package, place: (package / _ITEMS).unlink(), None),
    "no data": (lambda package, place: shutil.rmtree(package / "Data"), None),
    "data through a link": (_linked, BAD),
    "a file more": (lambda package, place: (package / "Data" / "more.bin").write_bytes(b"more"), ANY),
    "a folder for the model": (
        lambda package, place: ((package / _MODEL).unlink(), (package / _MODEL).mkdir()), None),
}  # fmt: skip


def _written_items(place: Place, data: bytes) -> Run:
    run = _run(place, "", lambda package: (package / _ITEMS).write_bytes(data), ANY)
    if run.arguments[0] != "inspect":
        return run
    return replace(
        run, arguments=("predict", *run.arguments[1:])
    )  # inspect looks at hashes, and opens no package


_DOCUMENT = Document(
    lambda sound: json.loads((model_of(sound.coreml) / _ITEMS).read_bytes()),
    _written_items,
    (("itemInfoEntries",),),
)


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = [
        Trial(f"{file}: {name}", partial(_file, path, content, ANY if file == "manifest" else None))
        for file, path in (("model", _MODEL), ("weights", _WEIGHTS), ("manifest", _ITEMS))
        for name, content in _BYTES.items()
        if (file, name) != ("manifest", "a byte order mark before it")
    ]
    trials += [
        Trial(
            "model: blocks 100,000 deep", partial(_file, _MODEL, lambda data: blocks_in_blocks(100_000), None)
        ),
        Trial("model: blocks 40 deep", partial(_file, _MODEL, lambda data: blocks_in_blocks(40), None)),
    ]
    edits = TROUBLES | numbers()
    trials += [Trial(name, partial(_edited, edit, codes)) for name, (edit, codes) in edits.items()]
    trials += [
        Trial(f"a value called: {value.name}", partial(_edited, named(value.value), ANY)) for value in NAMES
    ]
    trials += list(_DOCUMENT.listed(sound))[::3]
    trials += [
        Trial(f"items at {path!r}", partial(_items, _paths(path), None))
        for path in (
            "../../../canary.txt",
            "/etc/passwd",
            "../../../../../../etc/passwd",
            "",
            ".",
            "..",
            "a\x00b",
            "com.apple.CoreML/../../../..",
        )
    ]
    trials += [
        Trial(name, partial(_of_the_folder, change, codes)) for name, (change, codes) in _FOLDERS.items()
    ]
    return trials


def _drawn(place: Place) -> Run:
    """Fields of the model, bytes of a file with the hash made right, and with the hash as it was."""
    way = place.random.random()
    done = ""
    if way < 0.45:

        def change(package: Path) -> None:
            nonlocal done
            model = Model_pb2.Model.FromString((package / _MODEL).read_bytes())
            done = drawn_edit(model, place.random)
            (package / _MODEL).write_bytes(model.SerializeToString())

        run = _run(place, "", change, ANY)
        return Run(done, run.arguments, run.codes)
    if way < 0.5:
        return _DOCUMENT.drawn(place)
    artifact = copied(place, "coreml")
    name = place.pick((_MODEL, _MODEL, _MODEL, _WEIGHTS, _ITEMS))
    path = model_of(artifact) / name
    before = path.read_bytes()
    data, done = damage(before, place.random)
    path.write_bytes(data)
    if way < 0.85:
        rehash(artifact)
        return Run(f"{path.name}: {done}", any_reader(place, artifact, "coreml"), ANY)
    codes = BAD if data != before else ANY
    return Run(f"{path.name}: {done}; hash as it was", any_reader(place, artifact, "coreml"), codes)


_ODD: dict[str, Edit] = {
    "an author in another script": lambda m: setattr(m.description.metadata, "author", "昆虫 🐝"),
    "a licence of many lines": lambda m: setattr(
        m.description.metadata, "license", "MIT\n\nPermission is\n" * 50
    ),
    "values with spaces": named("a value"),
    "more of the user's own": lambda m: m.description.metadata.userDefined.__setitem__("note", 'a "word"'),
}


def _odd(sound: Sound) -> Sequence[Trial]:
    trials = [Trial(name, partial(_edited, edit, SOUND)) for name, edit in _ODD.items()]
    # Apple's own readers know no byte order mark.
    return trials + [trial for trial in _DOCUMENT.spelt() if trial.name != "a byte order mark"]


PACKAGES = InputClass("ML Package", _listed, _drawn, 600, _odd)
