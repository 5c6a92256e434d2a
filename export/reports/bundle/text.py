"""A bundled project in words: what was written, and what to do with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.words import count, plain

if TYPE_CHECKING:
    from ...bundle.project import Bundled

__all__ = ["verified", "written"]

# What opens, installs and proves the app; {} is the project's folder, quoted for a shell.
_NEXT = {
    "android": (
        "cd {} && gradle :app:installDebug",
        "cd {} && gradle :app:connectedDebugAndroidTest   # proves on the phone that it is the model",
        "# or open the folder in Android Studio and run `app`, with a phone connected",
    ),
    "ios": (
        "open {}/CloFormer.xcodeproj",
        "# on a Mac: run the scheme `App`; Product > Test proves on the phone that it is the model",
    ),
}


def written(project: Bundled) -> Iterator[str]:
    """The folder, what is in it, what stayed, and the next commands to type."""
    yield f"{project.folder}"
    yield (
        f"  {project.system.title} project with {project.runtime.title}: {count(project.files, 'file')}, {project.bytes / 1e6:.1f} MB, "
        f"{count(project.vectors, 'conformance vector')}"
    )
    if project.probes:
        yield f"  {count(project.probes, 'model')} for its tests that give the values inside"
    for name in project.kept:
        yield f"  kept, for you have edited it: {plain(name)}"
    for number, line in enumerate(_NEXT[project.system.name]):
        yield f"  {'' if number else 'next:':<6}{line.format(shlex.quote(str(project.folder)))}"


def verified(folder: Path, record: Mapping[str, object], edited: Sequence[str]) -> Iterator[str]:
    """What was checked, and the template's files that are the user's by now."""
    yield f"{folder}: the model and its conformance kit are as {plain(str(record['artifact']))} was exported"
    for name in edited:
        yield f"  edited since: {plain(name)}"
