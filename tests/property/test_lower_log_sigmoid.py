from __future__ import annotations

import torch.nn.functional as F
from proof import Lambda, prove

from cloformer.export.passes.lower_log_sigmoid import LowerLogSigmoid


def test_law() -> None:
    """Far beyond where a sigmoid is zero, too."""
    found = prove(Lambda(lambda _, x: F.logsigmoid(30 * x)), LowerLogSigmoid(), (2, 3, 4), sites=1)
    assert "log_sigmoid" not in found
