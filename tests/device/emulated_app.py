"""The shell of a device that has the bundled app, as far as `cloformer bench --device adb` asks it: nothing is run.

Its times are made up, and it says so in the device's name.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from daemon import Ran

from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.artifact.kit import read_kit
from cloformer.io.read import sha256_of

__all__ = ["PACKAGE", "EmulatedApp", "report_of"]

PACKAGE = "com.example.cloformer"
_RUNNER = "androidx.test.runner.AndroidJUnitRunner"


def report_of(folder: Path, threads: int = 1) -> dict[str, Any]:
    """What the app's tests would write for an artifact that they find nothing wrong with."""
    artifact = read_artifact(folder)
    vectors = [
        {
            "name": vector.image.name,
            "preprocessing": None if vector.image.compares == "outputs" else {"passed": True, "max_abs": 0.0},
            "outputs": {
                name: {"passed": True, "max_abs": 0.0, "largest": float(abs(value).max()), "cosine": 1.0}
                for name, value in vector.outputs.items()
            },
        }
        for vector in read_kit(artifact)
    ]
    return {
        "schema_version": 1,
        "kind": "device-report",
        "manifest_sha256": sha256_of(artifact.folder / MANIFEST),
        "model_sha256": next(entry.sha256 for entry in artifact.files if entry.role == "model"),
        "device": {
            "manufacturer": "nobody", "model": "made up", "os": "Android 15 (API 35)", "cpu": "none", "app_build": "debug",
        },
        "runtime": {"name": "onnxruntime", "version": "1.29.0", "provider": "cpu", "threads": threads},
        "vectors": vectors,
        "latency": {
            "load_ns": 90_000_000,
            "first_ns": 30_000_000,
            "warmup_ns": [21_000_000] * 50,
            "samples_ns": [20_000_000 + 10_000 * (i % 7) for i in range(500)],
            "threads": threads,
            "preset": "quick",
        },
    }  # fmt: skip


class EmulatedApp:
    """``run`` is its shell. ``report`` is what the tests write when they are run, None for nothing; only the app
    itself may read it if ``is_hidden``."""

    def __init__(self, report: dict[str, Any] | None) -> None:
        self.report = report
        self.installed, self.has_tests = True, True
        self.is_hidden, self.is_emulator = False, False
        self.said = "INSTRUMENTATION_CODE: -1\n"
        self.path = f"/sdcard/Android/data/{PACKAGE}/files/device-report.json"
        self.files: dict[str, bytes] = {}
        self.commands: list[list[str]] = []

    def run(self, command: str) -> Ran:
        words = [word for word in shlex.split(command) if word != "2>/dev/null"]
        self.commands.append(words)
        if words[:2] == ["pm", "path"]:
            there = self.installed and words[2] == PACKAGE
            return (f"package:/data/app/{PACKAGE}/base.apk\n".encode(), b"", 0) if there else (b"", b"", 1)
        if words == ["pm", "list", "instrumentation"]:
            line = f"instrumentation:{PACKAGE}.test/{_RUNNER} (target={PACKAGE})\n"
            return (line.encode() if self.has_tests else b"", b"", 0)
        if words[0] == "getprop":
            return (b"1\n" if self.is_emulator and words[1] == "ro.boot.qemu" else b"\n", b"", 0)
        if words[:2] == ["am", "instrument"]:
            if self.report is not None:
                self.files[self.path] = json.dumps(self.report).encode()
            return (self.said.encode(), b"", 0)
        if words[0] == "run-as":
            return self._cat(words[2:]) if words[1] == PACKAGE else (b"", b"run-as: unknown package", 1)
        if self.is_hidden:
            return (b"", b"cat: Permission denied", 1)
        return self._cat(words)

    def _cat(self, words: list[str]) -> Ran:
        content = self.files.get(words[1]) if words[0] == "cat" else None
        return (b"", b"not found", 127) if content is None else (content, b"", 0)
