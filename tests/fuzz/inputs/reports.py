"""Reports that are read again: a device's, what was found of artifacts, and the baselines of latency and of instructions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ..case import ANY, BAD, REFUSED, InputClass, Place, Run, Trial
from ..documents import Document, encoded
from ..sound import Sound
from ..values import NAMES, changed, text_of, words

__all__ = ["BASELINES", "DEVICE_REPORTS", "FIGURES", "INSTRUCTIONS"]


# A device's report.


def _device_report(place: Place, data: bytes) -> Run:
    artifact = place.copy(place.sound.onnx, "artifact")
    (place.folder / "report.json").write_bytes(data)
    arguments = ("import-device-report", "report.json", "--artifact", artifact.name)
    return Run("", (*arguments, "--json") if place.number % 3 == 0 else arguments, ANY, ("artifact-reports",))


# What is no number there fails its vector: the report is kept, with that verdict.
_REPORT = Document(lambda sound: json.loads(sound.report.read_bytes()), _device_report, may_pass=True)
_NAMED = (
    ("device", "model"),
    ("device", "os"),
    ("runtime", "name"),
    ("vectors", 0, "name"),
    ("latency", "preset"),
    ("placement", "operators", 1, "name"),
    ("placement", "operators", 1, "device"),
)


def _names(sound: Sound) -> Iterator[Trial]:
    document = _REPORT.sound(sound)
    for steps in _NAMED:
        for value in NAMES:
            data = encoded(text_of(changed(document, steps, value.value)))
            yield Trial(f"{words(steps)} called: {value.name}", partial(_device_report, data=data))


def _device_odd(sound: Sound) -> Sequence[Trial]:
    names = ("手机 5", "Téléphone", "هاتف", 'A "phone"', "📱", "a" * 100)
    return [*_REPORT.spelt(), *_REPORT.named(("device", "model"), names)]


DEVICE_REPORTS = InputClass(
    "device report",
    lambda sound: [*_REPORT.listed(sound), *_names(sound)],
    _REPORT.drawn,
    200,
    _device_odd,
    most=200,
)


# What `evaluate` found, from which `pareto` takes figures.


def _evaluation(sound: Sound) -> Any:
    return json.loads(sound.evaluation.read_bytes())


def _figures(place: Place, data: bytes) -> Run:
    (place.folder / "figures.json").write_bytes(data)
    wanted = (("--json",), ("--html", "out/pareto.html"), ("--figure", "top1"))[place.number % 3]
    artifacts = (str(place.sound.onnx), str(place.sound.coreml))
    return Run("", ("pareto", *artifacts, "--report", "figures.json", *wanted), ANY)


_FIGURES = Document(_evaluation, _figures, may_pass=True)
FIGURES = InputClass(
    "report of figures",
    lambda sound: list(_FIGURES.listed(sound)),
    _FIGURES.drawn,
    150,
    lambda sound: [*_FIGURES.spelt(), *_FIGURES.named(("data",), ("фото", 'a "set"', "📷", "a" * 100))],
    most=150,
)


# A baseline of latency: a folder with an artifact and a report.


def _latency(sound: Sound) -> Any:
    """The report, with fewer samples, and of a machine that there is not: what is taken ends there, unmeasured."""
    document = json.loads((sound.baseline / "latency.json").read_bytes())
    document["environment"]["processor"] = "none"
    for row in document["rows"]:
        row.update({name: value[:16] for name, value in row.items() if isinstance(value, list)})
    return document


def _baseline(place: Place, data: bytes) -> Run:
    folder = place.copy(place.sound.baseline, "baseline")
    (folder / "latency.json").write_bytes(data)
    arguments = (
        "compare",
        str(place.sound.onnx),
        "--baseline",
        "baseline",
        "--time-limit",
        "30",
        "--rounds",
        "3",
    )
    return Run("", arguments, REFUSED)


def _elsewhere(path: str, place: Place) -> Run:
    """The baseline's artifact is another folder."""
    document = _latency(place.sound)
    name = document["rows"][0]["artifact"]
    document["rows"][0]["artifact"] = path
    run = _baseline(place, json.dumps(document).encode())
    (place.folder / "baseline" / name).rename(place.folder / "other")
    (place.folder / "baseline" / "linked").symlink_to(place.folder / "other")
    return Run(run.what, run.arguments, BAD if path != "linked" else REFUSED)


_LATENCY = Document(_latency, _baseline)


def _baseline_listed(sound: Sound) -> Sequence[Trial]:
    # A third of the fields: the report has as many as the manifest, and what reads it is one schema.
    trials = [
        trial
        for index, trial in enumerate(_LATENCY.listed(sound))
        if index % 3 == 0 or trial.name.startswith(("rows", "the file"))
    ]
    paths = ("../other", "/etc", ".", "..", "", "linked", "a/b", "gone", "../other\x1b[2J")
    return trials + [Trial(f"an artifact at {path!r}", partial(_elsewhere, path)) for path in paths]


# What is measured with a sound baseline takes the longest of all: tests/cli/test_compare.py has it.
BASELINES = InputClass("latency baseline", _baseline_listed, _LATENCY.drawn, 100, lambda sound: [], most=150)


# A baseline of instructions.


def _instructions(place: Place, data: bytes) -> Run:
    (place.folder / "work.json").write_bytes(data)
    return Run("", ("parity", str(place.sound.onnx), "--device", "arm64", "--baseline", "work.json"), REFUSED)


_WORK = Document(lambda sound: json.loads(sound.work.read_bytes()), _instructions)
INSTRUCTIONS = InputClass(
    "instruction baseline",
    lambda sound: list(_WORK.listed(sound)),
    _WORK.drawn,
    80,
    lambda sound: [],
    most=100,
)
