"""What travels: the model with its manifest and labels, and beside the app the kit that its tests run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cloformer.errors import UnsupportedError
from cloformer.io.read import read_json, sha256_of
from cloformer.io.write import canonical_json

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.kit import KitVector, read_kit
from ..source.signature import TensorSpec
from .tolerance import KitBound, kit_bounds

__all__ = [
    "KIT_INDEX",
    "KIT_SCHEMA_VERSION",
    "SHOWN",
    "check_artifact",
    "why_not_in_an_app",
    "write_conformance",
    "write_payload",
]

KIT_INDEX = "conformance.json"
_MAX_LIST_BYTES = 2**20
KIT_SCHEMA_VERSION = 2
NOTICES = "THIRD_PARTY_NOTICES.txt"
# Roles of outputs that the apps show; boxes have their scores beside them.
SHOWN = ("logits", "probabilities", "class_scores", "class_map", "boxes", "masks", "keypoints", "image")
_IN_APP = ("model", "labels")  # roles of files; origins and vectors are for the tools


def check_artifact(artifact: Artifact) -> None:
    """Raises :class:`UnsupportedError` unless the apps can show what it gives, and :class:`InputError` if it is not whole."""
    artifact.verify()
    for entry in artifact.manifest.model_files:
        if entry.path.endswith(".json"):  # a package's own list, which nothing has opened yet
            read_json(artifact.folder / entry.path, _MAX_LIST_BYTES, "export it again")
    unfit = why_not_in_an_app(artifact)
    if unfit is not None:
        raise unfit


def why_not_in_an_app(artifact: Artifact) -> UnsupportedError | None:
    """What the apps cannot show of it; None if they can."""
    (image, *others), outputs = artifact.function.inputs, artifact.function.outputs
    shown = [item for item in outputs if item.spec.role in SHOWN]
    if others or image.preprocessing is None or image.spec.shape[0] != 1 or not shown:
        found = ", ".join(f"{item.spec.name} ({item.spec.role})" for item in outputs)
        what = (
            f"gives {found}" if not others and image.preprocessing is not None else "does not take one image"
        )
        return UnsupportedError(
            f"{artifact.folder} {what}, and the apps show classes, boxes, maps, points and pictures of one image",
            "say what its outputs are by [[outputs]] in --spec (`cloformer spec`), and export again",
        )
    if artifact.manifest.request.decoding.pipeline is not None:
        return UnsupportedError(
            f"{artifact.folder} ends in Core ML's own suppression, which is for Vision, and the apps read the program's outputs",
            "export it with --nms in-graph",
        )
    classifier = artifact.function.classifier
    if classifier is not None and classifier.scores is not outputs[0]:
        return UnsupportedError(
            f"the classes of {artifact.folder} are those of {classifier.scores.spec.name}, and the apps show the first output's",
            "return the classes first, and export again",
        )
    other = next((spec for spec in (image.spec, *(item.spec for item in outputs)) if _is_another(spec)), None)
    if other is not None:
        return UnsupportedError(
            f"{artifact.folder} has {other.name} in {other.dtype}, and the apps give and read float32, and read whole numbers",
            "export it with inputs and outputs of float32, without --io-type; truths as x.float()",
        )
    return None


def _is_another(spec: TensorSpec) -> bool:
    """Whether the apps do not read it, so that the kit would fail on every phone."""
    return spec.dtype not in ("float32", "int32", "int64")


def write_payload(artifact: Artifact, folder: Path, notices: Sequence[Path]) -> None:
    """The model, its manifest to the byte, its labels, and the ``notices``, one after the other."""
    folder.mkdir(parents=True)
    for entry in artifact.files:
        if entry.role in _IN_APP:
            target = folder.joinpath(*PurePosixPath(entry.path).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(artifact.folder / entry.path, target)
    shutil.copyfile(artifact.folder / MANIFEST, folder / MANIFEST)
    (folder / NOTICES).write_bytes(b"\n".join(path.read_bytes() for path in notices))


def write_conformance(artifact: Artifact, folder: Path) -> int:
    """The kit: images, what preprocessing must make of them, what the model must give. Returns how many vectors.

    Raises :class:`InputError` if the artifact has no kit that can be read.
    """
    folder.mkdir(parents=True)
    vectors = read_kit(artifact)
    bounds = kit_bounds(artifact)
    entries = [_write_vector(vector, bounds, folder) for vector in vectors]
    models = [entry for entry in artifact.files if entry.role == "model"]
    index = {
        "schema_version": KIT_SCHEMA_VERSION,
        "manifest_sha256": sha256_of(artifact.folder / MANIFEST),
        "model_sha256": models[0].sha256 if len(models) == 1 else None,
        "files": [
            {"path": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        ],
        "vectors": entries,
    }
    (folder / KIT_INDEX).write_text(canonical_json(index), "utf-8")
    return len(vectors)


def _write_vector(vector: KitVector, bounds: Mapping[str, KitBound], folder: Path) -> dict[str, object]:
    from PIL import Image

    image, stem = vector.image, vector.image.name
    pixels, given = f"{stem}.pixels.png", f"{stem}.input.f32"
    (folder / image.file).write_bytes(image.content)
    Image.fromarray(vector.pixels).save(folder / pixels, "PNG", optimize=True)
    (folder / given).write_bytes(vector.input.astype("<f4").tobytes())
    outputs = {}
    for place, (name, value) in enumerate(vector.outputs.items()):
        file, bound = f"{stem}.output{place}.f32", bounds[name]  # a name may be anything
        # Numbers of classes are whole, and float32 has all below 2**24.
        (folder / file).write_bytes(np.asarray(value, "<f4").tobytes())
        outputs[name] = {
            "file": file,
            "max_rel": bound.max_rel,
            "min_cosine": bound.cosine,
            "because": bound.because,
        }
    return {
        "name": image.name,
        "aims_at": image.aims_at,
        "image": image.file,
        "compares": image.compares,
        "pixels": pixels,
        "input": given,
        "outputs": outputs,
    }
