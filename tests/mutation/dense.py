"""Faults that detectors and networks of maps are exported with, planted wherever each can be, and whether parity catches and names it.

::

    PYTHONPATH=tests:tests/support python -m mutation.dense [--write]
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.markdown import replace_between
from dense_specs import spec_file
from numpy.random import Generator

from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.decoding import Decoding
from cloformer.export.source.roles import given_roles
from cloformer.export.source.spec import ModelSpec, read_spec
from cloformer.export.source.suppression_rule import Suppression

from .faults import Fault, fault
from .graph import Graph, Operator
from .stored import DOCUMENT
from .subject import Subject, Trial
from .tables import by, missed

__all__ = ["DENSE", "SUBJECTS", "DenseSubject", "letterbox_faults", "sites", "subject_of"]

AT_LEAST = 40
BEGIN, END = "<!-- dense: written by make dense-faults -->", "<!-- dense ends -->"
_ROUNDED = 1e-3  # of a pixel: places that differ by less are one
_FEW = 12  # places at least that anchors have
_MOST_PLACES = 3  # of one fault in one subject

DENSE: dict[str, Fault] = {}


@dataclass(frozen=True)
class DenseSubject:
    """``model`` and its size where no specification says it; ``classes`` are the channels of what gives its scores."""

    model: str
    classes: tuple[int, ...]
    decoding: Decoding
    size: tuple[int, int] | None = None
    spec: str | None = None


SUBJECTS = {
    "yolo": DenseSubject("dense_models:yolo", (3,), Decoding(Suppression(12, 0.3, 0.5)), spec="yolo"),
    "deeplab": DenseSubject("dense_models:deeplab", (5,), Decoding(class_map=(32, 32)), (32, 32), "deeplab"),
    "fpn": DenseSubject("dense_models:fpn", (7,), Decoding(), (64, 64)),
    "retinanet": DenseSubject("dense_models:retinanet", (27,), Decoding(), (64, 64)),
}
FORMS = {
    "onnx fp32": ExportRequest(formats=("onnx",)),
    "coreml fp32": ExportRequest(formats=("coreml",), precision="fp32"),
}
_CLASSES = {count for subject in SUBJECTS.values() for count in subject.classes}


def _adds_places(graph: Graph, operator: Operator) -> bool:
    """A constant of many places: x and y, or corners, of each."""
    constant = _grid(operator)
    return operator.kind == "add" and constant is not None


def _grid(operator: Operator) -> str | None:
    """The parameter that holds places."""
    return next(
        (
            name
            for name, value in operator.constants.items()
            if value.ndim >= 2
            and value.shape[-1] in (1, 2, 4)
            and value.size >= _FEW
            and value.dtype.kind == "f"
        ),
        None,
    )


@fault("anchors by half a stride", _adds_places, DENSE)
def _half_a_stride(graph: Graph, operator: Operator, random: Generator) -> str:
    name = _grid(operator)
    assert name is not None
    value = operator.constants[name].astype(np.float64)
    steps = np.diff(np.unique(value.reshape(-1, value.shape[-1])[:, 0]))
    half = float(steps[steps > _ROUNDED].min()) / 2
    graph.set(operator, name, (value + half).astype(operator.constants[name].dtype))
    return f"places are {half:g} further"


def _joins_corners(graph: Graph, operator: Operator) -> bool:
    shape = graph.shapes.get(operator.outputs[0], ())
    return (
        operator.kind == "concat"
        and len(operator.reads) == 2
        and len(shape) == 3
        and shape[-1] == 4
        and bool(graph.earlier(operator, "values 1"))
    )


@fault("width and height for the far corner", _joins_corners, DENSE)
def _sizes(graph: Graph, operator: Operator, random: Generator) -> str:
    others = graph.earlier(operator, "values 1")
    other = others[int(random.integers(len(others)))]
    graph.read(operator, "values 1", other)
    return f"{other} instead of {operator.reads['values 1']}"


def _scores_classes(graph: Graph, operator: Operator) -> bool:
    weight = operator.constants.get("weight")
    return (
        operator.kind == "conv"
        and weight is not None
        and weight.shape[0] in _CLASSES
        and "bias" in operator.constants
    )


@fault("scores of two classes exchanged", _scores_classes, DENSE)
def _exchanged(graph: Graph, operator: Operator, random: Generator) -> str:
    count = len(operator.constants["bias"])
    order = np.arange(count)
    first, second = random.choice(count, 2, replace=False)
    order[[first, second]] = order[[second, first]]
    _reorder(graph, operator, order)
    return f"channels {first} and {second}"


@fault("classes off by one", _scores_classes, DENSE)
def _by_one(graph: Graph, operator: Operator, random: Generator) -> str:
    _reorder(graph, operator, np.roll(np.arange(len(operator.constants["bias"])), 1))
    return "every class has the one before"


def _reorder(graph: Graph, operator: Operator, order: np.ndarray) -> None:
    for name in ("weight", "bias"):
        graph.set(operator, name, np.ascontiguousarray(operator.constants[name][order]))


def _resizes(graph: Graph, operator: Operator) -> bool:
    own = operator.constants
    linear = str(own.get("mode", b"linear")) != "b'nearest'"
    return (
        operator.kind == "resize" and "coordinate_transformation_mode" in own and linear
    ) or "align_corners" in own


@fault("align_corners exchanged", _resizes, DENSE)
def _corners(graph: Graph, operator: Operator, random: Generator) -> str:
    if "align_corners" in operator.constants:
        graph.set(operator, "align_corners", np.array(not operator.constants["align_corners"]))
    else:
        own = bytes(operator.constants["coordinate_transformation_mode"].item()).decode()
        graph.set(
            operator,
            "coordinate_transformation_mode",
            "half_pixel" if own == "align_corners" else "align_corners",
        )
    return "align_corners is the other"


def _threshold(operator: Operator) -> str | None:
    return next(
        (
            name
            for name, value in operator.constants.items()
            if value.size == 1 and value.dtype.kind == "f" and 0 < value.item() < 1
        ),
        None,
    )


def _compares(graph: Graph, operator: Operator) -> bool:
    return operator.kind == "greater" and _threshold(operator) is not None


@fault("a threshold twice", _compares, DENSE)
def _twice(graph: Graph, operator: Operator, random: Generator) -> str:
    name = _threshold(operator)
    assert name is not None
    value = operator.constants[name]
    graph.set(operator, name, value * value.dtype.type(2))
    return f"above {2 * value.item():g} instead of {value.item():g}"


def subject_of(name: str, form: str, folder: Path) -> tuple[Subject, ModelSpec]:
    """An export of its own, and what says what its outputs are."""
    asked = SUBJECTS[name]
    place = folder / name / form.replace(" ", "-")
    place.mkdir(parents=True)
    spec = (
        ModelSpec(roles=given_roles(name)) if asked.spec is None else read_spec(spec_file(place, asked.spec))
    )
    request = replace(
        FORMS[form], model=asked.model, image_size=asked.size, output=place, decoding=asked.decoding
    )
    (made,) = export(replace(request, spec=spec))
    return Subject(f"{name} {form}", made.artifact.folder, work=place, faults=DENSE, model=asked.model), spec


def sites(subject: Subject) -> Iterator[tuple[Fault, Operator]]:
    """Every fault wherever it can be, the last places first: those are the ones nearest the outputs."""
    for item in DENSE.values():
        for operator in subject.places(item)[: -_MOST_PLACES - 1 : -1]:
            yield item, operator


def letterbox_faults(folder: Path, request: ParityRequest) -> dict[str, str | None]:
    """What an artifact of a letterboxed image says of it, made wrong: what parity says of each, None where that is nothing."""
    changes: Mapping[str, Mapping[str, object]] = {
        "the border's value": {"fill": 0},
        "resized otherwise": {"interpolation": "nearest"},
        "the middle cut out, and no border": {"crop": "center", "fill": None},
    }
    found: dict[str, str | None] = {}
    for name, change in changes.items():
        copy = folder.with_name("lying")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        document = json.loads((copy / MANIFEST).read_text("utf-8"))
        rule = document["functions"][0]["inputs"][0]["preprocessing"]
        rule.update(change)
        if rule["fill"] is None:
            del rule["fill"]
        (copy / MANIFEST).write_text(json.dumps(document), "utf-8")
        try:
            report = compare(read_artifact(copy, verify=False), request)
            wrong = [
                str(item)
                for item in (*report.false_statements, *report.failures)
                if "preprocessing" in str(item) or "as fed" in str(item)
            ]
            found[name] = wrong[0] if wrong else None
        except CloformerError as error:
            found[name] = error.lines[0]
    return found


def _lines(trials: Sequence[Trial], letterboxes: Mapping[str, str | None]) -> list[str]:
    told = [f"- letterbox, {name}: {said or 'NOT CAUGHT'}" for name, said in letterboxes.items()]
    caught = sum(trial.caught for trial in trials) + sum(said is not None for said in letterboxes.values())
    named = sum(trial.named for trial in trials) + sum(said is not None for said in letterboxes.values())
    total = len(trials) + len(letterboxes)
    return [
        f"{total} faults planted; {caught} caught, {named} named.",
        "",
        *by("network", trials, lambda trial: trial.subject, trials),
        "",
        *by("fault", trials, lambda trial: trial.fault, trials),
        "",
        *told,
        *(missed(trials) if any(not (trial.caught and trial.named) for trial in trials) else []),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Faults of detectors and networks of maps, and whether parity names them."
    )
    parser.add_argument("--write", action="store_true", help=f"put the result into {DOCUMENT.name}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trials: list[Trial] = []
    letterboxes: dict[str, str | None] = {}
    alarms: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in SUBJECTS:
            for form in FORMS:
                subject, spec = subject_of(name, form, Path(temporary))
                alarms += subject.false_alarms(range(1, 3))
                if spec.declared:
                    request = ParityRequest(model=SUBJECTS[name].model, spec=spec, operators=False)
                    found = letterbox_faults(subject.artifact.folder, request)
                    letterboxes.update({f"{form}, {what}": said for what, said in found.items()})
                for seed, (item, operator) in enumerate(sites(subject)):
                    trial = subject.try_fault(item, operator, seed)
                    trials.append(trial)
                    print(f"{trial.subject}: {trial.fault} at {trial.value} ({trial.what}): {'caught' if trial.caught else 'MISSED'}, "
                          f"{'named' if trial.named else f'NOT NAMED ({trial.first})'}", file=sys.stderr)  # fmt: skip
    counted = [trial for trial in trials if trial.counts]
    lines = _lines(counted, letterboxes)
    print("\n".join(lines))
    if arguments.write:
        replace_between(DOCUMENT, BEGIN, END, lines)
    total = len(counted) + len(letterboxes)
    is_right = (
        all(trial.caught and trial.named for trial in counted) and all(letterboxes.values()) and not alarms
    )
    print(f"{total} of at least {AT_LEAST}; false alarms: {alarms}")
    return 0 if is_right and total >= AT_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
