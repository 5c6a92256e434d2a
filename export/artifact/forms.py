"""What an artifact's results are rounded to: by its precision, and by how its format's runtime adds up."""

from __future__ import annotations

from ..formats import FORMATS
from ..reference.rounding import Format

__all__ = ["form_of", "forms_of"]


def form_of(format: str, activations: str, *, narrow_sums: bool) -> Format:
    """Of a file in a format that is named. What a device's runtime keeps sums in is not published, so there they may be narrow."""
    return Format.of(activations, narrow_sums=narrow_sums, adds_in_order=FORMATS[format].adds_in_order)


def forms_of(format: str, activations: str) -> list[Format]:
    """Those that an artifact is judged by, here and on a device."""
    return list(dict.fromkeys(form_of(format, activations, narrow_sums=narrow) for narrow in (False, True)))
