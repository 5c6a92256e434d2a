"""Packages that others publish, by the user's own package manager: it knows where they lie, and this package does not.

What came is held to a hash that is pinned before anything of it is opened, and of an archive those members are read that were
asked for, by their whole names, into memory.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from cloformer.errors import MissingRuntimeError

from .read import decoding, read_bytes

__all__ = ["downloaded", "fetch", "is_pinned", "only_file", "packed_members"]

_SECONDS = 600.0
_ELSEWHERE = "run it where it can be downloaded; it is kept for the next time"
_MAX_PACKAGE = 2**29  # bytes
_MAX_MEMBER = 2**28


def fetch(command: Sequence[str], folder: Path, what: str, by_hand: str = "") -> None:
    """Run a package manager in ``folder``; :class:`MissingRuntimeError` with its first error if it fails. ``what`` is downloaded,
    and ``by_hand`` is what else can be done."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, cwd=folder)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingRuntimeError(f"{what} could not be downloaded: {error}", _ELSEWHERE, by_hand) from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.lower().startswith(("error", "npm err"))]
        raise _not_downloaded(what, (errors or [f"{Path(command[0]).name} failed"])[0], by_hand)


def only_file(folder: Path, pattern: str, what: str, by_hand: str = "") -> Path:
    """The one file that was downloaded; :class:`MissingRuntimeError` if there is none, or another one."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise _not_downloaded(what, "nothing came", by_hand)
    return found[0]


def downloaded(package: str, sha512: str, what: str, by_hand: str) -> bytes:
    """The package ``NAME@VERSION`` as npm's registry has it, by the user's npm. ``sha512`` is its hash as npm's lock files have
    it, without the name of the algorithm; ``by_hand`` is what to do where this cannot be had.

    Raises :class:`MissingRuntimeError` where there is no npm, where it fails, and for another package than the pinned one.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise MissingRuntimeError(
            f"{what} is downloaded by npm, which is not there",
            "install Node.js, which brings it: apt-get install npm, or brew install node",
            by_hand,
        )
    with tempfile.TemporaryDirectory(prefix="cloformer-download-") as name:
        command = [npm, "pack", "--loglevel=error", "--pack-destination", name, "--ignore-scripts", package]
        fetch(command, Path(name), what, by_hand)
        content = read_bytes(only_file(Path(name), "*.tgz", what, by_hand), _MAX_PACKAGE, by_hand)
    if not is_pinned(content, sha512):
        raise MissingRuntimeError(
            f"{package} is not the package that is pinned: do not use it",
            "see which registry npm asks: npm config get registry",
            by_hand,
        )
    return content


def is_pinned(content: bytes, sha512: str) -> bool:
    """Whether the bytes have the hash, in base64."""
    return base64.b64encode(hashlib.sha512(content).digest()).decode() == sha512


def packed_members(content: bytes, names: Collection[str], what: str, advice: str) -> dict[str, bytes]:
    """The members of a .tgz that are named, as far as it has them: regular files alone, a bounded number of bytes of each. No other
    member is looked at, so none leads anywhere. :class:`InputError` for what is no such archive."""
    found = {}
    with decoding(what, advice), tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            if member.name in names and member.isreg() and member.size <= _MAX_MEMBER:
                file = archive.extractfile(member)
                assert file is not None  # it is a regular one
                found[member.name] = file.read(_MAX_MEMBER)
    return found


def _not_downloaded(what: str, why: str, by_hand: str) -> MissingRuntimeError:
    return MissingRuntimeError(f"{what} could not be downloaded: {why[:160]}", _ELSEWHERE, by_hand)
