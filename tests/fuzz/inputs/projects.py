"""Folders that were made here and come back from elsewhere: for the Hub, of a run that goes on, and apps' projects."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..case import ANY, BAD, REFUSED, SOUND, InputClass, Place, Run, Trial, write_json
from ..documents import Document, encoded
from ..sound import Sound, sha256
from ..tensors import TROUBLES, drawn_tensors
from ..values import damage, text_of

__all__ = ["BUNDLES", "HUB_FOLDERS"]

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_RECORD = "cloformer-bundle.json"


# For the Hub.


def _hub_arguments(place: Place, folder: str) -> tuple[str, ...]:
    data = ("--data", str(place.sound.data["arrays.npz"]), "--labels", str(place.sound.trained_labels))
    choices = (
        ("hub", folder, "--output", "out/hub"),
        ("evaluate", folder, *data, "--limit", "1"),
        ("train", "--weights", folder, *data, "--output", "out/run", "--teacher", "no_such_module:teacher"),
        ("hub", folder, "--output", "out/hub", "--json"),
    )
    return choices[place.number % len(choices)]


def _config(place: Place, data: bytes) -> Run:
    folder = place.copy(place.sound.hub, "folder")
    (folder / _CONFIG).write_bytes(data)
    return Run("", _hub_arguments(place, "folder"), ANY)


_CONFIGS = Document(lambda sound: json.loads((sound.hub / _CONFIG).read_bytes()), _config)


def _hub_folder(change: Callable[[Path, Place], object], codes: frozenset[int], place: Place) -> Run:
    change(place.copy(place.sound.hub, "folder"), place)
    return Run("", _hub_arguments(place, "folder"), codes)


def _moved_away(name: str) -> Callable[[Path, Place], object]:
    """The file is a link to another place, as the Hub's own cache has it."""

    def change(folder: Path, place: Place) -> None:
        (folder / name).rename(place.folder / name)
        (folder / name).symlink_to(place.folder / name)

    return change


def _hub_output(change: Callable[[Path], object], place: Place) -> Run:
    change(place.folder / "taken")
    return Run("", ("hub", "fashion-mnist", "--output", "taken"), BAD, ())


_HUB_FOLDERS: dict[str, tuple[Callable[[Path, Place], object], frozenset[int]]] = {
    "no weights": (lambda folder, place: (folder / _WEIGHTS).unlink(), BAD),
    "no configuration": (lambda folder, place: (folder / _CONFIG).unlink(), REFUSED),
    "a configuration that is a folder": (lambda folder, place: ((folder / _CONFIG).unlink(), (folder / _CONFIG).mkdir()), REFUSED),
    "a configuration that is a link to nothing": (lambda folder, place: ((folder / _CONFIG).unlink(), (folder / _CONFIG).symlink_to("x")), REFUSED),
    "weights of another module": (lambda folder, place: shutil.copy(place.sound.weights, folder / _WEIGHTS), REFUSED),
    "weights that are a folder": (lambda folder, place: ((folder / _WEIGHTS).unlink(), (folder / _WEIGHTS).mkdir()), BAD),
}  # fmt: skip
_OUTPUTS: dict[str, Callable[[Path], object]] = {
    "into a file": lambda path: path.write_text("mine", "utf-8"),
    "into a folder that is not empty": lambda path: write_json(path / "mine.json", {}),
    "into a link to nothing": lambda path: path.symlink_to("nothing"),
    "into a link to itself": lambda path: path.symlink_to("taken"),
    "into a pipe": os.mkfifo,
}


def _hub_weights(content: Callable[[bytes], bytes], place: Place) -> Run:
    return _hub_folder(
        lambda folder, _: (folder / _WEIGHTS).write_bytes(content((folder / _WEIGHTS).read_bytes())),
        ANY,
        place,
    )


def _resumed(place: Place, data: bytes) -> Run:
    """The folder of a training run that goes on."""
    (place.folder / "out").mkdir()
    (place.folder / "out" / "run.json").write_bytes(data)
    arrays = str(place.sound.data["arrays.npz"])
    arguments = (
        "train",
        "--data",
        arrays,
        "--output",
        "out",
        "--resume",
        "--teacher",
        "no_such_module:teacher",
    )
    return Run("", arguments, REFUSED)


