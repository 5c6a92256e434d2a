"""One network in one format: exported, judged by parity, and held to the truth."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from mutation.faults import FAULTS, Fault
from mutation.graph import Graph, Operator
from mutation.subject import Subject
from mutation.subject import Trial as Planted
from torch import nn

from cloformer.errors import GateError, UnsupportedError
from cloformer.export.artifact.folder import Artifact
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from .networks import image_size, make, reference_of
from .oracle import one_image
from .verdict import judged

__all__ = ["RESULTS", "RIGHT", "Trial", "try_network"]

# What may come out, and whether the verdict was a true one.
RESULTS = {
    "passed": True,
    "caught and named": True,
    "overflow named": True,
    "too lossy": True,  # float16 costs it so much by the oracle's measure too
    "undecided": True,  # parity names an operator, and rounding costs the outputs so much that the oracle cannot tell
    "refused": True,
    "no fault to plant": True,
    "wrong, and named": True,  # the exporter's fault, which parity saw
    "false failure": False,
    "believed": False,  # wrong, and passed
    "missed": False,
    "misnamed": False,
    "crashed": False,
}
RIGHT = [name for name, is_right in RESULTS.items() if is_right]

_TRIES = 25  # faults, until one counts
_NOT_THERE = (KeyError, IndexError, ValueError)


@dataclass(frozen=True)
class Trial:
    """``result`` is one of ``RESULTS``; ``words`` say what was found, or what was planted; ``share`` is the largest error of the
    sound file's outputs over the oracle's bound."""

    number: int
    format: str
    precision: str
    network: str
    result: str
    words: str
    share: float
    seconds: float

    @property
    def is_right(self) -> bool:
        return RESULTS[self.result]


def is_sound(number: int, kind: str) -> bool:
    """Whether nothing is planted: faults in ExecuTorch's programs are those of ``mutation.programs``."""
    return number % 2 == 0 or kind == "executorch"


def try_network(number: int, kind: str, folder: Path) -> Trial:
    """Draw the network, export it as ``kind`` and compare; what nobody foresaw is a crash, with its last line."""
    start = time.monotonic()
    precision = "fp16" if kind == "coreml" and number % 4 < 2 else "fp32"
    network = make(number)
    work = folder / f"{kind}-{number}"
    try:
        result, words, share = (_sound if is_sound(number, kind) else _damaged)(
            number, kind, precision, network, work
        )
    except Exception as error:  # that there is none is what is tried
        last = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
        result, share = "crashed", 0.0
    shutil.rmtree(work, ignore_errors=True)
    return Trial(
        number,
        kind,
        precision,
        ", ".join(network.words),
        result,
        words,
        share,
        round(time.monotonic() - start, 1),
    )


def _request(number: int, kind: str, precision: str, folder: Path) -> ExportRequest:
    return ExportRequest(
        model=reference_of(number),
        formats=(kind,),
        precision=precision,
        image_size=image_size(number),
        output=folder,
        keep_failed=True,
    )


def _sound(
    number: int, kind: str, precision: str, network: nn.Module, folder: Path
) -> tuple[str, str, float]:
    """Exported and compared; the oracle says whether that verdict is true."""
    found = judged(_request(number, kind, precision, folder), network, one_image(image_size(number)), number)
    return found.result, found.words, found.share


def _damaged(
    number: int, kind: str, precision: str, network: nn.Module, folder: Path
) -> tuple[str, str, float]:
    """Exported, and one fault that counts planted."""
    try:
        artifact: Artifact = export(_request(number, kind, precision, folder))[0].artifact
    except UnsupportedError as error:
        return "refused", " ".join(error.lines), 0.0
    except GateError as error:
        return (*_sound(number, kind, precision, network, folder)[:1], " ".join(error.lines), 0.0)
    subject = Subject(f"{kind} {precision}", artifact.folder, work=folder, model=reference_of(number))
    places = {fault: _places(subject.graph, fault) for fault in FAULTS.values()}
    draw = random.Random(number)
    for attempt in range(_TRIES):
        fault = draw.choice([fault for fault, found in places.items() if found])
        operator, seed = draw.choice(places[fault]), 1000 * number + attempt
        try:
            subject.plant(fault, operator, seed)
        except _NOT_THERE:
            continue
        trial = subject.try_fault(fault, operator, seed)
        if trial.counts and not (trial.excess == 0 and subject.gives_the_same(fault, operator, seed)):
            return _of_fault(trial)
    return "no fault to plant", "", 0.0


def _places(graph: Graph, fault: Fault) -> list[Operator]:
    """Where the fault can be planted. Faults were written for some networks' operators: of others they may ask for what is
    not there, such as the left and right padding of a sequence."""
    found = []
    for operator in graph.operators:
        with contextlib.suppress(*_NOT_THERE):
            if fault.fits(graph, operator):
                found.append(operator)
    return found


def _of_fault(trial: Planted) -> tuple[str, str, float]:
    words = f"{trial.fault} at {trial.kind} `{trial.value}`: {trial.what}; changed by {trial.change:.3g} roundings"
    if not trial.caught:
        return "missed", f"{words}, {trial.allowed:.3g} allowed", 0.0
    if not trial.named:
        return "misnamed", f"{words}; called {trial.first}", 0.0
    return "caught and named", words, 0.0
