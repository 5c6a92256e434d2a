"""As much of torchvision as cloformer asks of it."""

from . import models

__version__ = "1.0"
__all__ = ["models"]
