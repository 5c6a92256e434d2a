"""The programs that an emulated device is made of: QEMU's user-mode emulator, and compilers for both sides."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import MissingRuntimeError
from cloformer.io.cache import cache_folder, placed

__all__ = ["INSTALL", "Toolchain", "compiled", "find_toolchain"]

INSTALL = "apt-get install qemu-user gcc g++-aarch64-linux-gnu"  # Debian's and Ubuntu's names
EMULATOR, CROSS_COMPILER, COMPILER = "qemu-aarch64", "aarch64-linux-gnu-gcc", "gcc"
_NATIVE = Path(__file__).parent / "native"
_SHARED = _NATIVE / "cases.h"
_LOADER = "ld-linux-aarch64.so.1"
_SECONDS = 120.0  # for a program that answers in one
_PLUGINS_CHANGED = (
    8,
    2,
)  # from this version on, QEMU refuses plugins made for the first version of its interface


@dataclass(frozen=True)
class Toolchain:
    """Paths of the programs, versions, and ``libraries``: the folder with arm64's C library and its loader.
    ``takes_plugins`` is whether the emulator can count: one that is linked statically, as Debian 13's, cannot."""

    emulator: str
    emulator_version: str
    takes_plugins: bool
    cross_compiler: str
    compiler: str
    libraries: Path
    libc_version: str

    def runner(self, source: str) -> Path:
        """The program that runs a model, for arm64; compiled when it is not there yet."""
        return compiled(
            self.cross_compiler,
            ("-O2", "-std=gnu11", "-Wall", "-rdynamic"),  # so that libraries find the program's own clock
            _NATIVE / source,
            ("-ldl",),
            "runner",
            (_SHARED,),
        )

    def android_stand_in(self) -> Path:
        """What Android's library finds instead of Android's C library, for arm64."""
        flags = ("-O2", "-std=gnu11", "-shared", "-fPIC", "-U_FORTIFY_SOURCE", "-Wall", "-Wl,-soname,libc.so")
        return compiled(
            self.cross_compiler, flags, _NATIVE / "bionic.c", ("-Wl,--no-as-needed", "-lm"), "libc.so"
        )

    def counter(self) -> Path:
        """The emulator's plugin that counts instructions."""
        version = tuple(int(part) for part in re.findall("[0-9]+", self.emulator_version)[:2])
        interface = 2 if version >= _PLUGINS_CHANGED else 1
        flags = ("-O2", "-std=gnu11", "-Wall", "-shared", "-fPIC", f"-DAPI_VERSION={interface}")
        return compiled(self.compiler, flags, _NATIVE / "count.c", (), "count.so")


def find_toolchain() -> Toolchain:
    """What is installed; :class:`MissingRuntimeError` that names all that is not, and how to install it."""
    if sys.platform != "linux":
        raise MissingRuntimeError(
            "an emulated device runs on Linux alone: qemu-user exists nowhere else",
            "run it in a Linux container",
        )
    found = {name: shutil.which(name) for name in (EMULATOR, CROSS_COMPILER, COMPILER)}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise MissingRuntimeError(f"an emulated device needs {', '.join(missing)}", INSTALL)
    emulator, cross, compiler = (str(path) for path in found.values())
    version = re.search(r"version ([0-9]+(?:\.[0-9]+)+)", _output([emulator, "--version"]))
    if version is None:
        raise MissingRuntimeError(f"{emulator} does not say its version", INSTALL)
    # A name that the compiler does not find comes back as it is.
    loader = Path(_output([cross, f"-print-file-name={_LOADER}"]).strip()).resolve()
    libraries = loader.parent
    if not loader.is_file() or not (libraries / "libstdc++.so.6").is_file():
        raise MissingRuntimeError(f"{cross} is there without arm64's C and C++ libraries", INSTALL)
    takes_plugins = "-plugin" in _output([emulator, "-h"], is_asked_for_help=True)
    libc = _libc_version(libraries / "libc.so.6")
    return Toolchain(emulator, version[1], takes_plugins, cross, compiler, libraries, libc)


def compiled(
    compiler: str,
    flags: Sequence[str],
    source: Path,
    last: Sequence[str],
    name: str,
    headers: Sequence[Path] = (),
) -> Path:
    """``source`` compiled once: kept under the hash of what it is made of. :class:`MissingRuntimeError` if the
    compiler refuses it."""
    texts = [path.read_text("utf-8") for path in (source, *headers)]
    made_of = "\0".join((compiler, *flags, *last, *texts))
    place = cache_folder() / "devices" / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    if not (place / name).is_file():
        with placed(place) as folder:
            _output([compiler, *flags, str(source), "-o", str(folder / name), *last])
    return place / name


def _output(command: Sequence[str], *, is_asked_for_help: bool = False) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingRuntimeError(f"{command[0]} does not run: {error}", INSTALL) from None
    if done.returncode and not is_asked_for_help:  # which programs give with any status
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
        raise MissingRuntimeError(f"{command[0]} failed: {first[:200]}", INSTALL)
    return done.stdout


def _libc_version(library: Path) -> str:
    """As the library's own banner has it: its memory functions are counted with a model's instructions."""
    found = re.search(rb"GNU C Library [^\n]*? version ([0-9]+\.[0-9]+)", library.read_bytes())
    return found[1].decode() if found else "not known"
