"""Latency on an Android device: the tests of the app that `cloformer bundle` writes are run by adb, and their report
is fetched.

The app measures itself, with the same library and the same code that ships; here its samples are judged. Nothing is
pushed: what is timed is what is installed, and its hashes must be the artifact's.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cloformer.errors import GateError, MissingRuntimeError, UnsupportedError, UsageError
from cloformer.io.progress import Progress
from cloformer.io.words import count

from ..artifact.folder import Artifact
from ..bundle.device_report import DeviceReport, read_device_report
from ..formats import FORMATS
from ..latency.statistics import Summary, Verdict, stability, summarize
from .adb import Adb

__all__ = ["PRESET", "PhoneLatency", "measure_on_phone"]

PRESET = "quick"  # the app's own: at least 128 queries and 10 s, after a warm-up of 10 and 1 s
_TEST = "io.github.cloformer.app.ConformanceTest"
_RUNNER = "androidx.test.runner.AndroidJUnitRunner"
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+")
_REPORT = "device-report.json"
_DONE = re.compile(r"^INSTRUMENTATION_CODE: -1\s*$", re.MULTILINE)
_WHY = re.compile(
    r"^(?:INSTRUMENTATION_RESULT: (?:longMsg|shortMsg)=|INSTRUMENTATION_FAILED: )(.+)$", re.MULTILINE
)
_EMULATORS = ("ro.boot.qemu", "ro.kernel.qemu")  # properties that Android's emulator sets to 1


@dataclass(frozen=True)
class PhoneLatency:
    """What the app measured. ``report`` is its own, whose hashes are the artifact's; ``serial`` is adb's name of the
    device, ``is_emulator`` whether the device is one of Android's emulators, whose times are no phone's."""

    artifact: str
    model: str
    precision: str
    serial: str
    is_emulator: bool
    report: DeviceReport

    @property
    def latency(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.report.document["latency"]
        return found

    @property
    def measured_on(self) -> str:
        """Device, system, processor and build of the app: what a number of a phone must name."""
        about = self.report.document["device"]
        kind = "Android emulator, no phone: " if self.is_emulator else ""
        return f"{kind}{self.report.device}, {about['cpu']}, app's {about['app_build']} build"

    @cached_property
    def summary(self) -> Summary:
        """Seconds, of all samples."""
        return summarize([time / 1e9 for time in self.latency["samples_ns"]])

    @property
    def verdict(self) -> Verdict:
        return stability(self.summary)

    def to_json(self) -> dict[str, object]:
        """The names of a latency report's row, where it has the same thing."""
        document, latency = self.report.document, self.latency
        return {
            "schema_version": 1,
            "kind": "device-latency",
            "artifact": self.artifact,
            "manifest_sha256": document["manifest_sha256"],
            "model_sha256": document["model_sha256"],
            "model": self.model,
            "precision": self.precision,
            "measured_on": self.measured_on,
            "serial": self.serial,
            "is_emulator": self.is_emulator,
            "device": dict(document["device"]),
            "runtime": dict(document["runtime"]),
            "preset": latency["preset"],
            "threads": latency["threads"],
            "load_ns": latency["load_ns"],
            "first_ns": latency["first_ns"],
            "warm_up_ns": list(latency["warmup_ns"]),
            "wall_ns": list(latency["samples_ns"]),
            "summary": asdict(self.summary),
            "verdict": {"word": self.verdict.word, "reasons": list(self.verdict.reasons)},
            "is_the_model": self.report.passed,
            "missing_vectors": list(self.report.missing),
        }


def measure_on_phone(
    artifact: Artifact,
    adb: Adb,
    package: str,
    *,
    threads: int = 1,
    time_limit: float = 900.0,
    progress: Progress = lambda _: None,
) -> PhoneLatency:
    """Run the installed app's tests and judge what they wrote by the artifact.

    Raises :class:`MissingRuntimeError` if the app, or its tests, are not installed, :class:`GateError` if they do not
    end well or write nothing, :class:`InputError` if the app carries another model.
    """
    _refuse(artifact, package)
    _refuse_without_app(adb, package)
    progress(f"measuring on {adb.serial}: the app's tests run for about half a minute")
    content = _run_tests(adb, package, threads, time_limit)
    with tempfile.TemporaryDirectory(prefix="cloformer-report-") as name:
        fetched = Path(name) / _REPORT
        fetched.write_bytes(content)
        report = read_device_report(fetched, artifact)
    latency = report.document["latency"]
    if latency is None or not latency["samples_ns"] or 0 in latency["samples_ns"]:
        raise GateError(
            f"the app on {adb.serial} measured no times", "bundle the artifact again, and install that"
        )
    if latency["threads"] != threads:
        raise GateError(
            f"the app on {adb.serial} ran on {count(latency['threads'], 'thread')}, and not on {threads}",
            "bundle the artifact again, and install that",
        )
    is_emulator = any(adb.shell("getprop", name).strip() == "1" for name in _EMULATORS)
    manifest = artifact.manifest
    return PhoneLatency(
        artifact.folder.name, manifest.name, manifest.precision.name, adb.serial, is_emulator, report
    )


def _run_tests(adb: Adb, package: str, threads: int, time_limit: float) -> bytes:
    """The report that the app's tests wrote."""
    path = f"/sdcard/Android/data/{package}/files/{_REPORT}"
    before = adb.read(path, package)
    options = ["-e", "class", _TEST, "-e", "threads", str(threads)]
    said = adb.shell(
        "am", "instrument", "-w", "-r", *options, f"{package}.test/{_RUNNER}", seconds=time_limit
    )
    content = adb.read(path, package)
    if content is None or content == before:
        why = _WHY.search(said)
        raise GateError(
            f"the app's tests on {adb.serial} wrote no report: {why[1][:200] if why else 'they did not say why'}",
            f"see: adb -s {adb.serial} logcat -d",
        )
    if _DONE.search(said) is None:
        raise GateError(f"the app's tests on {adb.serial} did not end", f"see: adb -s {adb.serial} logcat -d")
    return content


def _refuse(artifact: Artifact, package: str) -> None:
    if "android" not in FORMATS[artifact.format].app_systems:
        raise UnsupportedError(
            f"{artifact.folder} is {artifact.format}, which no Android app carries",
            "export it with --format onnx",
        )
    if _PACKAGE.fullmatch(package) is None:
        raise UsageError(
            f"--package {package[:80]!r} is no application's identifier", "it is like com.example.app"
        )


def _refuse_without_app(adb: Adb, package: str) -> None:
    install = (
        "cloformer bundle android ARTIFACT --output APP, and there: "
        "gradle :app:installDebug :app:installDebugAndroidTest"
    )
    if not adb.shell("pm", "path", package).startswith("package:"):
        raise MissingRuntimeError(
            f"{package} is not installed on {adb.serial}",
            install,
            "an app of another name is given with --package",
        )
    wanted = f"instrumentation:{package}.test/{_RUNNER} "
    if not any(line.startswith(wanted) for line in adb.shell("pm", "list", "instrumentation").splitlines()):
        raise MissingRuntimeError(f"the tests of {package} are not installed on {adb.serial}", install)
