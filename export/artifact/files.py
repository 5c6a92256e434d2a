"""The files of an artifact: listed with their hashes, and held against the list."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from cloformer.errors import InputError
from cloformer.io.fields import Fields
from cloformer.io.read import opened, sha256_of
from cloformer.io.staging import MANIFEST

__all__ = ["MANIFEST", "FileEntry", "list_files", "verify_files"]

_AGAIN = "the artifact was changed or damaged: export it again"
_MAX_TEXT = 64 * 2**20  # of a file that is looked at for line ends


@dataclass(frozen=True)
class FileEntry:
    """A file of the artifact: its path below the folder, what it is for, its SHA-256 and size in bytes."""

    path: str
    role: str
    sha256: str
    bytes: int

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Fields) -> FileEntry:
        """The entry in a JSON object; :class:`FieldError` for a path that leaves the folder, too."""
        path = fields.text("path", longest=1000, empty=False)
        pure = PurePosixPath(path)
        if pure.is_absolute() or pure.as_posix() != path or ".." in pure.parts or "\\" in path or path == ".":
            raise fields.error("path", f"names a file outside its folder: {path[:80]!r}")
        if path == MANIFEST:
            raise fields.error("path", "is the manifest, which does not list itself")
        entry = cls(
            path,
            fields.text("role", longest=100, empty=False),
            fields.sha256("sha256"),
            fields.whole("bytes"),
        )
        fields.done()
        return entry


def list_files(folder: Path, role_of: Mapping[str, str]) -> tuple[FileEntry, ...]:
    """Every file below ``folder``; its role is that of the longest prefix of its path in ``role_of``."""
    entries = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        prefixes = [prefix for prefix in role_of if name == prefix or name.startswith(prefix + "/")]
        entries.append(FileEntry(name, role_of[max(prefixes, key=len)], sha256_of(path), path.stat().st_size))
    return tuple(entries)


def verify_files(folder: Path, files: Sequence[FileEntry]) -> None:
    """Check that every file is there with its size and hash, that nothing on the way to it is a link, and that there
    is no other file.

    Raises :class:`InputError` that names the first file that differs.
    """
    listed = {entry.path: entry for entry in files}
    found = dict(_found(folder))
    for name in sorted(found.keys() - listed.keys() - {MANIFEST}):
        raise InputError(f"{folder / name} is not in the manifest", "remove it, or export again")
    for name, entry in listed.items():
        path = folder / name
        if name not in found:
            raise InputError(f"{path} is missing", "the artifact is not whole: export it again")
        if not stat.S_ISREG(found[name]):
            raise InputError(f"{path} is not a plain file", "an artifact holds plain files: export it again")
        if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
            raise InputError(
                f"{path} is not the file that was exported: its hash does not match the manifest",
                _line_ends(path, entry) or _AGAIN,
            )


def _found(folder: Path) -> Iterator[tuple[str, int]]:
    """The path below ``folder`` of everything that is no folder, links among it, and its mode."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        name = Path(entry.path).relative_to(folder).as_posix()
                        yield name, entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            raise InputError(f"{current} cannot be read: {error.strerror}", "export it again") from None


def _line_ends(path: Path, entry: FileEntry) -> str | None:
    """What to do if the file is the exported one but for its line ends, which git changes on Windows; else None."""
    import hashlib

    with opened(path, _AGAIN) as file:
        content = file.read(_MAX_TEXT)
    if hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest() != entry.sha256:
        return None
    return (
        "its line ends were changed to CRLF, as git does on Windows: write `* -text` into a .gitattributes beside it, "
        "and check it out again"
    )
