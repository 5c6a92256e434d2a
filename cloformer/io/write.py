"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from cloformer.errors import InputError


def write_whole(path: Path, content: str | bytes, advice: str) -> None:
    """Write a file whole or not at all; :class:`InputError`, with ``advice``, if the place cannot be written."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise InputError(f"{path} cannot be written: {error.strerror or error}", advice) from None


def canonical_json(value: Any) -> str:
    """The same value always as the same text: sorted keys, two spaces, one newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
