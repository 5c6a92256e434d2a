"""Mistakes that a port of the preprocessing can make, planted in a bundle's JavaScript, and the vector that aims at each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MISTAKES", "Mistake"]


@dataclass(frozen=True)
class Mistake:
    """In ``file`` of a bundle, the code ``right``, which it has once, becomes ``wrong``; the kit's vector ``aimed`` alone notices."""

    aimed: str
    title: str
    file: str
    right: str
    wrong: str


_PREPROCESSING, _RESIZE = "core/preprocessing.js", "core/resize.js"
_FILTER = "const filter = FILTERS[interpolation];"

# The same as the checks of the Android project plant in its Kotlin.
MISTAKES = (
    Mistake("channel-order", "red and blue exchanged", _PREPROCESSING, "return rule.isBgr ? reversed(cut) : cut;", "return rule.isBgr ? cut : reversed(cut);"),
    Mistake("normalization", "mean and deviation left out", _PREPROCESSING, "(byte * rule.scale - rule.mean[channel]) / rule.std[channel]", "byte * rule.scale"),
    Mistake("normalization", "mean and deviation in another order", _PREPROCESSING, "rule.mean[channel]) / rule.std[channel]", "rule.mean[2 - channel]) / rule.std[2 - channel]"),
    Mistake("normalization", "not scaled", _PREPROCESSING, "byte * rule.scale", "byte"),
    Mistake("resize-filter", "nearest", _RESIZE, 'if (interpolation === "nearest")', "if (true)"),
    Mistake("resize-filter", "bilinear", _RESIZE, _FILTER, "const filter = FILTERS.bilinear;"),
    Mistake("resize-filter", "Lanczos", _RESIZE, _FILTER, "const filter = FILTERS.lanczos;"),
    Mistake("crop", "cut from the top left corner", _PREPROCESSING, "cropped(whole, place.left, place.top,", "cropped(whole, 0, 0,"),
)  # fmt: skip