def _about(sound: Sound) -> Any:
    from .trained import trained_metadata

    return {
        "schema_version": 1,
        "model": "cloformer_xxs",
        "recipe": json.loads(trained_metadata(sound)["recipe"]),
        "data": {"name": "arrays", "train": 20, "val": 20, "classes": [str(number) for number in range(10)]},
        "weights": None,
        "teacher": "no_such_module:teacher",
        "licence": None,
    }


_RUNS = Document(_about, _resumed)


def _hub_listed(sound: Sound) -> Sequence[Trial]:
    trials = list(_CONFIGS.listed(sound))
    trials += [
        Trial(f"a run to go on with: {trial.name}", trial.make) for trial in list(_RUNS.listed(sound))[::3]
    ]
    trials += [Trial(name, partial(_hub_folder, *row)) for name, row in _HUB_FOLDERS.items()]
    trials += [Trial(name, partial(_hub_output, change)) for name, change in _OUTPUTS.items()]
    return trials + [
        Trial(f"weights: {name}", partial(_hub_weights, content))
        for name, content in list(TROUBLES.items())[::4]
    ]


def _hub_drawn(place: Place) -> Run:
    way = place.random.random()
    if way < 0.5:
        return _CONFIGS.drawn(place)
    if way < 0.8:
        return _RUNS.drawn(place)
    data, what = drawn_tensors((place.sound.hub / _WEIGHTS).read_bytes(), place.random)
    return replace(_hub_weights(lambda _: data, place), what=what)


def _hub_odd_run(change: Callable[[Path, Place], object], folder: str, place: Place) -> Run:
    change(place.copy(place.sound.hub, "folder"), place)
    return Run("", ("hub", folder, "--output", "out/the hub"), SOUND)


def _hub_odd(sound: Sound) -> Sequence[Trial]:
    changes: dict[str, tuple[Callable[[Path, Place], object], str]] = {
        "as it is": (lambda folder, place: None, "folder"),
        "by a path with dots": (lambda folder, place: None, "./folder/../folder/"),
        "a link to it": (lambda folder, place: (place.folder / "link").symlink_to(folder), "link"),
        "weights that are a link, as in the Hub's cache": (_moved_away(_WEIGHTS), "folder"),
        "a configuration that is a link, as in the Hub's cache": (_moved_away(_CONFIG), "folder"),
        "files more": (lambda folder, place: (folder / ".gitattributes").write_text("*", "utf-8"), "folder"),
        "a key more": (lambda folder, place: _more_keys(folder / _CONFIG), "folder"),
        "a name in another script": (lambda folder, place: folder.rename(place.folder / "昆虫 hub"), "昆虫 hub"),
    }  # fmt: skip
    spelt = [Trial(f"the configuration with {trial.name}", trial.make) for trial in _CONFIGS.spelt()]
    return [*spelt, *(Trial(name, partial(_hub_odd_run, *row)) for name, row in changes.items())]


def _more_keys(path: Path) -> None:
    write_json(path, {**json.loads(path.read_bytes()), "tags": ["insects"], "transformers_version": None})


HUB_FOLDERS = InputClass("hub folder", _hub_listed, _hub_drawn, 200, _hub_odd, most=220)


# Apps' projects.


def _verified(place: Place, system: str) -> tuple[str, ...]:
    """Checked, or replaced."""
    artifact = place.sound.onnx if system == "android" else place.sound.coreml
    choices = (
        ("bundle", system, "--verify", "app"),
        ("bundle", system, "--verify", "app", "--json"),
        ("bundle", system, str(artifact), "--output", "app", "--force"),
    )
    return choices[place.number % len(choices)]


def _record(place: Place, data: bytes) -> Run:
    system = "android"
    folder = place.copy(place.sound.bundles[system], "app")
    (folder / _RECORD).write_bytes(data)
    return Run("", _verified(place, system), ANY, ("app",))


_RECORDS = Document(
    lambda sound: json.loads((sound.bundles["android"] / _RECORD).read_bytes()), _record, (("files",),)
)


