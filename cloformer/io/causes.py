"""What an exception came from."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["causes", "is_of_memory"]


def causes(error: BaseException | None, *, said: bool = False) -> Iterator[BaseException]:
    """``error``, what it was raised because of, and so on, each once: frameworks raise errors that come from one another in
    a circle. With ``said``, only as far as it was said with ``raise ... from``."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ if said else error.__cause__ or error.__context__


def is_of_memory(error: BaseException) -> bool:
    """Whether Python, torch or C++ had no memory left."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "bad_alloc")
    )
