"""ONNX: its row in the table of formats."""

from __future__ import annotations

from ...source.precision import precisions
from ..row import NORMALIZE, Format, Option, RunnerRow

__all__ = ["ONNX"]

# What torch.onnx's dynamo exporter writes.
_OPSETS = {str(version): str(version) for version in range(18, 24)}
_PROCESSORS = {name: name for name in ("arm64", "arm64-xnnpack", "x86")}
_IO_TYPES = {name: name for name in ("float32", "float16")}

ONNX = Format(
    name="onnx",
    title="ONNX",
    precisions=precisions(fp32="float32", fp16="float16", int8="float32", int8_weights="float32"),
    options=(
        Option("opset", "ONNX opset, 18 to 23.", _OPSETS, "20", "opset{}", "opset {}"),
        Option(
            "io_type", "What inputs and outputs are in --precision fp16: float32, or float16.", _IO_TYPES, "float32", "io-{}",
            "{} inputs and outputs", is_later=True,
        ),
        NORMALIZE,
        Option(
            "processor", "what the list of passes is for: arm64, as phones have; arm64-xnnpack, for XNNPACK's provider there; x86, as this machine may be.",
            _PROCESSORS, "arm64", "{}", "for {}", is_later=True, is_of_passes=True, spelling="--for", before="",
        ),
        Option(
            "max_growth", "For arm64: how much more weights may be stored, of those that the model has, where that takes less work.",
            {}, "10%", "growth{}", "growth up to {}", is_later=True, is_of_passes=True, most=10,
            with_choice=("processor", "arm64"),
        ),
    ),
    packages=("torch", "onnx", "onnxscript", "onnxsim", "numpy"),
    runners={
        "onnxruntime": RunnerRow(
            "ONNX Runtime", "onnx", "onnx.runner", "OnnxRuntimeRunner", "onnxruntime",
            options=("threads", "optimization", "max_work"),
        ),
    },
    are_biases_whole=True,
    # Of newer ones ONNX Runtime for x86 does not load some: it makes values unsigned, and not the type that they say.
    needs={
        "fp32": {"io_type": ("float32",)},
        "int8": {"io_type": ("float32",), "opset": ("20", "19", "18")},
        "int8-weights": {"io_type": ("float32",)},
    },
    has_probe=True,
    app_systems=("android", "web"),
    has_profiler=True,
)  # fmt: skip
