"""One call traces a model once, whatever it makes or judges of it, and leaves its weights as they were."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cloformer.cli import main
from cloformer.export.source import trace as tracing


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often a model was traced and a graph lowered."""
    found: Counter[str] = Counter()
    for name in ("trace", "lower"):
        own = getattr(tracing, name)

        def counted(*args: Any, own: Any = own, name: str = name, **options: Any) -> Any:
            found[name] += 1
            return own(*args, **options)

        monkeypatch.setattr(tracing, name, counted)
    return found


@pytest.fixture
def _unchanged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every model that was traced has the weights that it had then: whatever is made of it shares them."""
    found: list[tuple[nn.Module, dict[str, torch.Tensor]]] = []
    own = tracing.trace

    def noted(model: nn.Module, *args: Any, **options: Any) -> Any:
        found.append((model, copy.deepcopy(model.state_dict())))
        return own(model, *args, **options)

    monkeypatch.setattr(tracing, "trace", noted)
    yield
    assert found
    for model, as_traced in found:
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, as_traced[name]), name


def _run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


@pytest.mark.usefixtures("_unchanged")
def test_a_call_traces_once_and_lowers_once_for_each_list_of_passes(
    tmp_path: Path, calls: Counter[str]
) -> None:
    model = ("--model", "hard_networks:constant_bounds")
    export = ("export", *model, "--image-size", "16", "--output", str(tmp_path))
    _run(*export, "--format", "onnx", "--format", "coreml")
    assert calls == {"trace": 1, "lower": 2}
    _run(*export, "--format", "coreml", "--precision", "fp32")
    calls.clear()
    artifacts = sorted(map(str, tmp_path.iterdir()))
    assert len(artifacts) == 3
    _run("parity", *artifacts, *model)  # ONNX, and Core ML in two precisions, which are one graph
    assert calls == {"trace": 1, "lower": 2}
