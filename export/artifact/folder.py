"""An artifact: a folder with a model and its manifest, which says what it is and how to feed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cloformer.errors import InputError
from cloformer.io.place import MANIFEST
from cloformer.io.read import sha256_of

from ..schemas import schema
from ..source.signature import Signature, TensorSpec

__all__ = [
    "MANIFEST",
    "ORIGINS",
    "SCHEMA_VERSION",
    "Artifact",
    "FileEntry",
    "list_files",
    "read_artifact",
]

ORIGINS = "origins.json"
SCHEMA_VERSION = 1
_MAX_MANIFEST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class FileEntry:
    """A file of the artifact: its path below the folder, what it is for, its SHA-256 and size in bytes."""

    path: str
    role: str
    sha256: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "role": self.role, "sha256": self.sha256, "bytes": self.bytes}


@dataclass(frozen=True)
class Artifact:
    """A folder and its manifest, read and checked against the schema."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def format(self) -> str:
        return str(self.manifest["format"])

    @property
    def function(self) -> Mapping[str, Any]:
        """The first function, which is the one that runs unless another is asked for."""
        function: Mapping[str, Any] = self.manifest["functions"][0]
        return function

    @property
    def signature(self) -> Signature:
        """Inputs and outputs of the first function."""
        return Signature(
            tuple(TensorSpec.from_json(entry) for entry in self.function["inputs"]),
            tuple(TensorSpec.from_json(entry) for entry in self.function["outputs"]),
        )

    @property
    def files(self) -> list[FileEntry]:
        return [FileEntry(**entry) for entry in self.manifest["files"]]

    @property
    def model_path(self) -> Path:
        """The model as its runtime takes it: a file, or the folder of a package."""
        path: str = self.manifest["model"]["path"]
        return self.folder / path

    def labels(self) -> list[str] | None:
        """The class names in order, if the artifact has them."""
        name = next((output["labels"] for output in self.function["outputs"] if output["labels"]), None)
        return (self.folder / name).read_text("utf-8").splitlines() if name else None

    def verify(self) -> None:
        """Check that every file is there with its size and hash, and that there is no other.

        Raises :class:`InputError` that names the first file that differs.
        """
        listed = {entry.path: entry for entry in self.files}
        found = {
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()
        }
        for name in sorted(found - set(listed) - {MANIFEST}):
            raise InputError(f"{self.folder / name} is not in the manifest", "remove it, or export again")
        for name, entry in listed.items():
            path = self.folder / name
            if name not in found or path.is_symlink():
                raise InputError(f"{path} is missing", "the artifact is not whole: export it again")
            if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
                raise InputError(
                    f"{path} is not the file that was exported: its hash does not match the manifest",
                    "the artifact was changed or damaged: export it again",
                )


def read_artifact(folder: Path, *, verify: bool = True) -> Artifact:
    """Read ``folder`` (or its manifest.json); :class:`InputError` if it is not a whole artifact of ours."""
    from cloformer.io.staging import recover

    folder = folder.parent if folder.name == MANIFEST else folder
    if not folder.exists() and folder.parent.is_dir():
        recover(folder.parent)  # a killed export may have been between two renames
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise InputError(f"{path} is too large to be a manifest")
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{folder} is not an artifact: it has no {MANIFEST}",
            "give the folder that `cloformer export` printed",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", "export it again") from error
    check_manifest(manifest, path)
    artifact = Artifact(folder, manifest)
    if verify:
        artifact.verify()
    return artifact


def check_manifest(manifest: Any, path: Path) -> None:
    """Raise :class:`InputError` unless ``manifest`` follows the schema and its paths stay in their folder."""
    import jsonschema

    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema_version"), int):
        raise InputError(f"{path} is not a manifest of cloformer", "give the folder of an artifact")
    if manifest["schema_version"] > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {manifest['schema_version']}, and this cloformer knows up to {SCHEMA_VERSION}",
            "update cloformer, or export the artifact again with this one",
        )
    validator = jsonschema.Draft202012Validator(schema("manifest"))
    problem = next(iter(validator.iter_errors(manifest)), None)
    if problem is not None:
        raise InputError(
            f"{path} does not follow the schema at {problem.json_path}: {problem.message[:160]}",
            "export it again",
        )
    names = [entry["path"] for entry in manifest["files"]] + [manifest["model"]["path"]]
    names += [output["labels"] for function in manifest["functions"] for output in function["outputs"]]
    for name in filter(None, names):
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
            raise InputError(f"{path} names a file outside its folder: {name!r}", "do not use this artifact")


def list_files(folder: Path, role_of: Mapping[str, str]) -> list[FileEntry]:
    """Every file below ``folder``; its role is that of the longest prefix of its path in ``role_of``."""
    entries = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        prefixes = [prefix for prefix in role_of if name == prefix or name.startswith(prefix + "/")]
        entries.append(FileEntry(name, role_of[max(prefixes, key=len)], sha256_of(path), path.stat().st_size))
    return entries