def _with_file(name: str, place: Place) -> Run:
    """The record names one more file, whose hash is right wherever that leads to."""
    record = json.loads((place.sound.bundles["android"] / _RECORD).read_bytes())
    record["files"][name] = sha256(place.outside / "canary.txt")
    run = _record(place, encoded(text_of(record)))
    (place.folder / "app" / "linked").symlink_to(place.outside)
    return run


def _project(change: Callable[[Path, Place], object], codes: frozenset[int], place: Place) -> Run:
    system = "ios" if place.number % 2 else "android"
    change(place.copy(place.sound.bundles[system], "app"), place)
    # Where the project is a link to nothing, what it leads to is made.
    return Run("", _verified(place, system), codes, ("app", "nothing"))


def _payload(folder: Path) -> Path:
    """Where the app keeps the artifact."""
    return next(path for path in folder.rglob("manifest.json")).parent


def _changed_file(name: str, data: Callable[[bytes], bytes]) -> Callable[[Path, Place], object]:
    def change(folder: Path, place: Place) -> None:
        path = _payload(folder) / name
        path.write_bytes(data(path.read_bytes()))

    return change


def _foreign_link(folder: Path, place: Place) -> None:
    """A folder of the project is a link that leads out of it."""
    path = _payload(folder)
    shutil.rmtree(path)
    path.symlink_to(place.outside)


_PROJECTS: dict[str, tuple[Callable[[Path, Place], object], frozenset[int]]] = {
    "no record": (lambda folder, place: (folder / _RECORD).unlink(), REFUSED),
    "a record that is a folder": (lambda folder, place: ((folder / _RECORD).unlink(), (folder / _RECORD).mkdir()), REFUSED),
    "a record that is a link": (lambda folder, place: ((folder / _RECORD).rename(place.folder / "r"), (folder / _RECORD).symlink_to(place.folder / "r")), ANY),
    "a record that is a pipe": (lambda folder, place: ((folder / _RECORD).unlink(), os.mkfifo(folder / _RECORD)), REFUSED),
    "a payload that leads out": (_foreign_link, REFUSED),
    "another manifest": (_changed_file("manifest.json", lambda data: data.replace(b'"name"', b'"nama"', 1)), ANY),
    "no JSON for a manifest": (_changed_file("manifest.json", lambda data: b"{"), ANY),
    "a manifest nested deep": (_changed_file("manifest.json", lambda data: b"[" * 100_000), ANY),
    "a file more in the payload": (lambda folder, place: (_payload(folder) / "more\x1b[2J").write_bytes(b"x"), ANY),
    "a pipe more in the payload": (lambda folder, place: os.mkfifo(_payload(folder) / "pipe"), ANY),
    "a link to a device in the payload": (lambda folder, place: (_payload(folder) / "zero").symlink_to("/dev/zero"), ANY),
    "a payload without permission": (lambda folder, place: _payload(folder).chmod(0), ANY),
    "a folder without permission": (lambda folder, place: folder.chmod(0o500), ANY),
    "nothing": (lambda folder, place: (shutil.rmtree(folder), folder.mkdir()), ANY),
    "a file": (lambda folder, place: (shutil.rmtree(folder), folder.write_bytes(b"mine")), REFUSED),
    "no folder": (lambda folder, place: shutil.rmtree(folder), ANY),
    "a link to nothing": (lambda folder, place: (shutil.rmtree(folder), folder.symlink_to("nothing")), ANY),
    "a link to itself": (lambda folder, place: (shutil.rmtree(folder), folder.symlink_to("app")), REFUSED),
    "a pipe": (lambda folder, place: (shutil.rmtree(folder), os.mkfifo(folder)), REFUSED),
}  # fmt: skip

_LEADING_OUT = (
    "../canary.txt", "linked/canary.txt", "linked/canaries/canary.txt", "/etc/passwd", "a/../../canary.txt", "..", ".", "", "a//b",
    "a\\..\\..\\canary.txt", "C:\\canary.txt", "app/src/main/assets/cloformer/../../../../../../canary.txt", "a\x00b",
    "app", "w" * 5000, "a\x1b[2J", "a\n::set-output name=x::y", "\u202e", "con", _RECORD,
)  # fmt: skip


