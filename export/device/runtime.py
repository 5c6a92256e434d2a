"""ONNX Runtime for linux/arm64: the shared library out of its published wheel, pinned by version and hashes.

It is the same version whatever is installed here, so that counts of instructions are of the same code everywhere.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from cloformer.errors import MissingRuntimeError
from cloformer.io.cache import cache_folder, placed
from cloformer.io.read import sha256_of

__all__ = ["RUNTIME_VERSION", "runtime_library"]

RUNTIME_VERSION = "1.31.1"
_WHEEL_SHA256 = "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3"
_LIBRARY = f"libonnxruntime.so.{RUNTIME_VERSION}"
_LIBRARY_SHA256 = "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467"
# The wheel that has the hash above. For which Python it was made is of no account: no Python runs there.
_WHEEL_IS_FOR = ("--platform=manylinux_2_28_aarch64", "--python-version=3.11", "--implementation=cp")
_SECONDS = 600.0


def runtime_library() -> Path:
    """The library in the user's cache, downloaded by pip when it is not there yet: 21 MB.

    Raises :class:`MissingRuntimeError` if it cannot be had, or is not the one that is pinned.
    """
    place = cache_folder() / "devices" / f"onnxruntime-{RUNTIME_VERSION}-linux-arm64"
    library = place / _LIBRARY
    if not library.is_file():
        with placed(place) as folder:
            _download(folder)
    if sha256_of(library) != _LIBRARY_SHA256:
        raise MissingRuntimeError(
            f"{library} is not the published library: its hash is another",
            f"remove the folder {place}, and run it again",
        )
    return library


def _download(folder: Path) -> None:
    """The library alone into ``folder``."""
    if importlib.util.find_spec("pip") is None:
        raise MissingRuntimeError(
            "ONNX Runtime for arm64 is downloaded by pip, and this Python has none",
            f"{sys.executable} -m ensurepip",
        )
    with tempfile.TemporaryDirectory(prefix="cloformer-download-") as name:
        asked = Path(name) / "requirements.txt"
        asked.write_text(f"onnxruntime=={RUNTIME_VERSION} --hash=sha256:{_WHEEL_SHA256}\n", "utf-8")
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
            *_WHEEL_IS_FOR,
            "--dest",
            name,
            "-r",
            str(asked),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise MissingRuntimeError(f"pip does not run: {error}", "python -m ensurepip") from None
        wheels = list(Path(name).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise MissingRuntimeError(
                f"ONNX Runtime {RUNTIME_VERSION} for arm64 could not be downloaded: {(errors or ['pip failed'])[0][:160]}",
                "run it where pip can download; it is kept for the next time",
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            (folder / _LIBRARY).write_bytes(wheel.read(f"onnxruntime/capi/{_LIBRARY}"))
