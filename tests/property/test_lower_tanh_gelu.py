from __future__ import annotations

import pytest
import torch.nn.functional as F
from proof import Lambda, prove

from cloformer.export.passes.lower_tanh_gelu import LowerTanhGelu


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_law(scale: float) -> None:
    """Where it is a line, too."""
    found = prove(
        Lambda(lambda _, x: F.gelu(scale * x, approximate="tanh")), LowerTanhGelu(), (2, 3, 4), sites=1
    )
    assert "gelu" not in found


def test_the_error_function_is_left_alone() -> None:
    prove(Lambda(lambda _, x: F.gelu(x)), LowerTanhGelu(), (2, 3, 4), sites=0)