def _bundles_listed(sound: Sound) -> Sequence[Trial]:
    trials: list[Trial] = list(_RECORDS.listed(sound))
    trials += [
        Trial(f"a file called {name[:40]!r}", partial(_with_file, name))
        for name in _LEADING_OUT
        for _ in range(2)
    ]
    for turn in range(2):
        trials += [Trial(f"{name}, {turn}", partial(_project, *row)) for name, row in _PROJECTS.items()]
    return trials


def _bundles_drawn(place: Place) -> Run:
    if place.random.random() < 0.6:
        return _RECORDS.drawn(place)
    system = place.pick(("android", "ios"))
    folder = place.copy(place.sound.bundles[system], "app")
    path = place.pick(sorted(path for path in folder.rglob("*") if path.is_file()))
    data, what = damage(path.read_bytes(), place.random)
    path.write_bytes(data)
    return Run(f"{path.relative_to(folder)}: {what}", _verified(place, system), ANY, ("app",))


def _bundles_odd_run(
    change: Callable[[Path, Place], object], words: Sequence[str], system: str, place: Place
) -> Run:
    change(place.copy(place.sound.bundles[system], "app"), place)
    artifact = place.sound.onnx if system == "android" else place.sound.coreml
    arguments = tuple(word.replace("ARTIFACT", str(artifact)).replace("SYSTEM", system) for word in words)
    return Run("", arguments, SOUND, ("app", "out", "an app", "昆虫"))


_VERIFY, _AGAIN = (
    ("bundle", "SYSTEM", "--verify", "app"),
    ("bundle", "SYSTEM", "ARTIFACT", "--output", "app", "--force"),
)
_BUNDLES_ODD: dict[str, tuple[Callable[[Path, Place], object], tuple[str, ...]]] = {
    "as it is": (lambda folder, place: None, _VERIFY),
    "bundled again": (lambda folder, place: None, _AGAIN),
    "a template's file edited": (lambda folder, place: (folder / "README.md").write_text("mine", "utf-8"), _VERIFY),
    "a template's file edited, and bundled again": (lambda folder, place: (folder / "README.md").write_text("mine", "utf-8"), _AGAIN),
    "a template's file removed": (lambda folder, place: (folder / "README.md").unlink(), _VERIFY),
    "a file of one's own": (lambda folder, place: (folder / "昆虫.txt").write_text("mine", "utf-8"), _AGAIN),
    "a link of one's own": (lambda folder, place: (folder / "link").symlink_to("README.md"), _AGAIN),
    "a record with a byte order mark": (lambda folder, place: (folder / _RECORD).write_bytes(b"\xef\xbb\xbf" + (folder / _RECORD).read_bytes()), _VERIFY),
    "a record with CRLF": (lambda folder, place: (folder / _RECORD).write_bytes((folder / _RECORD).read_bytes().replace(b"\n", b"\r\n")), _VERIFY),
    "reached through a link": (lambda folder, place: (place.folder / "link").symlink_to(folder), ("bundle", "SYSTEM", "--verify", "link")),
    "a path with dots": (lambda folder, place: None, ("bundle", "SYSTEM", "--verify", "./app/../app/")),
    "an output with blanks": (lambda folder, place: None, ("bundle", "SYSTEM", "ARTIFACT", "--output", "an app/of mine")),
    "an output in another script": (lambda folder, place: None, ("bundle", "SYSTEM", "ARTIFACT", "--output", "昆虫/приложение")),
    "an empty folder": (lambda folder, place: (place.folder / "out").mkdir(), ("bundle", "SYSTEM", "ARTIFACT", "--output", "out")),
}  # fmt: skip


def _bundles_odd(sound: Sound) -> Sequence[Trial]:
    return [
        Trial(f"{name}, {system}", partial(_bundles_odd_run, *row, system))
        for name, row in _BUNDLES_ODD.items()
        for system in sound.bundles
    ]


BUNDLES = InputClass("bundle", _bundles_listed, _bundles_drawn, 250, _bundles_odd, most=200)
