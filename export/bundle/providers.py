"""The providers of ONNX Runtime that an Android app can run its model with: all that the published library contains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloformer.errors import UsageError

if TYPE_CHECKING:
    from ..artifact.folder import Artifact
    from ..formats.onnx.partition_estimate import PartitionEstimate
    from .runtimes import Runtime

__all__ = ["PROVIDERS", "check_provider", "estimate_of", "provider_of"]

# What each needs of a phone; without it, the first falls back to the processor in silence, and the second does not load.
PROVIDERS = {
    "cpu": "ONNX Runtime's own code for the processor",
    "xnnpack": "XNNPACK, on the processor",
    "nnapi": "Android's Neural Networks API, from Android 8.1 (API 27) on",
    "webgpu": "the graphics processor, by Vulkan",
}


def check_provider(runtime: Runtime, provider: str | None) -> None:
    """Raises :class:`UsageError` for a provider where something else than ONNX Runtime runs the model."""
    if provider is not None and runtime.format != "onnx":
        raise UsageError(
            f"--provider is one of ONNX Runtime's, and {runtime.title} runs this model",
            "leave it out, or bundle an ONNX artifact: `cloformer export --format onnx`",
        )


def provider_of(artifact: Artifact, provider: str | None) -> str:
    """Where the app runs an ONNX artifact: what was asked for, else what its list of passes is for."""
    return provider or ("xnnpack" if artifact.manifest.request.processor == "arm64-xnnpack" else "cpu")


def estimate_of(artifact: Artifact, runtime: Runtime, provider: str | None) -> PartitionEstimate | None:
    """How its provider would share the model out; None where there is nothing to share.

    Raises :class:`InputError` for a model that is damaged.
    """
    if runtime.format != "onnx" or (chosen := provider_of(artifact, provider)) == "cpu":
        return None
    from ..formats.onnx.partition_estimate import estimate_partitions

    return estimate_partitions(artifact.model_path, chosen)
