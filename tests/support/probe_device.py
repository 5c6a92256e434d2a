"""In the place of a phone: what the app's tests do with a probe, by runtimes of this machine, and the file that they write.

The app's own code writes the file too, in Kotlin on a Java machine (`make android-checks`); what both write is read alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from cloformer.export.artifact.folder import Artifact
from cloformer.export.artifact.kit import read_kit
from cloformer.export.bundle.probe import PROBE_INDEX
from cloformer.export.formats.coreml.mil import Arithmetic, Interpreter, read_package
from cloformer.export.formats.onnx.runner import OPTIMIZATIONS
from cloformer.export.formats.onnx.session import session_options
from cloformer.io.tensors import tensors_as_bytes

__all__ = ["DEVICE", "Array", "disturb", "run_probe", "values_file"]

Array = np.ndarray[Any, Any]
Run = Callable[[Array], dict[str, Array]]
DEVICE = {
    "manufacturer": "Example",
    "model": "One",
    "os": "Android 15 (API 35)",
    "cpu": "arm64",
    "app_build": "release",
}


def run_probe(artifact: Artifact, folder: Path, *, model: Path | None = None) -> dict[str, Array]:
    """The tensors of the file: each vector of ``probe.json`` in ``folder`` through the app's model, or ``model`` in its place, and
    through the probes."""
    index = json.loads((folder / PROBE_INDEX).read_bytes())
    vectors = {vector.image.name: vector for vector in read_kit(artifact)}
    open_one = {"onnx": _onnx, "coreml": _program}[artifact.format]
    outputs = [spec.name for spec in artifact.signature.outputs]
    found: dict[str, Array] = {}
    with open_one(artifact, model or artifact.model_path, None) as run:
        for name in index["vectors"]:
            given = run(vectors[name].input)
            found |= {f"{name}/model/{output}": given[output] for output in outputs}
    for number, entry in enumerate(index["models"]):
        with open_one(artifact, folder / entry["path"], index["optimization"]) as run:
            for name in index["vectors"]:
                given = run(vectors[name].input)
                found |= {f"{name}/{number}/{output}": given[output] for output in outputs}
                found |= {
                    f"{name}/{number}/{item['value']}": given[item["output"]] for item in entry["values"]
                }
    return found


@contextmanager
def _onnx(artifact: Artifact, model: Path, optimization: str | None) -> Iterator[Run]:
    """As the app's session: at basic optimization in float16."""
    options = session_options(1)
    level = optimization or ("basic" if artifact.manifest.precision.name == "fp16" else "all")
    options.graph_optimization_level = OPTIMIZATIONS[level]
    session = onnxruntime.InferenceSession(str(model), options)
    names = [item.name for item in session.get_outputs()]
    (fed,) = session.get_inputs()
    yield lambda value: dict(
        zip(names, session.run(names, {fed.name: value.astype(np.float32)}), strict=True)
    )


@contextmanager
def _program(artifact: Artifact, model: Path, _optimization: str | None) -> Iterator[Run]:
    package = read_package(model)
    interpreter = Interpreter(package.program.functions[package.default_function], Arithmetic.WIDE)
    (spec,) = artifact.signature.inputs

    def run(value: Array) -> dict[str, Array]:
        given = interpreter.run({spec.name: value})
        return {
            name: _as_array(item, artifact.labels) for name, item in given.items() if name != "classLabel"
        }

    yield run


def _as_array(value: object, labels: tuple[str, ...] | None) -> Array:
    if isinstance(value, dict):
        return np.array([value[label] for label in labels or ()], np.float32)
    return np.asarray(value)


def values_file(
    path: Path,
    folder: Path,
    tensors: Mapping[str, Array],
    *,
    unit: str = "cpu",
    device: Mapping[str, str] = DEVICE,
    **changes: str,
) -> Path:
    """The file that a device writes of ``tensors`` with the probe in ``folder``; ``changes`` are of its metadata."""
    index = json.loads((folder / PROBE_INDEX).read_bytes())
    told = {
        "kind": "cloformer-device-values", "schema_version": "1",
        "manifest_sha256": index["manifest_sha256"], "mode": index["mode"], "plan_sha256": index["plan_sha256"],
        **{f"device_{name}": text for name, text in device.items()},
        "runtime_name": "onnxruntime", "runtime_version": "1.29.0", "runtime_provider": unit, "runtime_threads": "1",
    }  # fmt: skip
    whole = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    told |= changes
    plain = tensors_as_bytes(whole, {})
    begin = 8 + int.from_bytes(plain[:8], "little")
    seal = hashlib.sha256(plain[begin:]).hexdigest()
    path.write_bytes(tensors_as_bytes(whole, {"numbers_sha256": seal} | told))
    return path


def disturb(value: Array, share: float) -> Array:
    """One number off by ``share`` of the largest magnitude."""
    changed = np.array(value)
    place = np.unravel_index(int(np.argmin(np.abs(value))), value.shape)
    changed[place] += np.asarray(share * np.abs(value).max(), value.dtype)
    return changed
