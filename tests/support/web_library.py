"""A small package in the place of ONNX Runtime Web: the files' names are its own, and what is in them is not."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cloformer.export.bundle import npm_files, runtimes
from cloformer.export.bundle.npm_files import NpmFiles
from cloformer.export.bundle.onnxruntime_web import ONNXRUNTIME_WEB

__all__ = ["CONTENTS", "TITLE", "packed", "pinned", "stand_in"]

TITLE = ONNXRUNTIME_WEB.title
CONTENTS = {name: f"// {name}\n".encode() * 100 for name in ONNXRUNTIME_WEB.files}


def packed(contents: Mapping[str, bytes], others: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """A .tgz as npm packs it; the ``others`` come first, without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in others:
            archive.addfile(member)
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{ONNXRUNTIME_WEB.folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def pinned(package: bytes, contents: Mapping[str, bytes] = CONTENTS) -> NpmFiles:
    """What is pinned of it."""
    return replace(
        ONNXRUNTIME_WEB,
        integrity=base64.b64encode(hashlib.sha512(package).digest()).decode(),
        files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )


def stand_in(patch: pytest.MonkeyPatch, cache: Path, package: bytes | None = None) -> NpmFiles:
    """The small package is what pages carry, and ``cache`` is where it is kept; without a ``package`` of the test's own it lies
    there already, so that no npm is asked."""
    content = packed(CONTENTS) if package is None else package
    files = pinned(content)
    row = runtimes.RUNTIMES["onnxruntime-web"]
    patch.setitem(runtimes.RUNTIMES, row.name, replace(row, files=files))
    patch.setattr(npm_files, "cache_folder", lambda: cache)
    if package is None:
        by_hand = files.place.with_name(f"{files.place.name}.tgz")
        by_hand.parent.mkdir(parents=True, exist_ok=True)
        by_hand.write_bytes(content)
    return files
