"""Tests of formats whose packages are installed if it is asked: `make format-tests` has them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

__all__ = ["needs_executorch", "needs_litert", "needs_litert_torch"]

needs_executorch = pytest.mark.skipif(
    find_spec("executorch") is None, reason="executorch is not installed: `make format-tests` installs it"
)
needs_litert_torch = pytest.mark.skipif(
    find_spec("litert_torch") is None, reason="litert-torch is not installed: `make format-tests` installs it"
)
needs_litert = pytest.mark.skipif(
    find_spec("ai_edge_litert") is None,
    reason="ai-edge-litert is not installed: pip install 'cloformer[test]'",
)
