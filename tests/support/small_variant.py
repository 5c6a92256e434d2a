"""A CloFormer that trains in a third of the time, for tests of what does not depend on the network's size.

``python -m small_variant`` is ``cloformer`` with it; ``known`` is for tests that train in their own process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cloformer.variants import VARIANTS, Variant

__all__ = ["SMALL", "TINY", "known"]

SMALL = Variant("cloformer_small", (16, 32, 64, 128), (3, 2, 4, 4), (1, 2, 4, 12), 0.0, depths=(2, 2, 2, 2))
# One block in each stage: for what is exported and not trained.
TINY = replace(SMALL, name="cloformer_tiny", depths=(1, 1, 1, 1))


@contextmanager
def known(variant: Variant = SMALL) -> Iterator[str]:
    """The table has it, by the name that is given."""
    VARIANTS[variant.name] = variant
    try:
        yield variant.name
    finally:
        del VARIANTS[variant.name]


if __name__ == "__main__":
    from cloformer.cli import main

    with known():
        main()
