"""What tests of several commands need."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path

import pytest
from web_library import stand_in


@pytest.fixture(scope="module")
def brief() -> Iterator[None]:
    """Warm-ups and turns as short as can be, where it is asked what is measured and not how well."""
    from cloformer.export.latency.protocol import Protocol, Rounds

    with pytest.MonkeyPatch.context() as patch:
        for kind, default in ((Protocol, {"warm_up_seconds": 0.05}), (Rounds, {"turn_seconds": 0.02})):
            patch.setattr(kind, "__init__", partialmethod(kind.__init__, **default))
        yield


@pytest.fixture(scope="module")
def web_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Pages carry a small package in the place of ONNX Runtime Web, which lies in this cache; no npm is asked."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, cache)
        yield cache
