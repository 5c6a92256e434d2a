"""Files that are none: pipes, devices, folders, links to each, nothing at all, and what may not be read."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..case import ANY, REFUSED, SOUND, InputClass, Place, Run, Trial
from ..sound import MODEL, Sound

__all__ = ["KINDS"]


def _fifo(path: Path, place: Place) -> None:
    os.mkfifo(path)


def _socket(path: Path, place: Place) -> None:
    """Bound by a short name: a socket's path has 108 bytes at most."""
    before = Path.cwd()
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(path.parent)
        try:
            made.bind(path.name[:90])
        finally:
            os.chdir(before)
    (path.parent / path.name[:90]).rename(path)


def _link_to(target: str) -> Callable[[Path, Place], None]:
    return lambda path, place: path.symlink_to(target)


def _link_to_fifo(path: Path, place: Place) -> None:
    os.mkfifo(place.folder / "the pipe")
    path.symlink_to(place.folder / "the pipe")


def _link_to_folder(path: Path, place: Place) -> None:
    (place.folder / "the folder").mkdir()
    path.symlink_to(place.folder / "the folder")


def _link_to_itself(path: Path, place: Place) -> None:
    path.symlink_to(path.name)


def _unreadable(path: Path, place: Place) -> None:
    path.write_bytes(b"x")
    path.chmod(0)


def _folder_without_permission(path: Path, place: Place) -> None:
    path.mkdir()
    (path / "x").write_bytes(b"x")
    path.chmod(0)


