"""``python -m cloformer`` is the command ``cloformer``."""

from .cli import main

main()
