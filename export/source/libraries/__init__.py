"""Models of libraries that the user has installed: timm, torchvision, and folders of the Hugging Face Hub.

:mod:`.asked` says how one is named, and :func:`make` makes it, with weights of this machine alone: nothing is downloaded, no
code of a folder is run, and nothing but tensors is unpickled.
"""

from __future__ import annotations

from pathlib import Path

from .asked import Asked
from .made import FromLibrary

__all__ = ["make"]


def make(asked: Asked, weights: Path | None, seed: int) -> FromLibrary:
    """The model that is asked for, with the weights of ``weights``, those that it brings, or random ones of ``seed``.

    Raises :class:`MissingRuntimeError` where the library is not installed or does not load, :class:`UsageError` for what it
    does not have, and :class:`InputError` for weights or a folder that cannot be used.
    """
    from .of_folder import folder_model
    from .of_timm import timm_model
    from .of_torchvision import torchvision_model

    made = {"timm": timm_model, "torchvision": torchvision_model, "hf": folder_model}
    return made[asked.library](asked, weights, seed)
