"""ONNX: its row in the table of formats."""

from __future__ import annotations

from ...source.precision import precisions
from ..row import Format, Option, RunnerRow

__all__ = ["ONNX"]

# What torch.onnx's dynamo exporter writes.
_OPSETS = {str(version): str(version) for version in range(18, 24)}

ONNX = Format(
    name="onnx",
    title="ONNX",
    precisions=precisions(fp32="float32", fp16="float16", int8="float32", int8_weights="float32"),
    options=(Option("opset", "ONNX opset, 18 to 23.", _OPSETS, "20", "opset{}"),),
    packages=("torch", "onnx", "onnxscript", "onnxsim", "numpy"),
    runners={
        "onnxruntime": RunnerRow(
            "ONNX Runtime", "onnx", "onnx.runner", "OnnxRuntimeRunner", "onnxruntime",
            options=("threads", "optimization", "max_work"),
        ),
    },
    are_biases_whole=True,
    # Of newer ones ONNX Runtime for x86 does not load some: it makes values unsigned, and not the type that they say.
    needs={"int8": ("opset", ("20", "19", "18"))},
    app_system="android",
    has_profiler=True,
)  # fmt: skip
