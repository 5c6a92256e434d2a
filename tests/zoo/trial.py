"""One network in one form, exported and judged: ``python -m zoo.trial NAME FORM`` prints what was found as JSON."""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import json
import re
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from random_networks.verdict import Verdict, judged

from cloformer.errors import CloformerError
from cloformer.export.parity.report import OperatorResult, ParityReport
from cloformer.export.parity.tolerances import ROUNDOFF
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.natures import nature_of
from cloformer.export.source.spec import ModelSpec

from .networks import make, networks, reference_of

__all__ = ["FORMS", "RESULTS", "Row", "says_where", "try_network"]

FORMS = {
    "onnx fp32": ("onnx", "fp32"), "coreml fp16": ("coreml", "fp16"), "coreml fp32": ("coreml", "fp32"),
    "litert fp32": ("litert", "fp32"), "executorch fp32": ("executorch", "fp32"),
}  # fmt: skip

# What may come out, and whether it may.
RESULTS = {
    "passed": True,
    "refused": True,  # with the module, the line and a way out
    "overflow named": True,
    "too lossy": True,  # float16 costs it so much by the oracle's measure too
    "undecided": True,  # an operator is named, and rounding costs the outputs so much that the oracle cannot tell
    "refused without a place": False,
    "wrong, and named": False,  # the exporter's fault, which parity saw
    "misnamed": False,
    "false failure": False,
    "false pass": False,
    "crashed": False,
    "out of time": False,
    "out of memory": False,
}

# "stages.0.conv (package.module:Class:line)", or "file.py, line 12".
_PLACE = re.compile(r"[\w.]+:\w[\w.<>]*:\d+|\.py, line \d+")
# A declared input, which has no line, by its name, and how to declare it.
_DECLARED = re.compile(r"\b(?P<name>\w+)\b.*\n(?:.*\n)?.*--input (?P=name)(_in)?=\d")


@dataclass(frozen=True)
class Need:
    """What the operators of a kind needed at most: in roundings of the largest result, and as a share of what is allowed by
    ``operator``; ``count`` were compared."""

    count: int
    roundings: float
    share: float
    operator: str


@dataclass(frozen=True)
class Row:
    """One network in one form: ``result`` is one of ``RESULTS``, ``words`` say what was found; operators that were compared,
    the largest error of the outputs, by what the oracle allows, and the needs by kind of operator."""

    network: str
    style: str
    form: str
    result: str
    words: str = ""
    operators: int = 0
    of_operators: int = 0
    share: float = 0.0
    needs: dict[str, Need] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_right(self) -> bool:
        return RESULTS[self.result]


def try_network(name: str, form: str) -> Row:
    """Export the network and compare; what nobody foresaw is a crash, with its last line."""
    start = time.monotonic()
    network, (kind, precision) = networks()[name], FORMS[form]
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        request = ExportRequest(
            model=reference_of(name),
            formats=(kind,),
            precision=precision,
            spec=ModelSpec(declared=network.inputs),
            output=Path(folder),
            keep_failed=True,
        )
        try:
            verdict = judged(request, make(name), network.inputs, seed=0)
        except CloformerError as error:
            verdict = Verdict("refused", "\n".join(error.lines))
        except Exception as error:  # that there is none is what is tried
            last = traceback.extract_tb(error.__traceback__)[-1]
            words = f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
            verdict = Verdict("crashed", words)
    verdict = replace(verdict, words=verdict.words.replace(f"{folder}/", ""))  # another one each time
    return _row(name, form, verdict, time.monotonic() - start)


def _row(name: str, form: str, verdict: Verdict, seconds: float) -> Row:
    result = {"believed": "false pass"}.get(verdict.result, verdict.result)
    of_precision = result in ("too lossy", "overflow named")
    if (of_precision and not _PLACE.search(verdict.words)) or (
        result == "refused" and not says_where(verdict.words)
    ):
        result = "refused without a place"
    report, style = verdict.report, networks()[name].style
    found = Row(name, style, form, result, verdict.words, share=verdict.share, seconds=round(seconds, 1))
    if report is None:
        return found
    counts = {"operators": len(report.operators), "of_operators": report.operators_total}
    return Row(**(vars(found) | counts | {"needs": _needs(report, FORMS[form][1])}))


def says_where(words: str) -> bool:
    """Whether a refusal names a module and a line, and says in another line what to do; or, of an input as it is declared,
    names that and says how to declare it."""
    is_placed = _PLACE.search(words) is not None and len(words.splitlines()) > 1
    return is_placed or _DECLARED.search(words) is not None


def _needs(report: ParityReport, precision: str) -> dict[str, Need]:
    roundoff = ROUNDOFF["float16" if precision == "fp16" else "float32"]
    found: dict[str, Need] = {}
    for item in report.operators:
        if item.tolerance > 0:
            kind, before = _kind(item), found.get(_kind(item), Need(0, 0.0, 0.0, ""))
            share = item.own_error / item.tolerance
            found[kind] = Need(
                before.count + 1,
                max(before.roundings, item.own_error / roundoff),
                max(before.share, share),
                item.operator if share > before.share or not before.operator else before.operator,
            )
    return found


def _kind(item: OperatorResult) -> str:
    """Of a group by its nodes' names, as far as they tell: ``conv2d_3`` is a ``conv2d``."""
    names = [node.rstrip("0123456789").rstrip("_") for node in item.group[:-1]]
    kinds = [nature_of(target) for target in (*(f"aten.{name}.default" for name in names), item.operator)]
    computing = [kind for kind in kinds if kind != "moves"]
    return computing[0] if len(computing) == 1 else "several in one" if computing else "moves"


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Using padding='same'")
    print(json.dumps(asdict(try_network(*sys.argv[1:]))))
