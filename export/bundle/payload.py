"""What travels: the model with its manifest and labels, and beside the app the kit that its tests run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cloformer.errors import UnsupportedError
from cloformer.io.read import read_json, sha256_of
from cloformer.io.write import canonical_json

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.kit import KitVector, read_kit
from ..parity.tolerances import OutputTolerance
from .tolerance import kit_tolerance

__all__ = [
    "KIT_INDEX",
    "KIT_SCHEMA_VERSION",
    "check_artifact",
    "why_not_in_an_app",
    "write_conformance",
    "write_payload",
]

KIT_INDEX = "conformance.json"
_MAX_LIST_BYTES = 2**20
KIT_SCHEMA_VERSION = 1
NOTICES = "THIRD_PARTY_NOTICES.txt"
_IN_APP = ("model", "labels")  # roles of files; origins and vectors are for the tools


def check_artifact(artifact: Artifact) -> None:
    """Raises :class:`UnsupportedError` unless it is a classifier of one image, and :class:`InputError` if it is not whole."""
    artifact.verify()
    for entry in artifact.manifest.model_files:
        if entry.path.endswith(".json"):  # a package's own list, which nothing has opened yet
            read_json(artifact.folder / entry.path, _MAX_LIST_BYTES, "export it again")
    unfit = why_not_in_an_app(artifact)
    if unfit is not None:
        raise unfit


def why_not_in_an_app(artifact: Artifact) -> UnsupportedError | None:
    """What the apps cannot show of it; None if they can."""
    classifier = artifact.function.classifier
    if classifier is None or classifier.image.spec.shape[0] != 1:
        return UnsupportedError(
            f"{artifact.folder} is not a classifier of one image, which is what the apps show",
            "`cloformer inspect` says what goes in and comes out",
        )
    if classifier.scores is not artifact.function.outputs[0]:
        return UnsupportedError(
            f"the classes of {artifact.folder} are those of {classifier.scores.spec.name}, and the apps show the first output's",
            "return the classes first, and export again",
        )
    narrow = [spec for spec in (classifier.image.spec, classifier.scores.spec) if spec.dtype != "float32"]
    if narrow:
        return UnsupportedError(
            f"{artifact.folder} has {narrow[0].name} in {narrow[0].dtype}, and the apps give and read float32",
            "export it with inputs and outputs of float32, without --io-type",
        )
    return None


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
    bound = kit_tolerance(artifact)
    entries = [_write_vector(vector, bound, folder) for vector in vectors]
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


def _write_vector(vector: KitVector, bound: OutputTolerance, folder: Path) -> dict[str, object]:
    from PIL import Image

    image, stem = vector.image, vector.image.name
    pixels, given = f"{stem}.pixels.png", f"{stem}.input.f32"
    (folder / image.file).write_bytes(image.content)
    Image.fromarray(vector.pixels).save(folder / pixels, "PNG", optimize=True)
    (folder / given).write_bytes(vector.input.astype("<f4").tobytes())
    outputs = {}
    for place, (name, value) in enumerate(vector.outputs.items()):
        outputs[name] = f"{stem}.output{place}.f32"  # a name may be anything
        (folder / outputs[name]).write_bytes(np.asarray(value, "<f4").tobytes())
    return {
        "name": image.name,
        "aims_at": image.aims_at,
        "image": image.file,
        "compares": image.compares,
        "pixels": pixels,
        "input": given,
        "outputs": outputs,
        "tolerance": {
            # JSON has no infinity: an error of the largest value itself is wrong in any format.
            "max_rel": min(bound.max_rel, 1.0),
            "min_cosine": bound.cosine,
            "because": bound.because,
        },
    }
