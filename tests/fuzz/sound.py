"""Sound inputs of every class, made once with the command line itself; every hostile input is one of them, changed."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CLASSES", "MODEL", "Sound", "make_sound", "write_sound"]

MODEL = "user_models:resnet"  # of the tests: 44,000 parameters, at 32 pixels
CLASSES = ("ant", "bee", "wasp", "moth", "fly", "gnat", "midge", "hornet", "cricket", "beetle")
_SIZE = 32
_EXTRAS = {"litert": "litert_torch", "executorch": "executorch"}  # packages by format

# The vectors of a conformance kit by name, and whether the preprocessing is judged.
_VECTORS = {
    "channel-order": True, "normalization": True, "resize-filter": True, "crop": True, "orientation": True,
    "alpha": True, "photograph": False,
}  # fmt: skip

Command = Callable[..., None]


@dataclass(frozen=True)
class Sound:
    """Where they are. None is ever changed: what a run changes is a copy."""

    folder: Path

    @cached_property
    def artifacts(self) -> Mapping[str, Path]:
        """By format: the same classifier of ten insects."""
        folders = sorted((self.folder / "artifacts").iterdir())
        return {json.loads((path / "manifest.json").read_bytes())["format"]: path for path in folders}

    @property
    def onnx(self) -> Path:
        return self.artifacts["onnx"]

    @property
    def coreml(self) -> Path:
        return self.artifacts["coreml"]

    @property
    def labels(self) -> Path:
        return self.folder / "labels.txt"

    @property
    def image(self) -> Path:
        return self.folder / "image.png"

    @property
    def hub(self) -> Path:
        """A hub folder of the checkpoint in the box: CloFormer-XXS, ten classes, 64 pixels."""
        return self.folder / "hub"

    @property
    def trained_labels(self) -> Path:
        """The classes of the checkpoint in the box."""
        return self.folder / "trained-labels.txt"

    @property
    def weights(self) -> Path:
        """The test module's, as .safetensors; beside it the same as .pth."""
        return self.folder / "weights.safetensors"

    @property
    def bundles(self) -> Mapping[str, Path]:
        """By system."""
        return {system: self.folder / "bundles" / system for system in ("android", "ios")}

    @property
    def baseline(self) -> Path:
        """That `bench --save-baseline` kept."""
        return self.folder / "baseline"

    @property
    def work(self) -> Path:
        """A baseline of instructions."""
        return self.folder / "work.json"

    @property
    def precision_map(self) -> Path:
        return self.folder / "map.json"

    @property
    def report(self) -> Path:
        """A device report of the ONNX artifact."""
        return self.folder / "device-report.json"

    @property
    def evaluation(self) -> Path:
        """What `evaluate --json` says of both artifacts."""
        return self.folder / "evaluation.json"

    @property
    def spec(self) -> Path:
        return self.folder / "model.toml"

    @property
    def data(self) -> Mapping[str, Path]:
        """Sets of the ten insects, by what they are: folders, arrays, idx."""
        return {name: self.folder / "data" / name for name in ("folders", "arrays.npz", "idx")}


def write_sound(folder: Path) -> Sound:
    """Those that need no command: labels, images, data sets, weights."""
    import torch
    from PIL import Image
    from safetensors.torch import save_file
    from user_models import resnet

    sound = Sound(folder)
    folder.mkdir(parents=True)
    sound.labels.write_text("\n".join(CLASSES) + "\n", "utf-8")
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 50, 3), np.uint8)).save(sound.image)
    _write_data(sound, random)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = {name: value.contiguous() for name, value in resnet().state_dict().items()}
    save_file(state, sound.weights)
    torch.save(state, sound.weights.with_suffix(".pth"))
    sound.spec.write_text(SPEC, "utf-8")
    sound.precision_map.write_text(json.dumps(PRECISION_MAP, indent=1), "utf-8")
    return sound


def make_sound(sound: Sound, run: Callable[[Sequence[str]], None]) -> None:
    """Those that commands make; ``run`` raises for a command that fails."""
    from evaluations import evaluation, report_of

    size = str(_SIZE)
    weights, labels = str(sound.weights), str(sound.labels)
    formats = [
        "onnx",
        "coreml",
        *(name for name, package in _EXTRAS.items() if find_spec(package) is not None),
    ]
    run(["export", "--model", MODEL, "--weights", weights, "--image-size", size, "--labels", labels, "--output",
         str(sound.folder / "artifacts"), *(word for name in formats for word in ("--format", name))])  # fmt: skip
    run(["hub", "fashion-mnist", "--output", str(sound.hub)])
    names = json.loads((sound.hub / "config.json").read_bytes())["id2label"]
    sound.trained_labels.write_text("\n".join(names.values()) + "\n", "utf-8")
    for system, path in sound.bundles.items():
        artifact = sound.onnx if system == "android" else sound.coreml
        run(["bundle", system, str(artifact), "--output", str(path)])
    run(["bench", str(sound.onnx), "--preset", "rapid", "--runs", "1", "--min-seconds", "0.05", "--save-baseline",
         str(sound.baseline)])  # fmt: skip
    sound.report.write_text(json.dumps(_report(sound.onnx), indent=1), "utf-8")
    judged = (evaluation(sha256(path / "manifest.json")) for path in (sound.coreml, sound.onnx))
    sound.evaluation.write_text(json.dumps(report_of(*judged).to_json(), indent=1), "utf-8")
    sound.work.write_text(json.dumps(_work(sound.onnx), indent=1), "utf-8")


