"""What tests of several commands need."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partialmethod

import pytest


@pytest.fixture(scope="module")
def brief() -> Iterator[None]:
    """Warm-ups and turns as short as can be, where it is asked what is measured and not how well."""
    from cloformer.export.latency.protocol import Protocol, Rounds

    with pytest.MonkeyPatch.context() as patch:
        for kind, default in ((Protocol, {"warm_up_seconds": 0.05}), (Rounds, {"turn_seconds": 0.02})):
            patch.setattr(kind, "__init__", partialmethod(kind.__init__, **default))
        yield
