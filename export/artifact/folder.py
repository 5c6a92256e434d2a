"""An artifact: a folder with a model and its manifest, which says what it is and how to feed it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.fields import FieldError
from cloformer.io.read import read_json
from cloformer.io.staging import recover
from cloformer.io.words import count

from ..formats import FORMATS
from ..formats.runner import ModelFile
from ..source.function import Function
from ..source.interface import LABELS
from ..source.labels import read_labels
from ..source.roles import class_axis
from ..source.signature import Signature
from .files import MANIFEST, FileEntry, verify_files
from .manifest import Manifest

__all__ = [
    "CONFORMANCE",
    "KIT",
    "LABELS",
    "MANIFEST",
    "ORIGINS",
    "Artifact",
    "is_artifact",
    "read_artifact",
    "read_manifest",
    "reports_folder",
]

ORIGINS, CONFORMANCE, KIT = "origins.json", "conformance.safetensors", "kit.safetensors"
_MAX_MANIFEST_BYTES = 64 * 2**20
_ADVICE = "give the folder that `cloformer export` printed"
_TRIES = 100  # to read what an export replaces at the same time


def reports_folder(folder: Path) -> Path:
    """The folder beside an artifact's ``folder``, where reports survive a new export."""
    return folder.with_name(f"{folder.name}-reports")


@dataclass(frozen=True)
class Artifact:
    """A folder, its manifest, and its class names in order, if it has some. Nothing of the manifest raises."""

    folder: Path
    manifest: Manifest
    labels: tuple[str, ...] | None = None

    @property
    def format(self) -> str:
        return self.manifest.format

    @property
    def function(self) -> Function:
        """The first function, which is the one that runs unless another is asked for."""
        return self.manifest.function

    @property
    def signature(self) -> Signature:
        """Inputs and outputs of the first function."""
        return self.function.signature

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return self.manifest.files

    @property
    def model_path(self) -> Path:
        """The model as its runtime takes it: a file, or the folder of a package."""
        return self.folder / self.manifest.model.path

    @property
    def model(self) -> ModelFile:
        """What a runner is given."""
        return ModelFile(self.format, self.model_path, self.function, self.labels)

    def listed(self, name: str) -> Path | None:
        """The path of a file beside the model; None if the manifest does not list it, so that it is not read."""
        return self.folder / name if self.manifest.has(name) else None

    def verify(self) -> None:
        """Check that every file is there with its size and hash, and that there is no other.

        Raises :class:`InputError` that names the first file that differs.
        """
        verify_files(self.folder, self.files)


def read_artifact(folder: Path, *, verify: bool = True) -> Artifact:
    """Read ``folder``, or the one that a manifest.json or a model's file is in; :class:`InputError` if it is not a whole
    artifact of ours.

    An export may put another one in its place at the same time: then that one is read.
    """
    given, folder = folder, _around(folder)
    for _ in range(_TRIES):
        before = _identity(folder)
        if before is None and folder.parent.is_dir():
            recover(folder.parent)  # a killed export may have been between two renames
        try:
            artifact = _read(folder, verify=verify)
        except InputError:
            if _identity(folder) == before:
                raise
            continue
        if _identity(folder) == before or not verify:
            return _as_given(artifact, given)
    raise InputError(f"{folder} is being replaced all the time", "wait until the export has ended")


def _around(path: Path) -> Path:
    """The artifact's folder: ``path``, or the one around it if that has the manifest and ``path`` has none."""
    if path.name == MANIFEST or (not _has_manifest(path) and path.exists() and _has_manifest(path.parent)):
        return path.parent
    return path


def is_artifact(path: Path) -> bool:
    """Whether there is a manifest in it, or beside it."""
    return _has_manifest(_around(path))


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; :class:`InputError` with the path of the first field that is wrong."""
    value = read_json(path, _MAX_MANIFEST_BYTES, "export it again", follow_links=False)
    try:
        return Manifest.from_json(value)
    except FieldError as error:
        raise InputError(f"{path}: {error}", "export it again") from None


def _has_manifest(folder: Path) -> bool:
    """Also where it is a link to nothing. By its name to the letter: a Core ML package has a Manifest.json of its own."""
    try:
        return MANIFEST in os.listdir(folder)  # noqa: PTH208 - a name with a zero byte is an error of this call alone
    except (OSError, ValueError):
        return False


def _as_given(artifact: Artifact, given: Path) -> Artifact:
    """The artifact, if ``given`` is its folder, its manifest or its model, and no other file in it."""
    if given in (artifact.folder, artifact.folder / MANIFEST, artifact.model_path):
        return artifact
    raise InputError(
        f"{given} is not the model of the artifact {artifact.folder}, which is {artifact.manifest.model.path}",
        _ADVICE,
    )


def _advice(folder: Path) -> str:
    """What to give instead: an artifact inside, where a folder of artifacts was given."""
    inside = sorted(folder.glob(f"*/{MANIFEST}"))[:1] if folder.is_dir() else []
    return f"give an artifact in it, for example {shlex.quote(str(inside[0].parent))}" if inside else _ADVICE


def _why_not(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} does not exist, so it is not an artifact"
    if folder.is_dir():
        return f"{folder} is not an artifact: it has no {MANIFEST}"
    return f"{folder} is a file and not an artifact: there is no {MANIFEST} beside it"


def _read(folder: Path, *, verify: bool) -> Artifact:
    path = folder / MANIFEST
    if not path.exists() and not path.is_symlink():
        raise InputError(_why_not(folder), _advice(folder))
    manifest = read_manifest(path)
    if verify:
        verify_files(folder, manifest.files)
    return Artifact(folder, manifest, _labels(folder, manifest))


def _labels(folder: Path, manifest: Manifest) -> tuple[str, ...] | None:
    """The first function's class names: as many as the output has classes."""
    for output in manifest.function.outputs:
        if output.labels is not None:
            names = read_labels(folder / output.labels)
            axis = class_axis(output.spec)  # None: of numbers of classes, which say not how many there are
            if axis is not None and len(names) != output.spec.shape[axis]:
                raise InputError(
                    f"{folder} has {count(names, 'label')} for {count(output.spec.shape[axis], 'class')}",
                    "export it again with as many labels as classes",
                )
            FORMATS[manifest.format].refuse_repeated_names(names, manifest.function.signature.outputs)
            return names
    return None


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another one of the same name; None if there is none."""
    try:
        found = os.stat(folder)  # noqa: PTH116 - a name with a zero byte is an error of this call alone
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
