"""CloFormer, the reference PyTorch model: ``cloformer.create_model`` and ``cloformer.list_models``, and networks that give more
than classes: ``create_dense_model`` and ``list_dense_models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .variants import list_dense_models, list_models

if TYPE_CHECKING:
    from .create import create_dense_model, create_model

__version__ = "0.1.0"
__all__ = ["__version__", "create_dense_model", "create_model", "list_dense_models", "list_models"]


def __getattr__(name: str) -> object:
    # torch takes seconds to import; `cloformer --help` must not wait for it.
    if name in ("create_dense_model", "create_model"):
        from . import create

        return getattr(create, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
