"""The artifacts that `bench`, `compare` and `profile` are given, and what to type for what is none."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["timed_artifact"]


def timed_artifact(path: Path, max_work: int) -> Artifact:
    """The artifact, whole and with no more work for an inference than ``max_work``, 0 for as much as it takes.

    Raises as :func:`read_artifact` and :func:`refuse_endless` do; of a checkpoint the error says how an artifact is
    made of it.
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
    from cloformer.weights import is_checkpoint

    if path.is_dir() or not is_checkpoint(str(path)) or (path.suffix and not path.is_file()):
        return None
    return f"it is a checkpoint; make an artifact of it: cloformer export --weights {shlex.quote(str(path))} --format onnx"
