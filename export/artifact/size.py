"""The limit of a model's size: what an app may weigh is decided before there is a model."""

from __future__ import annotations

from cloformer.errors import GateError

from .manifest import Manifest

__all__ = ["hold_size"]


def hold_size(manifest: Manifest, most: int | None) -> None:
    """:class:`GateError` for a model whose files have more bytes; None is no limit."""
    if most is not None and manifest.model_bytes > most:
        raise GateError(
            f"{manifest.model.path} has {manifest.model_bytes:,} bytes, and --max-size allows {most:,}",
            "a smaller --precision stores less, as int8-weights; or give a larger --max-size",
        )
