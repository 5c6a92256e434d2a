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
_DECODE, _PNG = "core/decode.js", "core/png.js"
_UPRIGHT = "choose a smaller image`);\n  }\n  return upright(pixels, orientation);"
_STORED = "    result[to + 2] = line[from + 2 * bytes];\n"
_BLENDED = (
    _STORED + "    if (samples === 4) {\n      const alpha = line[from + 3 * bytes];\n"
    "      for (let at = to; at < to + 3; at++) result[at] = Math.round((result[at] * alpha + GROUND * (255 - alpha)) / 255);\n    }\n"
)
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
    Mistake("orientation", "not looked at", _DECODE, _UPRIGHT, _UPRIGHT.replace("upright(pixels, orientation)", "pixels")),
    Mistake("orientation", "turned the other way", _DECODE, _UPRIGHT, _UPRIGHT.replace("orientation)", "orientation === 6 ? 8 : 1)")),
    Mistake("alpha", "blended with black, or premultiplied", _PNG, _STORED, _BLENDED.replace("GROUND", "0")),
    Mistake("alpha", "blended with white", _PNG, _STORED, _BLENDED.replace("GROUND", "255")),
)  # fmt: skip