# As `cloformer parity --precision-map` writes it, of an operator that the model has.
PRECISION_MAP: dict[str, Any] = {
    "schema_version": 1,
    "because": "beyond float16 at 16 times the input",
    "float32": [{"node": "relu", "operator": "relu", "largest": 1.0}],
}

SPEC = """\
labels = "labels.txt"
outputs = ["logits"]

[[inputs]]
name = "image"
shape = [1, 3, 32, 32]
dtype = "float32"
role = "image"
[inputs.preprocessing]
resize_size = 36
interpolation = "bilinear"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[metadata]
author = "somebody"
license = "MIT"
"""


def idx(values: Any) -> bytes:
    """An array of bytes as MNIST's files hold it."""
    lengths = b"".join(length.to_bytes(4, "big") for length in values.shape)
    return bytes([0, 0, 8, values.ndim]) + lengths + values.tobytes()


def _write_data(sound: Sound, random: np.random.Generator) -> None:
    from PIL import Image

    pixels = random.integers(0, 256, (20, 12, 10, 3), np.uint8)
    numbers = np.arange(20) % len(CLASSES)
    for half in ("train", "val"):
        for number, image in zip(numbers[:10], pixels[:10], strict=True):
            path = sound.data["folders"] / half / CLASSES[number] / f"{number}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(image).save(path)
    halves = {
        f"{half}_{kind}": value
        for half in ("train", "val")
        for kind, value in (("images", pixels), ("labels", numbers))
    }
    np.savez(sound.data["arrays.npz"], **halves)
    folder = sound.data["idx"]
    folder.mkdir()
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels[..., 0]), mtime=0))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(numbers.astype(np.uint8)))
    (folder / "labels.txt").write_text("\n".join(CLASSES) + "\n", "utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _report(artifact: Path) -> dict[str, Any]:
    """What the tests on a device write when all is well."""
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    output = manifest["functions"][0]["outputs"][0]["name"]
    vectors = [
        {
            "name": name,
            "preprocessing": {"passed": True, "max_abs": 0.0} if is_judged else None,
            "outputs": {output: {"passed": True, "max_abs": 1e-9, "largest": 2.9, "cosine": 1.0}},
        }
        for name, is_judged in _VECTORS.items()
    ]
    operators = [
        {"name": name, "kind": "Conv", "device": device, "supported": None, "cost": 2.0}
        for name, device in (("node_conv2d", "xnnpack"), ("node_relu", "cpu"), ("node_conv2d_1", "xnnpack"))
    ]
    return {
        "schema_version": 2,
        "kind": "device-report",
        "manifest_sha256": sha256(artifact / "manifest.json"),
        "model_sha256": sha256(artifact / "model.onnx"),
        "device": {"manufacturer": "Example", "model": "One", "os": "Android 15 (API 35)", "cpu": "arm64", "app_build": "release"},
        "runtime": {"name": "onnxruntime", "version": "1.29.0", "provider": "xnnpack", "threads": 1},
        "vectors": vectors,
        "placement": {
            "asked": "xnnpack", "source": "onnxruntime-profile", "cost": "microseconds", "operators": operators,
            "why_not": None,
        },
        "latency": {
            "load_ns": 5, "first_ns": 6, "warmup_ns": [7], "samples_ns": [30_000_000, 31_000_000, 40_000_000],
            "threads": 1, "preset": "quick",
        },
    }  # fmt: skip


def _work(artifact: Path) -> dict[str, Any]:
    """What `parity --device arm64 --save-baseline` keeps."""
    return {
        "schema_version": 1,
        "kind": "cloformer-instructions",
        "artifact": artifact.name,
        "manifest_sha256": sha256(artifact / "manifest.json"),
        "instructions": {"photograph": 1000, "noise": 1000},
        "subject": {"model": "user_models.resnet", "precision": "fp32", "inputs": "image 1x3x32x32 float32"},
        "environment": {"emulator": "qemu-aarch64 7.2", "runtime": "onnxruntime 1.0"},
    }
