"""The page's source and the runtime that is copied beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from browser import package, typescript
from checklist import run

from cloformer.export.bundle.onnxruntime_web import ONNXRUNTIME_WEB

from .project import CLOFORMER, REPOSITORY, Project

__all__ = ["bundles", "type_checks"]

TEMPLATE = REPOSITORY / "deploy/web"
_FAULT = "/** @type {string} */\nexport const wrong = 1;\n"


def type_checks(project: Project) -> list[str]:
    """`tsc --checkJs --strict` finds nothing in the page's JavaScript, and finds a wrong type that is planted."""
    problems = typescript(TEMPLATE)
    assert not problems, "\n".join(problems)
    copy = project.work / "mistyped"
    shutil.copytree(TEMPLATE, copy)
    (copy / "core/wrong.js").write_text(_FAULT, "utf-8")
    found = typescript(copy)
    assert len(found) == 1 and "TS2322" in found[0], f"a number that is called text gives {found}"
    files = sorted(TEMPLATE.rglob("*.js"))
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    version = json.loads((package("typescript") / "package.json").read_text("utf-8"))["version"]
    return [f"{len(files)} files, {lines:,} lines, TypeScript {version}"]


def bundles(project: Project) -> list[str]:
    """`cloformer bundle web` copies onnxruntime-web as npm publishes it, each file at its pinned hash; without npm it says what to do."""
    cache = {"XDG_CACHE_HOME": str(project.work / "cache")}
    folder = project.hosted / "fresh"
    run(*CLOFORMER, "bundle", "web", project.exported, "--output", folder, environment=cache)
    published = _published(project.work / "npm")
    names = sorted(path.name for path in (folder / "runtime").iterdir())
    assert set(names) >= set(ONNXRUNTIME_WEB.files), f"runtime/ has {names} alone"
    for name in ONNXRUNTIME_WEB.files:
        assert (folder / "runtime" / name).read_bytes() == (published / name).read_bytes(), (
            f"{name} is not npm's"
        )
    offered = {path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file()}
    missing = [
        str(path) for path in offered if path.name != "jsconfig.json" and not (folder / path).is_file()
    ]
    assert not missing, f"the bundle lacks {missing}"
    said = _refused_without_npm(project)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [
        f"onnxruntime-web {ONNXRUNTIME_WEB.version}: {len(ONNXRUNTIME_WEB.files)} files of {len(names)}; the bundle has {size:,} bytes",
        f"without npm: {said}",
    ]


def _published(folder: Path) -> Path:
    """The package by npm itself, which holds it to the hash that its registry has."""
    folder.mkdir()
    run(
        "npm",
        "install",
        "--silent",
        "--no-save",
        "--ignore-scripts",
        f"onnxruntime-web@{ONNXRUNTIME_WEB.version}",
        cwd=folder,
    )
    return folder / "node_modules/onnxruntime-web/dist"


def _refused_without_npm(project: Project) -> str:
    """What it says where there is neither npm nor a file in the cache."""
    without = os.environ | {"PATH": "/nowhere", "XDG_CACHE_HOME": str(project.work / "empty")}
    command = [*CLOFORMER, "bundle", "web", str(project.exported), "--output", str(project.work / "refused")]
    done = subprocess.run(command, env=without, capture_output=True, text=True)
    assert done.returncode == 5, f"it ends with {done.returncode}: {done.stderr}"
    assert f"onnxruntime-web@{ONNXRUNTIME_WEB.version}" in done.stderr, f"no command is named: {done.stderr}"
    assert not (project.work / "refused").exists(), "something half made is left"
    return done.stderr.strip().splitlines()[0]
