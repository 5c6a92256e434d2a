"""What a format does not take with one choice of its options, and takes with another: an older target, a newer opset."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cloformer.errors import UnsupportedError

from ..formats.exporter import Lowered
from ..formats.row import Format

__all__ = ["with_another_choice"]


def with_another_choice(
    error: UnsupportedError, written_as: Format, lowered: Lowered, folder: Path
) -> UnsupportedError:
    """``error``, which the format's exporter raised on ``lowered``, with the first choice that does not make it raise, if there
    is one. What is written to find out goes below ``folder``, and is removed."""
    flag = next(_takers(written_as, lowered, folder), None)
    if flag is None:
        return error
    *before, advice = error.lines
    return UnsupportedError(
        *before, f"choose {flag}, with which it converts; or {advice}", details=error.details
    )


def _takers(written_as: Format, lowered: Lowered, folder: Path) -> Iterator[str]:
    exporter = written_as.exporter()
    for option in (each for each in written_as.options if not each.is_of_passes):
        for choice in written_as.holds(lowered.precision.name, option):
            spelt = option.choices[choice]
            if spelt == lowered.options[option.name]:
                continue
            with tempfile.TemporaryDirectory(dir=folder) as place:
                try:
                    exporter.write(
                        replace(lowered, options={**lowered.options, option.name: spelt}), Path(place)
                    )
                except UnsupportedError:
                    continue
            yield f"{option.flag} {choice}"
