"""What an artifact says of itself, made wrong: each lie is drawn by a generator and changes files of the artifact's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import load_file, save_file

from cloformer.export.artifact.folder import CONFORMANCE, KIT, LABELS, MANIFEST, Artifact

__all__ = ["LIES", "Lie"]

Document = dict[str, Any]


@dataclass(frozen=True)
class Lie:
    """``tell`` changes a sound artifact, ``about`` is the statement that is wrong then, ``fits`` whether there is one."""

    about: str
    tell: Callable[[np.random.Generator, Artifact], None]
    fits: Callable[[Artifact], bool] = lambda _: True


def _labels(generator: np.random.Generator, artifact: Artifact) -> None:
    path = artifact.folder / LABELS
    path.write_text("\n".join(_exchanged(generator, path.read_text().split("\n")[:-1])) + "\n")


def _labels_inside(generator: np.random.Generator, artifact: Artifact) -> None:
    """Inside the Core ML program alone."""
    from coremltools.proto import Model_pb2

    path = artifact.model_path / "Data/com.apple.CoreML/model.mlmodel"
    spec = Model_pb2.Model.FromString(path.read_bytes())
    for block in spec.mlProgram.functions["main"].block_specializations.values():
        for operation in block.operations:
            if operation.type == "classify":
                texts = [item.immediateValue.tensor.strings.values for item in _listed(operation, block)]
                names = [text[0] for text in texts]
                assert tuple(names) == artifact.labels
                for text, name in zip(texts, _exchanged(generator, names), strict=True):
                    text[0] = name
    path.write_bytes(spec.SerializeToString())


def _listed(operation: Any, block: Any) -> Iterable[Any]:
    """The list of classes: written where it is read, or in a constant."""
    (argument,) = operation.inputs["classes"].arguments
    if argument.HasField("value"):
        return argument.value.immediateValue.list.values
    (value,) = (
        item.attributes["val"]
        for item in block.operations
        if item.type == "const" and item.outputs[0].name == argument.name
    )
    return value.immediateValue.list.values


def _exchanged(generator: np.random.Generator, names: list[str]) -> list[str]:
    first, second = generator.choice(len(names), 2, replace=False)
    names = list(names)
    names[first], names[second] = names[second], names[first]
    return names


def _preprocessing(generator: np.random.Generator, artifact: Artifact) -> None:
    """One field, in both places of the manifest."""
    rule: Document = next(
        item.preprocessing for item in artifact.function.inputs if item.preprocessing
    ).to_json()
    field = str(generator.choice(["mean", "std", "scale", "resize_size", "interpolation", "color_order"]))
    change: dict[str, Callable[[Any], Any]] = {
        "mean": lambda value: [value[0] + 0.01, *value[1:]],
        "std": lambda value: [*value[:-1], value[-1] * 1.02],
        "scale": lambda value: value * 1.004,
        "resize_size": lambda value: value + 8,
        "interpolation": lambda value: "bilinear" if value != "bilinear" else "bicubic",
        "color_order": lambda value: "BGR" if value == "RGB" else "RGB",
    }
    wrong = change[field](rule[field])

    def edit(document: Document) -> None:
        for item in document["request"]["preprocessing"].values():
            item[field] = wrong
        for item in document["functions"][0]["inputs"]:
            item["preprocessing"][field] = wrong

    _edit(artifact, edit)


def _precision(_generator: np.random.Generator, artifact: Artifact) -> None:
    def edit(document: Document) -> None:
        document["precision"].update(name="fp16", weights="float16", activations="float16")
        document["request"]["precision"] = "fp16"

    _edit(artifact, edit)


def _interface(generator: np.random.Generator, artifact: Artifact) -> None:
    """What an app has to do with the first output, or what it is."""
    lies: list[Document] = [{"axes": None}, {"role": "tensor", "postprocessing": None, "labels": None}]
    lies += [{"postprocessing": None}] if artifact.function.outputs[0].postprocessing else []
    lie = lies[generator.integers(len(lies))]
    _edit(artifact, lambda document: document["functions"][0]["outputs"][0].update(lie))


def _kit(generator: np.random.Generator, artifact: Artifact) -> None:
    _change(artifact, KIT, _drawn(generator, artifact, KIT, ""), lambda value: value * np.float32(1.001))


def _vectors(generator: np.random.Generator, artifact: Artifact) -> None:
    _change(
        artifact,
        CONFORMANCE,
        _drawn(generator, artifact, CONFORMANCE, "/output/"),
        lambda value: value * np.float32(1.001),
    )


def _bounds(generator: np.random.Generator, artifact: Artifact) -> None:
    """Ten times as wide, in the form that is judged here."""
    said = f"/loss in {artifact.manifest.precision.name}, sums fp32/"
    _change(
        artifact,
        CONFORMANCE,
        _drawn(generator, artifact, CONFORMANCE, said),
        lambda value: value * np.float32(10),
    )


def _no_photograph(_generator: np.random.Generator, artifact: Artifact) -> None:
    path = artifact.folder / CONFORMANCE
    kept = {key: value for key, value in load_file(path).items() if key.startswith("noise")}
    save_file(kept, path, _metadata(path))


def _model_too(generator: np.random.Generator, artifact: Artifact) -> None:
    """The model, and what is expected of it, altered together."""
    model = onnx.load(artifact.model_path)
    classes = artifact.signature.outputs[0].shape[-1]
    bias = next(item for item in model.graph.initializer if list(item.dims) == [classes])
    more = np.float32(generator.uniform(0.1, 0.3))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + more, bias.name))
    onnx.save(model, artifact.model_path)
    for name, marker in ((CONFORMANCE, "/output/"), (KIT, "")):
        path = artifact.folder / name
        values = {
            key: value + more if marker in key and value.dtype == np.float32 else value
            for key, value in load_file(path).items()
        }
        save_file(values, path, _metadata(path))


def _drawn(generator: np.random.Generator, artifact: Artifact, name: str, marker: str) -> str:
    keys = sorted(
        key
        for key, value in load_file(artifact.folder / name).items()
        if marker in key and value.dtype == np.float32
    )
    return str(generator.choice(keys))


def _change(artifact: Artifact, name: str, key: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = artifact.folder / name
    values = load_file(path)
    save_file(values | {key: change(values[key])}, path, _metadata(path))


def _metadata(path: Path) -> dict[str, str] | None:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        found: dict[str, str] | None = json.loads(file.read(size)).get("__metadata__")
    return found


def _edit(artifact: Artifact, change: Callable[[Document], object]) -> None:
    path = artifact.folder / MANIFEST
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def _is_onnx(artifact: Artifact) -> bool:
    return artifact.format == "onnx"


LIES: dict[str, Lie] = {
    "class names exchanged": Lie("labels", _labels),
    "class names exchanged inside": Lie(
        "labels inside the model", _labels_inside, lambda artifact: artifact.format == "coreml"
    ),
    "preprocessing changed": Lie("preprocessing", _preprocessing),
    "float32 called float16": Lie(
        "precision",
        _precision,
        lambda artifact: artifact.format == "coreml" and artifact.manifest.precision.name == "fp32",
    ),
    "role or postprocessing changed": Lie("inputs and outputs", _interface),
    "kit changed": Lie("kit", _kit),
    "vectors changed": Lie("vectors", _vectors),
    "bounds widened": Lie("vectors", _bounds),
    "photograph left out": Lie("vectors", _no_photograph),
    "model and vectors changed": Lie("vectors", _model_too, _is_onnx),
}
