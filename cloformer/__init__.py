"""CloFormer, the reference PyTorch model: ``cloformer.create_model`` and ``cloformer.list_models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .variants import list_models

if TYPE_CHECKING:
    from .checkpoint import create_model

__version__ = "0.1.0"
__all__ = ["__version__", "create_model", "list_models"]


def __getattr__(name: str) -> object:
    # torch takes seconds to import; `cloformer --help` must not wait for it.
    if name == "create_model":
        from .checkpoint import create_model

        return create_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
