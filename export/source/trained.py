"""What a checkpoint, or a library, says of how a model was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.fields import Fields
from cloformer.io.read import parse_json

from .labels import check_names
from .preprocessing import Preprocessing

__all__ = ["Training", "training_of"]


@dataclass(frozen=True)
class Training:
    """What a checkpoint, or the library that a model is from, says of how it was trained; a checkpoint from elsewhere says
    nothing. ``by`` is who says it."""

    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    by: str = "the checkpoint"


def training_of(metadata: Mapping[str, str], weights: Path | None) -> Training:
    """:class:`InputError` if what `cloformer train` writes there is not what it writes."""
    if "cloformer" not in metadata:
        return Training()
    try:
        labels = check_names(Fields({"labels": parse_json(metadata["labels"])}).texts("labels", least=1))
        rule = Preprocessing.from_json(parse_json(metadata["preprocessing"]))
    except (KeyError, ValueError) as error:
        raise InputError(
            f"checkpoint {weights} does not say how it was trained: {error}", "copy or download it again"
        ) from None
    about = {key: metadata[key] for key in ("dataset", "licence") if key in metadata}
    return Training(labels, rule, about)
