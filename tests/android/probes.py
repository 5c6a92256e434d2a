"""Probes in ONNX Runtime's library for Android, by the app's own Kotlin on a Java machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from checklist import run

from .compiled import CORE, HERE, ORT
from .native import make_loadable
from .parts import TEMPLATE, aar
from .tools import JSON, JUNIT, junit, kotlin, sources

__all__ = ["CHECK", "JAVA", "run_in_java", "write_case"]

CHECK = "ProbeCheck"
CLOFORMER = (sys.executable, "-m", "cloformer")
# As the check in Kotlin names it.
JAVA = {
    "manufacturer": "none",
    "model": "a Java machine",
    "os": "Linux",
    "cpu": "x86_64",
    "app_build": "debug",
}


def write_case(artifact: Path, mode: str, folder: Path) -> Path:
    """What a phone would have of an artifact and its probe."""
    run(*CLOFORMER, "bundle", "android", artifact, "--output", folder / "bundle", "--probe", mode)
    for name, place in (
        ("payload", "main/assets/cloformer"),
        ("conformance", "androidTest/assets/conformance"),
    ):
        (folder / name).symlink_to(folder / "bundle/app/src" / place, target_is_directory=True)
    return folder


def run_in_java(work: Path) -> Callable[[Sequence[Path]], None]:
    """What runs the probes of cases and writes their values; compiles what it needs into ``work``, without Android's own parts."""
    core, ort, checks, libraries = (work / name for name in ("core", "ort", "checks", "native"))
    runtime = aar() / "classes.jar"
    kotlin(sources(CORE), [JSON], core, "core")
    kotlin(sources(ORT / "io/github/cloformer/ort"), [core, runtime], ort, "ort")
    tests = [HERE / "kotlin" / name for name in ("Files.kt", f"{CHECK}.kt")]
    kotlin(tests, [core, ort, runtime, JSON, *JUNIT], checks, "checks")
    make_loadable(libraries)

    def written(cases: Sequence[Path]) -> None:
        probes = work / "probes"
        shutil.rmtree(probes, ignore_errors=True)
        probes.mkdir()
        for case in cases:
            (probes / case.name).symlink_to(case, target_is_directory=True)
        fixtures = TEMPLATE.parent / "ios/CoreTests/Fixtures/shared.json"
        given = {"probes": probes, "fixtures": fixtures, "onnxruntime.native.path": libraries}
        junit([checks, core, ort, runtime], [f"io.github.cloformer.checks.{CHECK}"], given, libraries)

    return written
