"""ONNX Runtime's library for Android on x86_64, made loadable by this machine's C library.

Both systems run the same machine code; what differs is the C library around it. So the library is copied with two
changes to its tables, and none to an instruction or a number in it: the versions that Android gives its symbols are
left out, and the names of :data:`REPLACED` get another first letter. ``bionic.c`` has those, and what is only on
Android. Then ONNX Runtime's Java API runs here on what phones run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from .compiled import HERE
from .parts import aar
from .tools import CheckError, run

LIBRARIES = ("libonnxruntime.so", "libonnxruntime4j_jni.so")

REPLACED = frozenset(
    {
        "sysconf", "sigfillset", "pthread_sigmask", "strerror_r", "pthread_cond_wait", "pthread_cond_timedwait",
        "pthread_cond_signal", "pthread_cond_broadcast", "pthread_cond_destroy", "fflush", "fwrite", "fputc", "fputs",
        "vfprintf", "fprintf", "getc", "ungetc", "fileno",
    }
)  # fmt: skip
_ANDROID = ("libc.so", "libm.so", "libdl.so", "liblog.so", "libandroid.so")  # all of them are the shim here

_DYNAMIC, _DYNAMIC_SYMBOLS = 6, 11  # types of sections
_VERSIONS = {0x6FFFFFF0, *range(0x6FFFFFFC, 0x70000000)}  # DT_VERSYM; DT_VERDEF, DT_VERNEED, their numbers
_IGNORED = 0x6FFFFD00  # from here on, entries that a loader does not know and passes over


def make_loadable(target: Path) -> None:
    """Fill ``target`` with the two libraries and the shim, under every name that they ask for."""
    target.mkdir(parents=True, exist_ok=True)
    shim = target / _ANDROID[0]
    run("gcc", "-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{shim.name}",
        HERE / "bionic.c", "-Wl,--no-as-needed", "-lm", "-o", shim)  # fmt: skip
    for name in _ANDROID[1:]:
        (target / name).symlink_to(shim.name)
    for name in LIBRARIES:
        library = bytearray((aar() / "jni/x86_64" / name).read_bytes())
        patch(library)
        (target / name).write_bytes(library)


def patch(library: bytearray) -> None:
    """Change the tables of a 64-bit little-endian library in place."""
    if library[:6] != b"\x7fELF\x02\x01":
        raise CheckError("this is not a 64-bit ELF file")
    sections = list(_sections(library))
    for kind, offset, size, _ in sections:
        if kind == _DYNAMIC:
            _forget_versions(library, offset, size)
    for kind, offset, size, link in sections:
        if kind == _DYNAMIC_SYMBOLS:
            _rename(library, offset, size, sections[link][1])


def _sections(library: bytearray) -> Iterator[tuple[int, int, int, int]]:
    """Type, offset, size and link of each."""
    (table,) = struct.unpack_from("<Q", library, 40)
    entry, count = struct.unpack_from("<HH", library, 58)
    for place in range(count):
        _, kind, _, _, offset, size, link = struct.unpack_from("<IIQQQQI", library, table + entry * place)
        yield kind, offset, size, link


def _forget_versions(library: bytearray, offset: int, size: int) -> None:
    for number, place in enumerate(range(offset, offset + size, 16)):
        (tag,) = struct.unpack_from("<Q", library, place)
        if tag in _VERSIONS:
            struct.pack_into("<QQ", library, place, _IGNORED + number, 0)


def _rename(library: bytearray, offset: int, size: int, strings: int) -> None:
    undefined, names = [], {}
    for place in range(offset, offset + size, 24):
        name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", library, place)
        end = library.index(0, strings + name)
        names[name] = text = library[strings + name : end].decode()
        if section == 0 and text in REPLACED:
            undefined.append(name)
    for name in undefined:
        # A longer name may end in the same bytes: vfprintf in fprintf's.
        sharing = [text for at, text in names.items() if at < name <= at + len(text)]
        if sharing:
            raise CheckError(f"the names {', '.join(sharing)} share their bytes with {names[name]}")
        library[strings + name] = ord("Z")
