"""What a checkpoint says of how it was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError

from .preprocessing import Preprocessing

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class _Training:
    """What a checkpoint says of how it was trained; a checkpoint from elsewhere says nothing."""

    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def training_of(metadata: Mapping[str, str], weights: Path | None) -> _Training:
    """:class:`InputError` if what `cloformer train` writes there is not what it writes."""
    if "cloformer" not in metadata:
        return _Training()
    try:
        labels = json.loads(metadata["labels"])
        if not all(isinstance(name, str) for name in labels):
            raise ValueError("labels are not words")
        rule = Preprocessing.from_json(json.loads(metadata["preprocessing"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"checkpoint {weights} does not say how it was trained: {error}", "copy or download it again"
        ) from None
    about = {key: metadata[key] for key in ("dataset", "licence") if key in metadata}
    return _Training(tuple(labels), rule, about)
