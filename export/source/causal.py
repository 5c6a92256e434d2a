"""PyTorch's encoders and decoders compare a mask with a causal one, which no trace follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.nn.modules import transformer

__all__ = ["masks_as_given"]

_NAME = "_detect_is_causal_mask"


@contextmanager
def masks_as_given() -> Iterator[None]:
    """A mask counts as causal where the module is told so: the comparison only chooses a faster kernel, and what is computed
    is the same."""
    own = getattr(transformer, _NAME, None)  # private, so that another torch may have none
    if own is None:
        yield
        return
    setattr(transformer, _NAME, _as_told)
    try:
        yield
    finally:
        setattr(transformer, _NAME, own)


def _as_told(_mask: Tensor | None, is_causal: bool | None = None, *_size: int, **_sizes: int) -> bool:
    return is_causal is True
