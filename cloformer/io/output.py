"""The one place that prints: lines and JSON on standard output, what went wrong and how far a command is on standard
error. What is printed was made harmless by :mod:`.words`; a standard output that takes no more is found here.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from cloformer.errors import InputError

from .colour import painted
from .words import harmless, json_text

__all__ = ["OutputClosedError", "guarded_output", "say", "say_json", "tell", "tell_commands", "width"]

_NARROWEST, _WIDEST = 60, 140
_GONE = {errno.EPIPE, errno.EBADF, errno.ECONNRESET}


class OutputClosedError(Exception):
    """Whoever read standard output has gone, or it is closed: there is nobody to be told."""


def say(*lines: str) -> None:
    """Print lines on standard output.

    Raises :class:`OutputClosedError` if nobody reads it any more, :class:`InputError` if it is full.
    """
    stream = _stdout()
    stream.write(_encodable(painted(list(map(harmless, lines))), stream))
    stream.flush()


def say_json(document: object) -> None:
    """Print one JSON document on standard output; the same errors."""
    stream, text = _stdout(), json_text(document)
    try:
        text.encode(stream.encoding)
    except UnicodeEncodeError:  # a terminal that has few letters
        text = json_text(document, ascii_only=True)
    stream.write(text)
    stream.flush()


def tell(*lines: str) -> None:
    """Print lines on standard error; nothing if that cannot be, for there is nowhere to say so."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(_encodable(painted(list(map(harmless, lines)), error=True), sys.stderr))
        sys.stderr.flush()


def tell_commands(text: str) -> None:
    """Print on standard error, as they are, lines that are meant as commands of a CI's runner: whoever makes them
    escapes what they carry."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def width(elsewhere: int = 110) -> int:
    """Columns of the terminal that standard output is, 60 to 140; ``elsewhere`` if it is none, so that what is kept in a
    file is the same everywhere."""
    if not _stdout().isatty():
        return elsewhere
    return min(max(shutil.get_terminal_size((elsewhere, 24)).columns, _NARROWEST), _WIDEST)


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """What others print in the block (help, completion) has the errors of :func:`say` too."""
    before = sys.stdout
    sys.stdout = _Guarded()
    try:
        yield
    finally:
        sys.stdout = before


class _Guarded(io.TextIOBase):
    """Standard output as it was, with errors that say what they are about, and the same one again ever after."""

    def __init__(self) -> None:
        self._stream: TextIO | None = sys.stdout
        self._failure: Exception | None = None if sys.stdout is not None else OutputClosedError()

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("standard output takes text")
        with self._found_out() as stream:
            return stream.write(text) if text else 0

    def flush(self) -> None:
        with self._found_out() as stream:
            stream.flush()

    def fileno(self) -> int:
        with self._found_out() as stream:
            return stream.fileno()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it is an attribute there
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # the same
        return getattr(self._stream, "errors", None) or "strict"

    @contextlib.contextmanager
    def _found_out(self) -> Iterator[TextIO]:
        if self._failure is not None or self._stream is None:
            raise self._failure or OutputClosedError()
        try:
            yield self._stream
        except ValueError as error:  # of a stream that somebody has closed
            if "closed" not in str(error):
                raise
            self._failure = OutputClosedError()
            raise self._failure from None
        except OSError as error:
            self._failure = OutputClosedError() if error.errno in _GONE else _full(error)
            _give_up(self._stream)
            raise self._failure from None


def _full(error: OSError) -> InputError:
    return InputError(
        f"standard output cannot be written: {error.strerror or error}",
        "free some space, or send it elsewhere",
    )


def _give_up(stream: TextIO) -> None:
    """What could not be written is dropped: Python would try again when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def _stdout() -> _Guarded:
    return sys.stdout if isinstance(sys.stdout, _Guarded) else _Guarded()


def _encodable(lines: Sequence[str], stream: TextIO | _Guarded) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"  # what tests put there has none
    text = "".join(f"{line}\n" for line in lines)
    return text.encode(encoding, "backslashreplace").decode(encoding)
