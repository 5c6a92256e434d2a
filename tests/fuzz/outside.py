"""What a run read and changed outside of what it was given.

Three ways to see it. Canary files, with words that stand nowhere else, lie beside the input and elsewhere: the system
says when one is opened, whoever does it (Python, or a framework's C++), and their words must not come out. A picture
of the folders before and after says what changed. And in the child itself, Python says what it writes where.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["CANARY", "Canaries", "Picture", "changes", "picture", "watch_writes", "write_canaries"]

CANARY = "canary-3b9e51c7"
_OPENED, _ACCESSED = 0x20, 0x1
_CHANGED = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200  # modified, attributes, moved, created, deleted
_ENDED = 0x8000  # IN_IGNORED
_EVENT = struct.Struct("iIII")

# What Python tells of, and which of its arguments are paths.
_EVENTS = {
    "os.mkdir": (0,), "os.remove": (0,), "os.rename": (0, 1), "os.rmdir": (0,), "os.link": (1,), "os.symlink": (1,),
    "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "os.utime": (0,), "shutil.rmtree": (0,),
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HARMLESS = ("/dev/null", "/dev/tty", "/proc/self/")

Picture = dict[str, tuple[Any, ...]]


def write_canaries(folder: Path) -> list[Path]:
    """Text, labels, a model, a document, for hostile paths to lead to; and some more in a folder."""
    paths = [folder / name for name in ("canary.txt", "canary.onnx", "canary.json", "canaries/canary.txt")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{CANARY} {number}\n" for number in range(10)), "utf-8")
    return paths


class Canaries:
    """Files that nobody has a reason to open; :meth:`opened` says which were since the last call."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._queue = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._queue < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._names: dict[int, str] = {}
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """Watch one more file."""
        mask = _OPENED | _ACCESSED | _CHANGED
        number = self._libc.inotify_add_watch(self._queue, os.fsencode(path), ctypes.c_uint32(mask))
        if number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        self._names[number] = str(path)

    def opened(self) -> list[str]:
        """What was opened or changed since."""
        found = []
        for number, mask in self._events():
            name = self._names.get(number, "?")
            if mask & _CHANGED:
                found.append(f"changed {name}")
            elif mask & (_OPENED | _ACCESSED):
                found.append(f"opened {name}")
            if mask & _ENDED:
                self._names.pop(number, None)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        os.close(self._queue)

    def _events(self) -> Iterator[tuple[int, int]]:
        while True:
            try:
                data = os.read(self._queue, 1 << 16)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size + length
                yield number, mask


def picture(folder: Path) -> Picture:
    """Every path below ``folder`` with what would change with its content; links are not followed."""
    found: Picture = {}
    waiting = [os.fsencode(folder)]
    while waiting:
        place = waiting.pop()
        try:
            entries = list(os.scandir(place))
        except PermissionError:
            continue
        for entry in entries:
            seen = entry.stat(follow_symlinks=False)
            about: tuple[Any, ...] = (stat.S_IFMT(seen.st_mode), seen.st_ino)
            if entry.is_symlink():
                about += (Path(os.fsdecode(entry.path)).readlink(),)
            elif entry.is_file(follow_symlinks=False):
                about += (seen.st_size, seen.st_mtime_ns)
            found[os.path.relpath(entry.path, os.fsencode(folder)).decode("utf-8", "surrogateescape")] = about
            if entry.is_dir(follow_symlinks=False):
                waiting.append(os.fsencode(entry.path))
    return found


def changes(before: Picture, after: Picture, allowed: Sequence[str]) -> list[str]:
    """What is new, gone or different, but for what is below one of the ``allowed`` paths; of a folder that is new or
    gone, the folder alone."""
    found: dict[str, str] = {}
    for name in sorted({*before, *after}):
        if (
            before.get(name) != after.get(name)
            and not _is_below(name, allowed)
            and not _is_below(name, found)
        ):
            found[name] = "made" if name not in before else "removed" if name not in after else "changed"
    return [f"{what} {name}" for name, what in found.items()]


def _is_below(name: str, places: Iterable[str]) -> bool:
    return any(name == place or name.startswith(place + "/") for place in places)


def watch_writes(private: Path, log: int) -> None:
    """Have this process tell in ``log`` of everything that Python code changes outside ``private``. It cannot be
    undone."""
    inside = os.path.realpath(private)
    busy = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy:
            return
        if event == "open":
            path, _, flags = arguments
            paths = [path] if isinstance(flags, int) and flags & _WRITING else []
        elif event in _EVENTS:
            paths = [arguments[place] for place in _EVENTS[event]]
        else:
            return
        for path in paths:
            if isinstance(path, int):  # a descriptor, which was opened by name before
                continue
            busy = True
            try:
                name = os.fsdecode(path)
                place = Path(os.path.realpath(Path(name).parent), Path(name).name)
                if not place.is_relative_to(inside) and not str(place).startswith(_HARMLESS):
                    os.write(log, f"{event} {place}\n".encode("utf-8", "backslashreplace"))
            finally:
                busy = False

    sys.addaudithook(hook)
