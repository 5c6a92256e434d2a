"""The systems that the README names: every dependency has a wheel there. Asks the package registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from cloformer.export.formats import FORMATS

ROOT = Path(__file__).parent.parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SYSTEMS = {
    "linux-x86_64": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)] + ["manylinux2014_x86_64"],
    "linux-arm64": [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 17)] + ["manylinux2014_aarch64"],
    "macos-arm64": [
        f"macosx_{major}_0_{arch}" for major in (14, 13, 12, 11) for arch in ("arm64", "universal2")
    ]
    + ["macosx_10_15_universal2", "macosx_10_9_universal2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("version", PYTHONS)
def test_every_dependency_has_a_wheel(version: str, system: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": version}):
            continue
        arguments = [
            sys.executable,
            "-m",
            "pip",
            "index",
            "versions",
            requirement.name,
            "--only-binary=:all:",
        ]
        arguments += ["--python-version", version, *(f"--platform={name}" for name in SYSTEMS[system])]
        shown = subprocess.run(arguments, capture_output=True, text=True).stdout
        line = next((line for line in shown.splitlines() if line.startswith("Available versions: ")), "")
        versions = line.removeprefix("Available versions: ").split(", ")
        assert any(requirement.specifier.contains(found) for found in versions if found), (
            requirement,
            versions[:5],
        )


@pytest.mark.slow
@pytest.mark.parametrize("extra", [row.extra for row in FORMATS.values() if row.extra is not None])
def test_the_extra_of_a_format_resolves_with_the_project(extra: str) -> None:
    """Its pins and the project's own are for versions that go together, on this system."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet",
            "--constraint", str(ROOT / "constraints.txt"), f"{ROOT}[{extra}]",
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
