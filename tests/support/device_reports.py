"""What a device writes when all is well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.artifact.kit import read_kit
from cloformer.io.read import sha256_of

__all__ = ["device_report", "with_plan"]


def device_report(folder: Path) -> dict[str, Any]:
    """Of an ONNX artifact, of version 1."""
    artifact = read_artifact(folder)
    good = {"passed": True, "max_abs": 1e-6, "largest": 2.9, "cosine": 1.0}
    vectors = [
        {
            "name": vector.image.name,
            "preprocessing": None if vector.image.compares == "outputs" else {"passed": True, "max_abs": 0.0},
            "outputs": {name: dict(good) for name in vector.outputs},
        }
        for vector in read_kit(artifact)
    ]
    return {
        "schema_version": 1,
        "kind": "device-report",
        "manifest_sha256": sha256_of(folder / MANIFEST),
        "model_sha256": sha256_of(artifact.model_path),
        "device": {
            "manufacturer": "Example", "model": "One", "os": "Android 15 (API 35)", "cpu": "arm64",
            "app_build": "release",
        },
        "runtime": {"name": "onnxruntime", "version": "1.29.0", "provider": "cpu", "threads": 1},
        "vectors": vectors,
        "latency": {
            "load_ns": 5, "first_ns": 6, "warmup_ns": [7], "samples_ns": [30_000_000, 31_000_000, 40_000_000],
            "threads": 1, "preset": "quick",
        },
    }  # fmt: skip


def with_plan(
    report: dict[str, Any],
    asked: str,
    operators: Iterable[tuple[str, str | None, float | None]] = (),
    why_not: str | None = None,
) -> dict[str, Any]:
    """The report as version 2 has it: ``operators`` are name, device and cost of each, all of them convolutions."""
    plan = {
        "asked": asked,
        "source": None if why_not else "onnxruntime-profile",
        "cost": None if why_not else "microseconds",
        "operators": [
            {"name": name, "kind": "Conv", "device": device, "supported": None, "cost": cost}
            for name, device, cost in operators
        ],
        "why_not": why_not,
    }
    runtime = report["runtime"] | {"provider": asked}
    return report | {"schema_version": 2, "runtime": runtime, "placement": plan}
