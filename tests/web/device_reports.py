"""The report that the page gives a person, judged by `cloformer import-device-report`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from browser import Chromium, Remote
from changed_artifact import with_model

from .faults import MODEL_FAULTS, RUNTIME_FAULTS, plant_in_runtime
from .hosting import file_host, rewrite
from .project import CLOFORMER, Project
from .visit import visit

__all__ = ["judges_reports"]


def judges_reports(project: Project) -> list[str]:
    """`import-device-report` takes the page's report: it passes a sound model and fails each planted fault, and vectors left out."""
    with Chromium() as browser, file_host(project.hosted) as host:
        sound = _report(browser, f"{host.address}/{project.bundle.name}")
        passed = _judged(project, "sound", sound, project.exported)
        assert passed["code"] == 0, f"a sound model ends with {passed['code']}: {passed['said']}"
        said = [f"sound: exit 0, {_worst(passed)}"]
        for name, artifact, bundle in _planted(project):
            found = _judged(project, bundle.name, _report(browser, f"{host.address}/{bundle.name}"), artifact)
            assert found["code"] == 1, f"{name}: exit {found['code']}: {found['said']}"
            said.append(f"{name}: exit 1, {_worst(found)}")
        said += _left_out(project, browser, host.address, sound)
    return said


def _report(browser: Remote, address: str) -> dict[str, Any]:
    with visit(browser, address, serviceWorkers="block") as person:
        return person.conform()


def _planted(project: Project) -> Iterator[tuple[str, Path, Path]]:
    """A fault's name, the artifact that the report is held to, and the bundle that it is planted in."""
    for number, (name, change) in enumerate(MODEL_FAULTS.items()):
        artifact = with_model(project.exported, project.work / f"faulty-{number}", change)
        yield name, artifact, project.bundled(f"faulty-model-{number}", artifact)
    for number, (name, fault) in enumerate(RUNTIME_FAULTS.items()):
        copy = project.hosted / f"faulty-runtime-{number}"
        shutil.copytree(project.bundle, copy, copy_function=os.link)
        plant_in_runtime(copy, fault)
        yield name, project.exported, copy


def _left_out(project: Project, browser: Remote, address: str, sound: dict[str, Any]) -> list[str]:
    """A kit without a vector in the bundle, and a report from which one was taken."""
    copy = project.hosted / "shorter-kit"
    shutil.copytree(project.bundle, copy, copy_function=os.link)
    path = copy / "conformance/conformance.json"
    kit = json.loads(path.read_text("utf-8"))
    gone = kit["vectors"].pop(2)["name"]
    rewrite(path, json.dumps(kit))
    shorter = _report(browser, f"{address}/{copy.name}")
    assert gone not in [vector["name"] for vector in shorter["vectors"]], f"the page ran {gone}"
    taken = {**sound, "vectors": sound["vectors"][1:]}
    said = []
    for name, report in (
        ("a vector left out of the kit", shorter),
        ("a vector taken out of the report", taken),
    ):
        found = _judged(project, "short", report, project.exported)
        assert found["code"] == 1, f"{name}: exit {found['code']}: {found['said']}"
        assert found["missing"], f"{name}: nothing is said to be missing"
        said.append(f"{name}: exit 1, {', '.join(found['missing'])} is missing")
    return said


def _judged(project: Project, name: str, report: dict[str, Any], artifact: Path) -> dict[str, Any]:
    path = project.work / f"report-{name}.json"
    path.write_text(json.dumps(report), "utf-8")
    command = [*CLOFORMER, "import-device-report", path, "--artifact", artifact, "--json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"vectors": [], "missing": []}
    return {**found, "code": done.returncode, "said": done.stderr or done.stdout[:500]}


def _worst(found: dict[str, Any]) -> str:
    """The vector whose outputs are farthest off, beside what is allowed."""
    if any(vector["error"] is None for vector in found["vectors"]):
        return "an output that is no number"
    vector = max(found["vectors"], key=lambda item: item["error"] / item["allowed"])
    return f"off by {vector['error']:.1e} of the largest where {vector['allowed']:.1e} are allowed"
