"""The guarded reader: every file that comes from outside is opened here, and nowhere else.

A file is opened without waiting and then checked to be a regular one, so that a pipe or a device is refused and never
waited for. No more bytes are read than the reader's bound, whatever the file's size is said to be. JSON is nested to a
bound, has whole numbers of 64 bits, and no NaN or infinity. Text is UTF-8, with or without a byte order mark.

All functions raise :class:`InputError` with ``advice`` as the next step.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeAlias

from cloformer.errors import CloformerError, InputError

from .words import reason_of

__all__ = [
    "Json", "decoding", "opened", "opened_below", "parse_json", "read_bytes", "read_json", "read_text", "sha256_of",
]  # fmt: skip

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_MAX_DEPTH = 64  # of lists and objects in one another
_MAX_WHOLE = 2**63
_BLOCK = 1 << 20
_MAX_HASHED = 2**34
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened(path: Path, advice: str, *, follow_links: bool = True) -> Iterator[BinaryIO]:
    """The regular file at ``path``, open for reading."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}", advice) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        link = not follow_links and getattr(error, "errno", None) == errno.ELOOP
        raise InputError(
            f"{path} cannot be read: {'it is a link' if link else reason_of(error)}", advice
        ) from None
    with _regular(descriptor, path, advice) as file:
        yield file


@contextlib.contextmanager
def opened_below(folder: Path, names: Sequence[str], advice: str) -> Iterator[BinaryIO]:
    """The regular file to which ``names`` lead from ``folder``, one folder after the other, open for reading. No name leads out
    of the folder, and no link is followed."""
    path = folder.joinpath(*names)
    if not names or any(name in ("", ".", "..") or "/" in name or "\0" in name for name in names):
        raise InputError(f"{path} is not a file below {folder}", advice)
    held = -1
    try:
        held = os.open(folder, _FOLDER)
        for name in names[:-1]:
            outer, held = held, os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=held)
            os.close(outer)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(names[-1], flags, dir_fd=held)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason_of(error)}", advice) from None
    finally:
        if held >= 0:
            os.close(held)
    with _regular(descriptor, path, advice) as file:
        yield file


@contextlib.contextmanager
def _regular(descriptor: int, path: Path, advice: str) -> Iterator[BinaryIO]:
    """The file that was opened, if it is a regular one; closed afterwards."""
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe or a device"
        raise InputError(f"{path} is {what}, not a file", advice)
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise InputError(f"{path} cannot be read: {reason_of(error)}", advice) from None


def read_bytes(path: Path, limit: int, advice: str, *, follow_links: bool = True) -> bytes:
    """All of the file, which has at most ``limit`` bytes."""
    with opened(path, advice, follow_links=follow_links) as file:
        if os.fstat(file.fileno()).st_size > limit:  # of holes, perhaps, which are read as zeros
            raise InputError(f"{path} is too large: it has more than {limit} bytes", advice)
        blocks, total = [], 0
        while block := file.read(min(_BLOCK, limit + 1 - total)):
            blocks.append(block)
            total += len(block)
            if total > limit:
                raise InputError(f"{path} is too large: it has more than {limit} bytes", advice)
        return b"".join(blocks)


def read_text(path: Path, limit: int, advice: str, *, follow_links: bool = True) -> str:
    """The file's text; a byte order mark is not part of it."""
    try:
        return read_bytes(path, limit, advice, follow_links=follow_links).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error.reason} at byte {error.start}", advice) from None


def read_json(
    path: Path, limit: int, advice: str, *, follow_links: bool = True, nan_is_null: bool = False
) -> Json:
    """The file's one JSON value; with ``nan_is_null``, what a device could not say as a number is null."""
    text = read_text(path, limit, advice, follow_links=follow_links)
    try:
        return parse_json(text, nan_is_null=nan_is_null)
    except ValueError as error:
        raise InputError(f"{path} is not JSON that can be read: {str(error)[:200]}", advice) from None


def parse_json(text: str, *, nan_is_null: bool = False) -> Json:
    """The JSON value in ``text``; :class:`ValueError` for anything else, and for what goes beyond the bounds."""
    constant = (lambda _: None) if nan_is_null else _refuse_constant
    try:
        value: Json = json.loads(text, parse_constant=constant, parse_int=_whole, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep") from None
    _check_depth(value)
    return value


@contextlib.contextmanager
def decoding(what: str, advice: str) -> Iterator[None]:
    """Around a decoder that is not ours: on hostile bytes such a decoder raises whatever it likes, and ``what`` (a path
    and what it should be) is then refused. What this package raises on purpose passes through."""
    try:
        yield
    except CloformerError:
        raise
    except Exception as error:  # the one place where every exception of a foreign decoder becomes bad input
        raise InputError(f"{what} cannot be read: {reason_of(error)}", advice) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; :class:`InputError` for a file beyond what anything here writes."""
    with opened(path, "give a whole file") as file:
        if os.fstat(file.fileno()).st_size > _MAX_HASHED:
            raise InputError(
                f"{path} is too large: it has more than {_MAX_HASHED} bytes", "give a whole file"
            )
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _whole(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else _MAX_WHOLE
    if not -_MAX_WHOLE <= value < _MAX_WHOLE:
        raise ValueError(f"the number {digits[:24]} has more than 64 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:24]} is too large")
    return value


def _check_depth(value: Json) -> None:
    waiting: list[tuple[Json, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
        if isinstance(item, dict):
            waiting += [(each, depth + 1) for each in item.values()]
        elif isinstance(item, list):
            waiting += [(each, depth + 1) for each in item]
