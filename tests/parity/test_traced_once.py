"""One call traces a model once, whatever it makes or judges of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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


def _run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


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
