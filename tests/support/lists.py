"""Every list of passes that there is: of a format, by its options."""

from __future__ import annotations

from collections.abc import Mapping

from cloformer.export.formats import FORMATS

LISTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    **{name: (name, {}) for name in FORMATS},
    "onnx for arm64-xnnpack": ("onnx", {"processor": "arm64-xnnpack"}),
    "onnx for x86": ("onnx", {"processor": "x86"}),
}
