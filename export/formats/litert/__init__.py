"""LiteRT: its row in the table of formats."""

from __future__ import annotations

from ...source.precision import precisions
from ..row import NORMALIZE, Format, Option, RunnerRow

__all__ = ["LITERT"]

# How an image lies in the input: as Android's bitmaps do, and as PyTorch's tensors do.
_LAYOUTS = {"nhwc": "NHWC", "nchw": "NCHW"}

LITERT = Format(
    name="litert",
    title="LiteRT",
    precisions=precisions(
        fp32="float32", fp16="float32", int8="float32", int8_dynamic="float32", int8_weights="float32"
    ),
    options=(
        Option("layout", f"How LiteRT's images lie: {' or '.join(_LAYOUTS)}.", _LAYOUTS, "nhwc", "{}"),
        NORMALIZE,
    ),
    packages=("torch", "litert-torch", "ai-edge-litert", "numpy"),
    runners={
        "litert": RunnerRow(
            "LiteRT", "litert", "litert.runner", "LiteRTRunner", "ai-edge-litert",
            options=("threads", "max_work"),
        ),
    },
    app_systems=("android",),
    are_biases_whole=True,
    extra="litert",
    has_delegates=True,
    has_profiler=True,
    adds_in_order=True,  # as XNNPACK's kernels do
    whole="int32",
)  # fmt: skip
