"""Apple's declarations, from the published type data of NativeScript: what there is, and from which iOS on."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PACKAGE", "Declarations", "fetch"]

PACKAGE = "@nativescript/types-ios@9.1.2"
INTEGRITY = "sha512-tIFN3FwKNAbWJs6Ne6fBJ92PD9/z8wcEHHW8OLGqeoqAaKBz2X8433B7e367iewHOrP70wYkStu6M1IhJ7Dj/A=="
FRAMEWORKS = ("CoreFoundation", "CoreGraphics", "CoreML", "CoreVideo", "ImageIO", "UIKit", "Vision")

_TOP = re.compile(
    r"(?:declare )?(?:const enum|class|interface|function|const|var) (\w+)(?:.*? extends (\w+))?"
)
_MEMBER = re.compile(r"(?:static )?(?:readonly )?(\w+)\??(?: =|[(:<,]|$)")
_SINCE = re.compile(r"@since (\d+)\.(\d+)")


@dataclass
class Declaration:
    """``since`` is the first iOS that has it, None where the data does not say; so are the members'."""

    since: tuple[int, int] | None
    parent: str | None
    members: dict[str, tuple[int, int] | None] = field(default_factory=dict)


class Declarations:
    """Everything that the frameworks declare, by name."""

    def __init__(self, files: dict[str, str]) -> None:
        self._found: dict[str, Declaration] = {}
        for text in files.values():
            self._read(text)

    def find(self, path: str) -> tuple[bool, tuple[int, int] | None]:
        """Whether ``Name`` or ``Name.member`` is there, and from which iOS on: a member of an older ancestor, or of
        a protocol that the data lists with it, counts."""
        name, _, member = path.partition(".")
        declaration = self._found.get(name)
        if declaration is None:
            return False, None
        if not member:
            return True, declaration.since
        owner: Declaration | None = declaration
        while owner is not None:
            if member in owner.members:
                levels = [level for level in (owner.members[member], declaration.since) if level is not None]
                return True, max(levels, default=None)
            owner = self._found.get(owner.parent or "")
        return False, None

    def _read(self, text: str) -> None:
        since: tuple[int, int] | None = None
        owner: Declaration | None = None
        for line in text.splitlines():
            content = line.strip()
            if level := _SINCE.search(content):
                since = int(level[1]), int(level[2])
            if not content or content.startswith(("*", "/*")):
                continue
            if not line[0].isspace():
                if match := _TOP.match(content):
                    owner = self._found.setdefault(match[1], Declaration(since, match[2]))
            elif owner is not None and (match := _MEMBER.match(content)):
                known = owner.members.get(match[1], since)  # of overloads, the oldest
                owner.members[match[1]] = min(known, since) if known and since else None
            since = None


def fetch() -> Declarations:
    """Downloads the package with npm; :class:`RuntimeError` unless it is the one that this check was written for."""
    with tempfile.TemporaryDirectory() as folder:
        shown = subprocess.run(
            ["npm", "pack", "--json", "--silent", PACKAGE],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        archive = Path(folder) / json.loads(shown)[0]["filename"]
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise RuntimeError(f"{PACKAGE} has the hash sha512-{digest}, which is another package's")
        with tarfile.open(archive) as package:
            return Declarations({name: _text(package, name) for name in FRAMEWORKS})


def _text(package: tarfile.TarFile, framework: str) -> str:
    name = f"package/lib/ios/objc-x86_64/objc!{framework}.d.ts"
    file = package.extractfile(name)
    if file is None:
        raise RuntimeError(f"{PACKAGE} has no {name}")
    return file.read().decode()
