"""Debian's real adb against an emulated device, over TCP: seconds long, and with a program that not everybody has.

``make device-checks`` runs this file; it is no part of the default tests. The adb server is one of its own, on a port
of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from daemon import Daemon
from emulated_app import EmulatedApp, report_of
from outcome import Command

SCHEMA = Path(__file__).parent.parent.parent / "export" / "schemas" / "device-latency.schema.json"


def adb(*arguments: str) -> str:
    return subprocess.run(["adb", *arguments], capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(autouse=True)
def own_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setenv("HOME", str(tmp_path))  # keys are made there
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", "/tmp"))  # noqa: S108
    yield
    adb("kill-server")


@pytest.fixture
def app(small: Path) -> EmulatedApp:
    return EmulatedApp(report_of(small))


def test_an_app_is_run_and_its_report_fetched(
    command: Command, small: Path, app: EmulatedApp, tmp_path: Path
) -> None:
    output = tmp_path / "phone.json"
    with Daemon(app.run) as daemon:
        assert "connected" in adb("connect", daemon.serial)
        done = command("bench", small, "--device", f"adb:{daemon.serial}", "--output", output)
        assert done.code == 0, done.err or done.out
        assert "median 20.03 ms" in done.out and "made up" in done.out
        document = command(
            "bench", small, "--device", "adb", "--json"
        )  # the only one: a report as before is none
        assert document.code == 1 and "wrote no report" in document.err
        app.report["latency"]["samples_ns"] = [30_000_000] * 200_000  # a megabyte or two: many packets
        document = command("bench", small, "--device", "adb", "--json")
        assert document.code == 0, document.err
        assert document.json["summary"]["n"] == 200_000
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(
        json.loads(output.read_text("utf-8"))
    )


def test_no_device(command: Command, small: Path) -> None:
    done = command("bench", small, "--device", "adb")
    assert done.code == 5 and "adb has no device" in done.err


def test_several_devices(command: Command, small: Path, app: EmulatedApp) -> None:
    with Daemon(app.run) as first, Daemon(app.run) as second:
        adb("connect", first.serial)
        adb("connect", second.serial)
        done = command("bench", small, "--device", "adb")
        assert done.code == 2 and first.serial in done.err and second.serial in done.err
        assert command("bench", small, "--device", f"adb:{second.serial}").code == 0


def test_a_device_that_does_not_know_this_computer(command: Command, small: Path, app: EmulatedApp) -> None:
    with Daemon(app.run, authorized=False) as daemon:
        adb("connect", daemon.serial)
        done = command("bench", small, "--device", "adb")
        assert done.code == 4 and "unauthorized" in done.err and "on the device's screen" in done.err, (
            done.err
        )


def test_an_app_that_is_not_installed(command: Command, small: Path, app: EmulatedApp) -> None:
    app.installed = False
    with Daemon(app.run) as daemon:
        adb("connect", daemon.serial)
        done = command("bench", small, "--device", "adb")
        assert done.code == 5 and "com.example.cloformer is not installed" in done.err
        assert len(done.err.splitlines()) == 3


def test_a_device_that_goes_away(command: Command, small: Path, app: EmulatedApp) -> None:
    with Daemon(app.run) as daemon:
        adb("connect", daemon.serial)
        serial = daemon.serial
    done = command("bench", small, "--device", f"adb:{serial}")
    assert done.code in (1, 4, 5) and len(done.err.splitlines()) <= 3, done.err