def _sparse(path: Path, place: Place) -> None:
    """As large as a disk, and nothing in it."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


_KINDS: dict[str, Callable[[Path, Place], None]] = {
    "a pipe": _fifo,
    "a link to a pipe": _link_to_fifo,
    "a link to endless zeros": _link_to("/dev/zero"),
    "a link to nothing at all": _link_to("/dev/null"),
    "a link to a terminal": _link_to("/dev/tty"),
    "a folder": lambda path, place: path.mkdir(),
    "a link to a folder": _link_to_folder,
    "a socket": _socket,
    "missing": lambda path, place: None,
    "a link to what is missing": _link_to("missing"),
    "a link to itself": _link_to_itself,
    "empty": lambda path, place: path.write_bytes(b"") and None,
    "without permission": _unreadable,
    "a folder without permission": _folder_without_permission,
    "a tebibyte of holes": _sparse,
}

# Those whose content is a matter of the format: a set may be empty, a log may be none.
_MAY_BE_FINE = (
    "empty",
    "a link to nothing at all",
    "a folder",
    "a link to a folder",
    "missing",
    "a link to what is missing",
)


@dataclass(frozen=True)
class Position:
    """Where a file is expected: ``make`` gives its path, where nothing is yet, and the command line that reads it.
    ``must`` says that the command needs it."""

    make: Callable[[Place], tuple[Path, tuple[str, ...]]]
    must: bool = True


def _in(folder: Callable[[Sound], Path], name: str, *command: str) -> Position:
    """A file of a folder that is copied."""

    def make(place: Place) -> tuple[Path, tuple[str, ...]]:
        copy = place.copy(folder(place.sound), "folder")
        path = copy / name if name else copy
        found = next(iter(copy.rglob(name)), path) if name and not path.exists() else path
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)
        return found, _filled(command, place)

    return Position(make)


def _given(name: str, *command: str, must: bool = True) -> Position:
    """A file on the command line."""
    return Position(lambda place: (place.folder / name, _filled(command, place)), must)


def _filled(command: Sequence[str], place: Place) -> tuple[str, ...]:
    sound = place.sound
    words = {
        "ONNX": sound.onnx, "COREML": sound.coreml, "ARRAYS": sound.data["arrays.npz"], "LABELS": sound.labels,
        "IMAGE": sound.image, "REPORT": sound.report, "WEIGHTS": sound.weights,
    }  # fmt: skip
    return tuple(str(words.get(word, word)) for word in command)


def _onnx(sound: Sound) -> Path:
    return sound.onnx


def _coreml(sound: Sound) -> Path:
    return sound.coreml


_EXPORT = ("export", "--model", MODEL, "--image-size", "32", "--dry-run", "--output", "out")
_TRAIN = ("--output", "out/run", "--teacher", "no_such_module:teacher")
_PACKAGE = "*.mlpackage/Data/com.apple.CoreML"

_POSITIONS: dict[str, Position] = {
    "artifact, inspect": _given("artifact", "inspect", "artifact"),
    "artifact, predict": _given("artifact", "predict", "artifact"),
    "artifact, parity": _given("artifact", "parity", "artifact", "--json"),
    "artifact, bench": _given("artifact", "bench", "artifact", "--preset", "rapid"),
    "artifact, compare": _given("artifact", "compare", "artifact", "ONNX", "--preset", "rapid"),
    "artifact, profile": _given("artifact", "profile", "artifact"),
    "artifact, bundle": _given("artifact", "bundle", "android", "artifact", "--output", "out/app"),
    "artifact, evaluate": _given("artifact", "evaluate", "artifact", "--data", "ARRAYS"),
    "artifact, import": _given("artifact", "import-device-report", "REPORT", "--artifact", "artifact"),
    "manifest.json": _in(_onnx, "manifest.json", "inspect", "folder"),
    "manifest.json of a package": _in(_coreml, "manifest.json", "predict", "folder", "--json"),
    "model.onnx": _in(_onnx, "model.onnx", "predict", "folder"),
    "labels.txt": _in(_onnx, "labels.txt", "predict", "folder"),
    "origins.json": _in(_onnx, "origins.json", "profile", "folder"),
    "conformance.safetensors": _in(_onnx, "conformance.safetensors", "parity", "folder"),
    "kit.safetensors": _in(_onnx, "kit.safetensors", "bundle", "android", "folder", "--output", "out/app"),
    "the package": _in(_coreml, "*.mlpackage", "predict", "folder"),
    "model.mlmodel": _in(_coreml, "model.mlmodel", "predict", "folder"),
    "weight.bin": _in(_coreml, "weight.bin", "parity", "folder"),
    "the package's manifest": _in(_coreml, "Manifest.json", "predict", "folder"),
    "image": _given("photo.png", "predict", "ONNX", "IMAGE", "photo.png"),
    "image, parity": _given("photo.png", "parity", "ONNX", "--model", MODEL, "--weights", "WEIGHTS", "--images", "photo.png", "--no-operators"),
    "weights, safetensors": _given("w.safetensors", *_EXPORT, "--weights", "w.safetensors"),
    "weights, pth": _given("w.pth", *_EXPORT, "--weights", "w.pth"),
    "weights, without an ending": _given("weights", *_EXPORT, "--weights", "weights"),
    "weights, evaluate": _given("w.safetensors", "evaluate", "w.safetensors", "--data", "ARRAYS"),
    "weights, train": _given("w.pth", "train", "--weights", "w.pth", "--data", "ARRAYS", *_TRAIN),
    "weights, hub": _given("w.safetensors", "hub", "w.safetensors", "--output", "out/hub"),
    "weights, parity": _given("w.safetensors", "parity", "ONNX", "--model", MODEL, "--weights", "w.safetensors"),
    "spec": _given("model.toml", *_EXPORT[:3], "--dry-run", "--output", "out", "--spec", "model.toml", must=False),
    "labels": _given("names.txt", *_EXPORT, "--labels", "names.txt"),
    "labels, evaluate": _given("names.txt", "evaluate", "ONNX", "--data", "ARRAYS", "--labels", "names.txt"),
    "precision map": _given("map.json", *_EXPORT, "--format", "coreml", "--precision-map", "map.json"),
    "device report": _given("report.json", "import-device-report", "report.json", "--artifact", "ONNX"),
    "baseline, compare": _given("baseline", "compare", "ONNX", "--baseline", "baseline"),
    "latency.json": _in(lambda sound: sound.baseline, "latency.json", "compare", "ONNX", "--baseline", "folder"),
    "instruction baseline": _given("work.json", "parity", "ONNX", "--device", "arm64", "--baseline", "work.json"),
    "data": _given("set.npz", "evaluate", "ONNX", "--data", "set.npz"),
    "data, train": _given("data", "train", "--data", "data", *_TRAIN),
    "idx images": _in(lambda sound: sound.data["idx"], "t10k-images-idx3-ubyte.gz", "evaluate", "ONNX", "--data", "folder"),
    "idx labels": _in(lambda sound: sound.data["idx"], "t10k-labels-idx1-ubyte", "evaluate", "ONNX", "--data", "folder"),
    "labels of a folder": _in(lambda sound: sound.data["folders"] / "val" / "ant", "labels.json", "evaluate", "ONNX", "--data", "folder"),
    "report of figures": _given("report.json", "pareto", "ONNX", "--report", "report.json"),
    "artifact, pareto": _given("artifact", "pareto", "artifact", "ONNX", "--data", "ARRAYS"),
    "an image of a set": _in(lambda sound: sound.data["folders"], "val/ant/0.png", "evaluate", "ONNX", "--data", "folder"),
    "an image of a set, train": _in(lambda sound: sound.data["folders"], "val/ant/0.png", "train", "--data", "folder", *_TRAIN),
    "config.json": _in(lambda sound: sound.hub, "config.json", "hub", "folder", "--output", "out/hub"),
    "model.safetensors": _in(lambda sound: sound.hub, "model.safetensors", "hub", "folder", "--output", "out/hub"),
    "run.json": _given("run.json", "train", "--data", "ARRAYS", "--output", ".", "--resume"),
    "project": _given("app", "bundle", "android", "--verify", "app"),
    "record": _in(lambda sound: sound.bundles["android"], "cloformer-bundle.json", "bundle", "android", "--verify", "folder"),
    "record, replaced": _in(lambda sound: sound.bundles["android"], "cloformer-bundle.json", "bundle", "android", "ONNX", "--output", "folder", "--force"),
    "a project's manifest": _in(lambda sound: sound.bundles["android"], "manifest.json", "bundle", "android", "--verify", "folder"),
    "a project's model": _in(lambda sound: sound.bundles["android"], "model.onnx", "bundle", "android", "--verify", "folder", "--json"),
}  # fmt: skip

# Places that are written to.
_OUTPUTS: dict[str, Position] = {
    "output of a bundle": _given("place", "bundle", "android", "ONNX", "--output", "place", must=False),
    "output of a bundle, with force": _given("place", "bundle", "android", "ONNX", "--output", "place", "--force", must=False),
    "output of the Hub": _given("place", "hub", "fashion-mnist", "--output", "place", must=False),
    "page of parity": _given("place", "parity", "ONNX", "--html", "place", must=False),
    "JUnit of parity": _given("place", "parity", "ONNX", "--junit", "place", must=False),
    "page of a profile": _given("place", "profile", "ONNX", "--runs", "1", "--html", "place", must=False),
    "run's folder": _given("place", "train", "--data", "ARRAYS", "--output", "place", "--teacher", "no_such_module:teacher", must=False),
}  # fmt: skip


def _run(kind: str, position: Position, writes: tuple[str, ...], place: Place) -> Run:
    path, arguments = position.make(place)
    _KINDS[kind](path, place)
    codes = REFUSED if position.must and kind not in _MAY_BE_FINE else ANY
    return Run("", arguments, codes, writes)


def _one_file_more(kind: str, place: Place) -> Run:
    """An artifact with a file that its manifest does not name."""
    artifact = place.copy(place.sound.onnx, "artifact")
    _KINDS[kind](artifact / "more", place)
    return Run("", ("predict", "artifact"), ANY)


def _device(name: str, position: str, place: Place) -> Run:
    """On the command line itself."""
    path, arguments = _POSITIONS[position].make(place)
    return Run("", tuple(name if word == place.at(path) else word for word in arguments), REFUSED)


_ON_THE_COMMAND_LINE = (
    "artifact, inspect", "image", "weights, without an ending", "labels", "spec", "precision map", "device report",
    "baseline, compare", "instruction baseline", "data, train", "project",
)  # fmt: skip


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = [
        Trial(f"{what}: {kind}", partial(_run, kind, position, ("out",)))
        for what, position in _POSITIONS.items()
        for kind in _KINDS
    ]
    trials += [
        Trial(f"{what}: {kind}", partial(_run, kind, position, ("place", "the folder", "missing")))
        for what, position in _OUTPUTS.items()
        for kind in _KINDS
        if kind not in ("missing", "a link to a terminal")
    ]
    trials += [
        Trial(f"a file more: {kind}", partial(_one_file_more, kind)) for kind in _KINDS if kind != "missing"
    ]
    trials += [
        Trial(f"{position}: {name}", partial(_device, name, position))
        for position in _ON_THE_COMMAND_LINE
        for name in ("/dev/zero", "/dev/null", "/dev/fd/0", "/proc/self/mem", "/proc/self/environ", "/")
    ]
    return trials


def _linked(what: str, place: Place) -> Run:
    """What may be reached through a link: everything but the files in an artifact."""
    position = _POSITIONS[what]
    path, arguments = position.make(place)
    path.symlink_to(_SOUND_FILES[what](place.sound))
    return Run("", arguments, SOUND)


_SOUND_FILES: dict[str, Callable[[Sound], Path]] = {
    "artifact, inspect": _onnx,
    "artifact, predict": _onnx,
    "artifact, parity": _onnx,
    "artifact, profile": _onnx,
    "artifact, bundle": _onnx,
    "artifact, evaluate": _onnx,
    "image": lambda sound: sound.image,
    "weights, safetensors": lambda sound: sound.weights,
    "weights, pth": lambda sound: sound.weights.with_suffix(".pth"),
    "spec": lambda sound: sound.spec,
    "labels": lambda sound: sound.labels,
    "labels, evaluate": lambda sound: sound.labels,
    "precision map": lambda sound: sound.precision_map,
    "data": lambda sound: sound.data["arrays.npz"],
    "idx images": lambda sound: sound.data["idx"] / "t10k-images-idx3-ubyte.gz",
    "idx labels": lambda sound: sound.data["idx"] / "t10k-labels-idx1-ubyte",
    "an image of a set": lambda sound: sound.data["folders"] / "val" / "ant" / "0.png",
    "project": lambda sound: sound.bundles["android"],
}


def _odd(sound: Sound) -> Sequence[Trial]:
    return [Trial(f"through a link: {what}", partial(_linked, what)) for what in _SOUND_FILES]


KINDS = InputClass("kind of file", _listed, None, 0, _odd, most=500)
