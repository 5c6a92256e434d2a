"""Phones, without adb: what it prints, what is refused, and how an app's report is judged."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest
from emulated_app import PACKAGE, EmulatedApp, report_of
from outcome import Command

from cloformer.errors import GateError, InputError, MissingRuntimeError, UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.device import phone
from cloformer.export.device.adb import Adb, Listed, parse_devices
from cloformer.export.device.phone import measure_on_phone
from cloformer.export.reports.device.phone import render

SCHEMA = Path(__file__).parent.parent.parent / "export" / "schemas" / "device-latency.schema.json"


@dataclass(frozen=True)
class Direct(Adb):
    """Asks the emulated app without adb between."""

    app: EmulatedApp = field(default_factory=lambda: EmulatedApp(None))

    def _ask(self, command: Sequence[str], seconds: float) -> bytes:
        return self.app.run(command[1])[0]


def direct(app: EmulatedApp) -> Adb:
    return Direct("adb", "made-up", app)


@pytest.fixture(scope="module")
def found(small: Path) -> Artifact:
    return read_artifact(small)


@pytest.fixture
def app(small: Path) -> EmulatedApp:
    return EmulatedApp(report_of(small))


def installed(folder: Path, listed: str, code: int = 0) -> None:
    """An `adb` that lists what it is told to."""
    (folder / "adb").write_text(f"#!/bin/sh\nprintf %b {shlex.quote(listed)}\nexit {code}\n")
    (folder / "adb").chmod(0o755)


def test_what_adb_lists() -> None:
    text = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\nList of devices attached\n"
        "R58M123\tdevice\nemulator-5554\toffline\n10.0.0.2:5555\tunauthorized\n"
        "0123\tno permissions (user in plugdev group; are your udev rules wrong?); see [http://x]\n\n"
    )
    assert parse_devices(text) == [
        Listed("R58M123", "device"),
        Listed("emulator-5554", "offline"),
        Listed("10.0.0.2:5555", "unauthorized"),
        Listed("0123", "no permissions"),
    ]
    assert parse_devices("") == parse_devices("List of devices attached\n\n") == []


def test_without_adb(command: Command, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command("bench", small, "--device", "adb")
    assert done.code == 5 and "apt-get install adb" in done.err and len(done.err.splitlines()) == 2


HEAD = "List of devices attached\\n"


@pytest.mark.parametrize(
    ("listed", "device", "code", "said"),
    [
        (HEAD, "adb", 5, "adb has no device\n"),
        (HEAD, "adb:R58", 5, "adb has no device 'R58'"),
        (HEAD + "A\\tdevice\\nB\\tdevice\\n", "adb", 2, "name one with --device adb:SERIAL: A, B"),
        (HEAD + "A\\tdevice\\n", "adb:R58", 2, "--device adb:SERIAL takes: A"),
        (HEAD + "A\\tunauthorized\\n", "adb", 4, "allow this computer on the device's screen"),
        (HEAD + "A\\toffline\\n", "adb:A", 4, "A cannot be used: offline"),
        (HEAD + "A\\tno permissions (x); y\\n", "adb", 4, "udev"),
        (HEAD + "A\\tsideload\\n", "adb", 4, "must list it as `device`"),
    ],
)
def test_devices_that_are_refused(
    command: Command, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    listed: str, device: str, code: int, said: str,
) -> None:  # fmt: skip
    installed(tmp_path, listed)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command("bench", small, "--device", device)
    assert done.code == code and said in done.err and len(done.err.splitlines()) <= 3, done.err


def test_an_adb_that_fails(
    command: Command, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(tmp_path, "", code=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("bench", small, "--device", "adb").code == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "arm64"), "parity ARTIFACT --device arm64"),
        (("--device", "usb"), "adb:SERIAL"),
        (("--device", "adb:"), "adb:SERIAL"),
        (("--device", "adb", "--count"), "--count"),
        (("--device", "adb", "--pin"), "--pin"),
        (("--device", "adb", "--preset", "rapid"), "preset"),
        (("--device", "adb", "--threads", "1,2"), "one thread count"),
        (("--package", "com.example.app"), "add --device adb"),
    ],
)
def test_options_that_contradict_one_another(
    command: Command, small: Path, options: tuple[str, ...], said: str
) -> None:
    done = command("bench", small, *options)
    assert done.code == 2 and said in done.err and len(done.err.splitlines()) <= 3, done.err


def test_what_the_app_measured(found: Artifact, app: EmulatedApp) -> None:
    measured = measure_on_phone(found, direct(app), PACKAGE)
    document = measured.to_json()
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    assert document["measured_on"] == "nobody made up, Android 15 (API 35), none, app's debug build"
    assert document["summary"]["n"] == 500 and document["summary"]["median"] == pytest.approx(0.02003)
    assert document["verdict"]["word"] == "stable" and document["is_the_model"] is True
    (asked,) = [words for words in app.commands if words[0] == "am"]
    assert asked[:4] == ["am", "instrument", "-w", "-r"] and asked[-1].startswith(f"{PACKAGE}.test/")
    text = render(measured)
    assert "median 20.03 ms" in text and "made up" in text and text.splitlines()[-1].startswith("PASS")
    assert all(len(line) <= 110 for line in text.splitlines())


def test_a_file_that_only_the_app_may_read(found: Artifact, app: EmulatedApp) -> None:
    app.is_hidden = True
    assert measure_on_phone(found, direct(app), PACKAGE).report.passed


def test_an_emulator_is_no_phone(found: Artifact, app: EmulatedApp) -> None:
    app.is_emulator = True
    assert measure_on_phone(found, direct(app), PACKAGE).measured_on.startswith(
        "Android emulator, no phone: "
    )


def test_an_app_that_is_not_there(found: Artifact, app: EmulatedApp) -> None:
    app.has_tests = False
    with pytest.raises(MissingRuntimeError, match=r"tests of com\.example\.cloformer are not installed"):
        measure_on_phone(found, direct(app), PACKAGE)
    app.installed = False
    with pytest.raises(
        MissingRuntimeError, match=r"com\.example\.cloformer is not installed on made-up"
    ) as caught:
        measure_on_phone(found, direct(app), PACKAGE)
    assert "installDebugAndroidTest" in caught.value.lines[1] and len(caught.value.lines) == 3
    with pytest.raises(UsageError, match="--package"):
        measure_on_phone(found, direct(app), "com.example; reboot")


def test_an_app_with_another_model(found: Artifact, app: EmulatedApp) -> None:
    assert app.report is not None
    app.report["manifest_sha256"] = "0" * 64
    with pytest.raises(InputError, match="another artifact"):
        measure_on_phone(found, direct(app), PACKAGE)


def test_a_report_of_an_earlier_run_is_none(found: Artifact, app: EmulatedApp) -> None:
    app.files[app.path] = json.dumps(app.report).encode()
    app.report = None
    app.said = "INSTRUMENTATION_RESULT: shortMsg=Process crashed.\nINSTRUMENTATION_CODE: 0\n"
    with pytest.raises(GateError, match=r"wrote no report: Process crashed\."):
        measure_on_phone(found, direct(app), PACKAGE)


def test_tests_that_crash_after_the_report(found: Artifact, app: EmulatedApp) -> None:
    app.said = "INSTRUMENTATION_CODE: 0\n"
    with pytest.raises(GateError, match="did not end"):
        measure_on_phone(found, direct(app), PACKAGE)


def test_times_that_are_missing_or_others(found: Artifact, app: EmulatedApp) -> None:
    assert app.report is not None
    with pytest.raises(GateError, match="ran on 1 thread, and not on 4"):
        measure_on_phone(found, direct(app), PACKAGE, threads=4)
    app.report["latency"] = None
    with pytest.raises(GateError, match="measured no times"):
        measure_on_phone(found, direct(app), PACKAGE)


def test_a_vector_that_is_off(found: Artifact, app: EmulatedApp) -> None:
    assert app.report is not None
    first, second, *rest = app.report["vectors"]
    next(iter(first["outputs"].values()))["max_abs"] = 1.0
    app.report["vectors"] = [first, *rest]
    measured = measure_on_phone(found, direct(app), PACKAGE)
    document = measured.to_json()
    assert document["is_the_model"] is False and document["missing_vectors"] == [second["name"]]
    text = render(measured)
    assert f"FAIL  {second['name']}: not run" in text and "not shown to be the model" in text


def test_the_app_has_what_is_asked_for() -> None:
    """The test that is run, what runs it and where it writes, as the app's sources have them."""
    android = Path(__file__).parent.parent.parent / "deploy" / "android"
    (source,) = android.rglob("ConformanceTest.kt")
    text = source.read_text("utf-8")
    package = next(line.split()[1] for line in text.splitlines() if line.startswith("package "))
    assert f"{package}.{source.stem}" == phone._TEST
    assert "getExternalFilesDir(null)" in text and 'getString("threads"' in text
    assert f'"{phone._RUNNER}"' in (android / "app" / "build.gradle.kts").read_text("utf-8")
    (report,) = android.rglob("DeviceReport.kt")
    assert f'"{phone._REPORT}"' in report.read_text("utf-8")
