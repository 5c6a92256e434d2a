"""As much of torchvision as cloformer asks of it."""

from . import models

__all__ = ["models"]
