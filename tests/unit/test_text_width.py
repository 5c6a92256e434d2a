"""Reports for a terminal are as wide as it, and 110 columns where there is none."""

from __future__ import annotations

import io
import sys

import pytest
from evaluations import FRONTS
from latency_reports import BENCHES, COMPARISONS
from test_reports_parity import REPORTS

from cloformer.export.accuracy.paired import Drop
from cloformer.export.accuracy.scores import Scores
from cloformer.export.reports.artifact.text import models
from cloformer.export.reports.latency import comparison_text
from cloformer.export.reports.latency import text as latency
from cloformer.export.reports.pareto.text import render as side_by_side
from cloformer.export.reports.parity import text as parity
from cloformer.export.reports.shared.table import Column, fitted
from cloformer.export.reports.training.evaluated import flips, table
from cloformer.export.source.counts import VariantFigures
from cloformer.io.output import width
from cloformer.training.beside import Against, Flip
from cloformer.training.evaluate import Evaluation


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _in_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Within a test: before it, pytest would take the standard output back."""
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))


@pytest.mark.parametrize(("terminal", "columns"), [(20, 60), (60, 60), (100, 100), (300, 140)])
def test_the_terminal_decides(monkeypatch: pytest.MonkeyPatch, terminal: int, columns: int) -> None:
    _in_a_terminal(monkeypatch, terminal)
    assert width() == columns


def test_without_a_terminal_nothing_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("COLUMNS", "60")
    assert (width(), width(500)) == (110, 500)


@pytest.mark.parametrize("terminal", [60, 80, 100, 140])
def test_every_line_fits(monkeypatch: pytest.MonkeyPatch, terminal: int) -> None:
    _in_a_terminal(monkeypatch, terminal)
    figures = VariantFigures(
        "cloformer_no_global", 12_345_678, 2 * 10**9, {f"stage{k}": (448, 28, 28) for k in range(5)}, 0.1
    )
    texts = {
        "models": "\n".join(models([figures], (224, 224))),
        **{f"parity, {name}": parity.render(found) for name, found in REPORTS.items()},
        **{f"bench, {name}": latency.render(found) for name, found in BENCHES.items()},
        **{f"compare, {name}": comparison_text.render(found) for name, found in COMPARISONS.items()},
    }
    name = "out/" + "long" * 20
    flip = Flip(f"photos/{'far' * 40}.jpg", "Ankle boot", "Sneaker", 0.5)
    against = Against(name, 9990, 10_000, 31.4, "probabilities", Drop(6, 4, 10_000), (flip,) * 10)
    result = Evaluation(
        name, "ONNX Runtime", 10_000, Scores(10_000, 0.9, 0.99, 0.3), against, bytes=10**7, format="onnx"
    )
    texts["evaluate"] = "\n".join([*table([result]), *flips([result])])
    texts |= {f"pareto, {name}": "\n".join(side_by_side(front)) for name, front in FRONTS.items()}
    long = [
        (name, line) for name, text in texts.items() for line in text.splitlines() if len(line) > terminal
    ]
    assert not long
    assert ("not shown for want of width" in texts["parity, passing"]) == (terminal < 100)


def test_the_least_important_columns_go_first() -> None:
    columns = [Column("a", 5, 0), Column("b", 5, 2), Column("c", 5, 1), Column("d", 5, 0, "<")]
    assert fitted(columns, 20).left_out == ()
    found = fitted(columns, 15)
    assert (found.head, found.left_out) == ("    a    cd    ", ("b",))
    assert found.row({"a": "1", "b": "2", "d": "4"}) == "    1     4    "
    assert fitted(columns, 3).left_out == ("b", "c")
