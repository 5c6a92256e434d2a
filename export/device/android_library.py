"""ONNX Runtime's own library for Android, made loadable by glibc.

Both systems run the same machine code; what differs is the C library around it. So the library is copied with two
changes to its tables, and none to an instruction or a number in it: the versions that Android gives its symbols are
left out, and the names of :data:`REPLACED` get another first letter. ``native/bionic.c`` has those, and what is only on
Android.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["NAMES", "REPLACED", "made_loadable"]

REPLACED = frozenset(
    {
        "sysconf", "sigfillset", "pthread_sigmask", "strerror_r", "pthread_mutex_init", "pthread_mutex_destroy",
        "pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_unlock", "pthread_cond_wait",
        "pthread_cond_timedwait", "pthread_cond_signal", "pthread_cond_broadcast", "pthread_cond_destroy",
        "pthread_attr_init", "pthread_attr_setstacksize", "pthread_create", "fflush", "fwrite", "fputc", "fputs",
        "vfprintf", "fprintf", "getc", "ungetc", "fileno",
    }
)  # fmt: skip
NAMES = ("libc.so", "libm.so", "libdl.so", "liblog.so", "libandroid.so")  # all of them are the same stand-in

_DYNAMIC, _DYNAMIC_SYMBOLS = 6, 11  # types of sections
_VERSIONS = {0x6FFFFFF0, *range(0x6FFFFFFC, 0x70000000)}  # DT_VERSYM; DT_VERDEF, DT_VERNEED, their numbers
_IGNORED = 0x6FFFFD00  # from here on, entries that a loader does not know and passes over


def made_loadable(content: bytes) -> bytes:
    """The library with its tables changed. :class:`ValueError` if it is no 64-bit little-endian library, or if a name's
    bytes belong to another name, too."""
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("this is not a 64-bit ELF file")
    library = bytearray(content)
    sections = list(_sections(library))
    for kind, offset, size, _ in sections:
        if kind == _DYNAMIC:
            _forget_versions(library, offset, size)
    for kind, offset, size, link in sections:
        if kind == _DYNAMIC_SYMBOLS:
            _rename(library, offset, size, sections[link][1])
    return bytes(library)


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
            raise ValueError(f"the names {', '.join(sharing)} share their bytes with {names[name]}")
        library[strings + name] = ord("Z")
