"""The artifacts that `bench`, `compare` and `profile` are given, and what to type for what is none."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["timed_artifact"]

_CHECKPOINTS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


def timed_artifact(path: Path, max_work: int) -> Artifact:
    """The artifact, whole and with no more work for an inference than ``max_work``, 0 for as much as it takes.

    Raises as :func:`read_artifact` and :func:`refuse_endless` do; of a checkpoint, and of a folder of artifacts, the error
    says what to give instead.
    """
    from ..artifact.folder import read_artifact
    from ..formats.runners import refuse_endless

    try:
        artifact = read_artifact(path)
    except InputError as error:
        instead = _instead(path)
        raise error if instead is None else InputError(error.lines[0], instead) from None
    refuse_endless(artifact.model, max_work or None)
    return artifact


def _instead(path: Path) -> str | None:
    from cloformer.io.staging import MANIFEST
    from cloformer.weights import shipped_weights

    is_checkpoint = path.suffix in _CHECKPOINTS and path.is_file()
    if is_checkpoint or (str(path) in shipped_weights() and not path.exists()):
        return f"it is a checkpoint; make an artifact of it: cloformer export --weights {shlex.quote(str(path))} --format onnx"
    inside = sorted(each.parent for each in path.glob(f"*/{MANIFEST}")) if path.is_dir() else []
    if inside and not (path / MANIFEST).exists():
        return f"give an artifact in it, for example {shlex.quote(str(inside[0]))}"
    return None
