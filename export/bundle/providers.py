"""The providers of ONNX Runtime that an app can run its model with: all that the published library contains, or the browser's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..artifact.folder import Artifact
    from ..formats.onnx.partition_estimate import PartitionEstimate

__all__ = ["ANDROID", "BROWSER", "estimate_of", "provider_of"]

# What each needs of a phone; without it, the first falls back to the processor in silence, and the second does not load.
ANDROID = {
    "cpu": "ONNX Runtime's own code for the processor",
    "xnnpack": "XNNPACK, on the processor",
    "nnapi": "Android's Neural Networks API, from Android 8.1 (API 27) on",
    "webgpu": "the graphics processor, by Vulkan",
}


# The first is what a page starts with if nobody chooses.
BROWSER = {
    "wasm": "WebAssembly, on the processor, in several threads where the page is isolated",
    "webgpu": "the graphics processor, where the browser has WebGPU",
}


def provider_of(artifact: Artifact, provider: str | None) -> str:
    """Where an Android app runs an ONNX artifact: what was asked for, else what its list of passes is for."""
    return provider or ("xnnpack" if artifact.manifest.request.processor == "arm64-xnnpack" else "cpu")


def estimate_of(artifact: Artifact, provider: str | None) -> PartitionEstimate | None:
    """How its provider would share an ONNX model out in an Android app; None where there is nothing to share.

    Raises :class:`InputError` for a model that is damaged.
    """
    if (chosen := provider_of(artifact, provider)) == "cpu":
        return None
    from ..formats.onnx.partition_estimate import estimate_partitions

    return estimate_partitions(artifact.model_path, chosen)
