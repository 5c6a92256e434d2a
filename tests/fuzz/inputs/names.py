"""Names that people and programs give: of files, folders and images, on the command line and in what is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..case import ANY, SOUND, InputClass, Place, Run, Trial
from ..sound import MODEL, Sound
from ..values import COMMAND, NAMES

__all__ = ["NAMED"]

_NO_TEXT = b"a\xff\xfe\x80".decode("utf-8", "surrogateescape")

# What a file system takes for the name of a file, and nobody means well with.
_HOSTILE: dict[str, str] = {
    **{value.name: value.value.replace("/", "|").replace("\x00", "")[:80] for value in NAMES},
    "no UTF-8": _NO_TEXT,
    "no UTF-8, and an escape code": _NO_TEXT + "\x1b[2J",
    "no UTF-8, and a command of a CI": f"\n{COMMAND}{_NO_TEXT}",
    "as long as may be": "n" * 255,
    "as long as may be, and no letter": "\x1b" * 255,
    "begins with a dash": "-rf",
    "an option": "--json",
    "line breaks alone": "\n\r\n",
    "a staging folder's": ".cloformer-staging-abcdefgh",
    "a new file's": ".model.onnx.new",
    "a title of a terminal": "\x1b]0;owned\x07",
    "an error of a CI": "\n::error file=a,line=1::owned",
    "a mask of a CI": "\n::add-mask::e",
}

_ODD: dict[str, str] = {
    "blanks": "a name of blanks",
    "quotes": 'it\'s "a" `name`',
    "Chinese": "昆虫分类器",
    "Japanese": "昆虫ネット",
    "Korean": "곤충",
    "Russian": "Насекомые",
    "Arabic": "حشرات",
    "Hebrew": "חרקים",
    "Hindi": "कीड़े",
    "Thai": "แมลง",
    "Greek": "Έντομα",
    "Vietnamese": "Côn trùng",
    "accents in two parts": "e\u0301te\u0301",
    "a picture": "🐝",
    "a family": "👩‍👩‍👧‍👦",
    "marks of a shell": "a;b&c|d$e(f)<g>",
    "a format": "100%s{0}",
    "marks of Markdown": "**a** _b_ [c](d) | e",
    "a point at the end": "name.",
    "two points": "a..b",
    "a hash": "#1",
    "brackets": "[a]*?",
    "200 letters": "n" * 200,
    "80 characters of three bytes": "虫" * 80,
    "an ending": "artifact.onnx.d",
}


def _artifact_called(name: str, place: Place) -> Path:
    source = place.sound.onnx
    return Path(shutil.copytree(source, place.folder / name))


def _said(name: str) -> str:
    return f"./{name}" if name.startswith("-") else name


def _a_link(name: str, place: Place) -> tuple[str, ...]:
    (place.folder / name).symlink_to(place.sound.onnx)
    return ("inspect", _said(name))


def _inspect(name: str, place: Place) -> tuple[str, ...]:
    _artifact_called(name, place)
    return ("inspect", _said(name))


def _predict(name: str, place: Place) -> tuple[str, ...]:
    shutil.copy(place.sound.image, place.folder / name)
    return ("predict", str(place.sound.onnx), _said(name))


def _predict_json(name: str, place: Place) -> tuple[str, ...]:
    return (*_predict(name, place), "--json")


def _parity(name: str, place: Place) -> tuple[str, ...]:
    _artifact_called(name, place)
    (place.folder / "photos").mkdir()
    shutil.copy(place.sound.image, place.folder / "photos" / f"{name[:200]}.png")
    model = ("--model", MODEL, "--weights", str(place.sound.weights), "--no-operators")
    return (
        "parity",
        _said(name),
        *model,
        "--images",
        "photos",
        "--html",
        "out/p.html",
        "--junit",
        "out/p.xml",
    )


def _parity_json(name: str, place: Place) -> tuple[str, ...]:
    _artifact_called(name, place)
    return ("parity", _said(name), "--json")


def _evaluate(name: str, place: Place) -> tuple[str, ...]:
    _artifact_called(name, place)
    shutil.copytree(place.sound.data["folders"], place.folder / "photos")
    shutil.copy(place.sound.image, place.folder / "photos" / "val" / "ant" / f"{name[:200]}.png")
    return ("evaluate", _said(name), "--data", "photos")


def _a_class(name: str, place: Place) -> tuple[str, ...]:
    folder = Path(shutil.copytree(place.sound.data["folders"], place.folder / "photos"))
    for half in ("train", "val"):
        (folder / half / "ant").rename(folder / half / name)
    return ("train", "--data", "photos", "--output", "out/run", "--teacher", "no_such_module:teacher")


def _a_set(name: str, place: Place) -> tuple[str, ...]:
    file = f"{name[:200]}.npz"
    shutil.copy(place.sound.data["arrays.npz"], place.folder / file)
    return ("evaluate", str(place.sound.onnx), "--data", _said(file), "--json")


def _weights(name: str, place: Place) -> tuple[str, ...]:
    file = f"{name[:200]}.safetensors"
    shutil.copy(place.sound.weights, place.folder / file)
    return (
        "export",
        "--model",
        MODEL,
        "--weights",
        _said(file),
        "--image-size",
        "32",
        "--dry-run",
        "--output",
        "out",
    )


def _output(name: str, place: Place) -> tuple[str, ...]:
    return ("bundle", "android", str(place.sound.onnx), "--output", f"out/{name}")


def _hub_output(name: str, place: Place) -> tuple[str, ...]:
    return ("hub", "fashion-mnist", "--output", f"out/{name}")


def _report(name: str, place: Place) -> tuple[str, ...]:
    shutil.copy(place.sound.report, place.folder / name)
    _artifact_called("artifact", place)
    return ("import-device-report", _said(name), "--artifact", "artifact")


def _page(name: str, place: Place) -> tuple[str, ...]:
    return ("profile", str(place.sound.onnx), "--runs", "1", "--html", f"out/{name}")


def _missing(name: str, place: Place) -> tuple[str, ...]:
    return ("predict", str(place.sound.onnx), _said(name))


def _missing_artifact(name: str, place: Place) -> tuple[str, ...]:
    return ("inspect", _said(name), "--json")


def _verified(name: str, place: Place) -> tuple[str, ...]:
    shutil.copytree(place.sound.bundles["android"], place.folder / name)
    return ("bundle", "android", "--verify", _said(name))


def _a_file_more(name: str, place: Place) -> tuple[str, ...]:
    artifact = _artifact_called("artifact", place)
    (artifact / name).write_bytes(b"more")
    return ("inspect", "artifact")


def _a_file_more_in_an_app(name: str, place: Place) -> tuple[str, ...]:
    app = Path(shutil.copytree(place.sound.bundles["android"], place.folder / "app"))
    (next(app.rglob("manifest.json")).parent / name).write_bytes(b"more")
    return ("bundle", "android", "--verify", "app")


def _in_a_ci(name: str, place: Place) -> tuple[str, ...]:
    return _parity(name, place)


# Where a name stands, and whether a sound name there must be taken.
_PLACES: dict[str, tuple[Callable[[str, Place], tuple[str, ...]], bool]] = {
    "an artifact": (_inspect, True),
    "a link to an artifact": (_a_link, True),
    "a photograph": (_predict, True),
    "a photograph, as JSON": (_predict_json, True),
    "an artifact and photographs": (_parity, True),
    "an artifact, as JSON": (_parity_json, True),
    "an artifact that is evaluated": (_evaluate, True),
    "a class": (_a_class, False),
    "a data set": (_a_set, True),
    "weights": (_weights, True),
    "an app's project": (_output, True),
    "a folder for the Hub": (_hub_output, True),
    "a report": (_report, True),
    "a page": (_page, True),
    "a photograph that is not there": (_missing, False),
    "an artifact that is not there": (_missing_artifact, False),
    "a project that is checked": (_verified, True),
    "a file more in an artifact": (_a_file_more, False),
    "a file more in an app": (_a_file_more_in_an_app, False),
    "an artifact, in a CI": (_in_a_ci, True),
}

_WRITES = ("out", "artifact-reports")


def _run(where: str, name: str, codes: frozenset[int], place: Place) -> Run:
    make, _ = _PLACES[where]
    environment = (
        {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "out.md"} if where == "an artifact, in a CI" else {}
    )
    return Run("", make(name, place), codes, (*_WRITES, "out.md"), environment)


def _listed(sound: Sound) -> Sequence[Trial]:
    """Every name in some of the places."""
    names = list(_HOSTILE.items())
    return [
        Trial(f"{where} called: {what}", partial(_run, where, name, ANY))
        for index, where in enumerate(_PLACES)
        for turn, (what, name) in enumerate(names)
        if turn % 3 == index % 3
    ]


def _drawn(place: Place) -> Run:
    """Parts of hostile names, one after the other."""
    parts = [place.pick(list(_HOSTILE.values())) for _ in range(int(place.random.integers(1, 4)))]
    name = "".join(part[: int(place.random.integers(1, 40))] for part in parts).encode(
        "utf-8", "surrogateescape"
    )[:200]
    text = name.decode("utf-8", "surrogateescape").replace("/", "|")
    where = place.pick(list(_PLACES))
    run = _run(where, text if text not in (".", "..") else "x", ANY, place)
    return Run(f"{where} called {ascii(text)[:80]}", run.arguments, run.codes, run.writes, run.environment)


def _long_path(depth: int, place: Place) -> Run:
    """As long as the system lets a path be."""
    folder = place.folder.joinpath(*["a folder of a long name " + "x" * 80] * depth)
    folder.mkdir(parents=True)
    shutil.copytree(place.sound.onnx, folder / "artifact")
    return Run(
        "", ("predict", str(folder.relative_to(place.folder) / "artifact"), str(place.sound.image)), SOUND
    )


def _read_only(command: tuple[str, ...], place: Place) -> Run:
    artifact = _artifact_called("artifact", place)
    for path in (*artifact.rglob("*"), artifact):
        path.chmod(0o500 if path.is_dir() else 0o400)
    return Run("", command, SOUND)


def _by(path: str, place: Place) -> Run:
    _artifact_called("artifact", place)
    (place.folder / "link").symlink_to("artifact")
    (place.folder / "links").mkdir()
    (place.folder / "links" / "again").symlink_to("../link")
    return Run("", ("predict", path.replace("HERE", str(place.folder)), str(place.sound.image)), SOUND)


def _odd(sound: Sound) -> Sequence[Trial]:
    places = [where for where, (_, must) in _PLACES.items() if must]
    trials = [
        Trial(
            f"{places[(index * 3 + turn) % len(places)]} called: {what}",
            partial(_run, places[(index * 3 + turn) % len(places)], name, SOUND),
        )
        for index, (what, name) in enumerate(_ODD.items())
        for turn in range(2)
    ]
    trials += [Trial(f"{depth} folders deep", partial(_long_path, depth)) for depth in (5, 15, 30)]
    for command in (
        ("inspect", "artifact"),
        ("predict", "artifact"),
        ("parity", "artifact"),
        ("bundle", "android", "artifact", "--output", "out/app"),
    ):
        trials.append(Trial(f"a folder that may be read alone: {command[0]}", partial(_read_only, command)))
    for path in (
        "artifact",
        "artifact/",
        "./artifact",
        "artifact/manifest.json",
        "../here/artifact",
        "HERE/artifact",
        "link",
        "link/",
        "links/again",
        "link/manifest.json",
        "artifact/../artifact",
        "artifact//",
    ):
        trials.append(Trial(f"an artifact at {path}", partial(_by, path)))
    return trials


NAMED = InputClass("name", _listed, _drawn, 150, _odd)
