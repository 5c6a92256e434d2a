"""How far a float16 ML Program is from overflow, operator by operator.

float16 ends at 65504. What is beyond becomes infinite, and a normalization that squares its input turns that
into zeros: finite, wrong, and silent. The program is run on its inputs, and again on its inputs times a gain:

* in exact arithmetic, where nothing overflows, for the magnitude at every operator and the gain from which
  it would be beyond float16;
* with wide and with narrow sums, for the first operator that really overflows, and at which gain.

The exact run also says which operators meet a published cliff of the Neural Engine, and from which gain on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cloformer.errors import UnsupportedError
from cloformer.io.progress import Progress
from cloformer.io.write import canonical_json, write_whole

from ..artifact.folder import Artifact
from ..artifact.origins import read_origins
from ..formats.coreml.cliffs import CliffMet
from ..formats.coreml.mil import Arithmetic, Operation
from ..formats.coreml.reference_runner import ReferenceMilRunner
from ..formats.runners import Array
from ..reference.cases import Case, Inputs, noise_case
from ..source.origin import Origin
from .cliffs import FoundCliff, found_cliffs
from .request import ParityRequest, photographs_of

__all__ = ["LIMIT", "Headroom", "OperatorHeadroom", "Overflow", "measure_headroom"]

LIMIT = 65504.0  # the largest float16
GAINS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
_SQUARES = ("square", "reduce_sum_square", "reduce_l2_norm", "l2_norm")
_CENTRED = ("layer_norm", "instance_norm")

Places = Mapping[str, Origin]


@dataclass(frozen=True)
class OperatorHeadroom:
    """``largest`` magnitude at gain 1, and the largest operand that the operator squares (None if it squares
    nothing); ``overflow_gain`` is the smallest gain tried that takes it, or the square, beyond float16."""

    value: str
    kind: str
    node: str
    module: str
    location: str
    largest: float
    squared_operand: float | None
    overflow_gain: float | None

    def to_json(self) -> dict[str, object]:
        """What is not finite is null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Overflow:
    """The first operator that overflows with this arithmetic, at the smallest gain at which any does."""

    arithmetic: str
    gain: float
    value: str
    kind: str
    node: str
    module: str
    location: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value} at {self.module or 'the model'} ({self.location})"

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Headroom:
    """Operators in the order they run, worst over the cases; ``first`` overflow by arithmetic, None if there is
    none up to the largest gain tried; the ``cliffs`` of the Neural Engine that are met at any gain tried, as if every float16
    operator ran there."""

    operators: tuple[OperatorHeadroom, ...]
    first: Mapping[str, Overflow | None]
    gains: tuple[float, ...]
    cases: tuple[str, ...]
    cliffs: tuple[FoundCliff, ...] = ()

    def below(self, gain: float) -> list[OperatorHeadroom]:
        """The operators that would overflow at ``gain`` or less."""
        return [
            item for item in self.operators if item.overflow_gain is not None and item.overflow_gain <= gain
        ]

    def float32_nodes(self, gain: float) -> dict[str, OperatorHeadroom | Overflow]:
        """The nodes to keep in float32 so that inputs may be ``gain`` times as large, each with what overflows there."""
        chosen: dict[str, OperatorHeadroom | Overflow] = {
            item.node: item for item in self.below(gain) if item.node
        }
        for first in self.first.values():
            if first is not None and first.gain <= gain and first.node:
                chosen.setdefault(first.node, first)
        return chosen

    def to_json(self) -> dict[str, object]:
        return {
            "limit": LIMIT,
            "gains": list(self.gains),
            "cases": list(self.cases),
            "first_overflow": {name: item and item.to_json() for name, item in self.first.items()},
            "operators": [item.to_json() for item in self.operators],
            "cliffs": [item.to_json() for item in self.cliffs],
        }


def measure_headroom(
    artifact: Artifact,
    cases: Sequence[Case],
    gains: Sequence[float] = GAINS,
    progress: Progress = lambda _: None,
) -> Headroom:
    """Run the program on every case at every gain, in all three arithmetics.

    ``gains`` are what the inputs are multiplied with, the smallest first. The result has a row for each float16 value,
    and the first operator that overflows. Raises :class:`UnsupportedError` for what is no float16 ML Program,
    :class:`InputError` for a program that cannot be run.
    """
    if not is_half_program(artifact):
        raise UnsupportedError(
            f"{artifact.folder} is not a float16 ML Program, so nothing in it ends at {LIMIT:g}",
            "--headroom is for Core ML artifacts with --precision fp16",
        )
    places = read_origins(artifact).places
    rows: dict[str, OperatorHeadroom] = {}
    first: dict[str, Overflow | None] = {}
    cliffs: dict[tuple[str, str], FoundCliff] = {}
    with ReferenceMilRunner(artifact.model, arithmetic=Arithmetic.EXACT) as exact:
        for case in cases:
            for gain in gains:
                progress(f"headroom: {case.name}, {gain:g} times the input")
                magnitudes, met = _magnitudes(exact, _scaled(artifact, exact, case, gain), places)
                for row in magnitudes:
                    rows[row.value] = _merged(rows.get(row.value), row, gain, gains[0])
                for item in found_cliffs(met, places, gain):
                    key = item.cliff.name, item.met.value
                    cliffs[key] = item.worse(cliffs.get(key))
    for arithmetic in (Arithmetic.WIDE, Arithmetic.NARROW):
        with ReferenceMilRunner(artifact.model, arithmetic=arithmetic) as runner:

            def overflow_at(gain: float, runner: ReferenceMilRunner = runner) -> Overflow | None:
                progress(f"headroom: {runner.arithmetic.value} sums, {gain:g} times the input")
                found = (
                    _overflow(runner, _scaled(artifact, runner, case, gain), gain, places) for case in cases
                )
                return next((item for item in found if item is not None), None)

            first[arithmetic.value] = _first(overflow_at, gains)
    names = tuple(case.name for case in cases)
    return Headroom(tuple(rows.values()), first, tuple(gains), names, tuple(cliffs.values()))


def measure_all(
    artifacts: Sequence[Artifact], request: ParityRequest, progress: Progress = lambda _: None
) -> list[Headroom]:
    """Of every float16 ML Program among ``artifacts``, on the request's photographs and noise.

    Raises :class:`UnsupportedError` if there is none.
    """
    able = [artifact for artifact in artifacts if is_half_program(artifact)] or list(artifacts)
    rooms = []
    for artifact in able:
        inputs = Inputs.of(artifact.function)
        photographs, _ = photographs_of(inputs, request)  # those that cannot be read are in the report
        cases = [*photographs[:1], noise_case(inputs, request.seed)]
        rooms.append(measure_headroom(artifact, cases, progress=progress))
    return rooms


def is_half_program(artifact: Artifact) -> bool:
    """Whether there is a float16 in it that could overflow, and a runtime that shows it."""
    return artifact.format == "coreml" and artifact.manifest.precision.activations == "float16"


def write_precision_map(rooms: Sequence[Headroom], gain: float, path: Path) -> None:
    """Write what `cloformer export --precision-map` takes: one map, of what any of the programs would have to keep in
    float32 for inputs ``gain`` times as large."""
    chosen: dict[str, OperatorHeadroom | Overflow] = {}
    for room in rooms:
        chosen |= room.float32_nodes(gain)
    document = {
        "schema_version": 1,
        "float32": [
            {"node": node, "module": item.module, "location": item.location} for node, item in chosen.items()
        ],
        "because": f"beyond float16 at {gain:g} times the input",
    }
    write_whole(path, canonical_json(document), "choose another --precision-map")


def _merged(
    known: OperatorHeadroom | None, row: OperatorHeadroom, gain: float, least: float
) -> OperatorHeadroom:
    """The worst of what is known and what was found at ``gain``; magnitudes are those at the least gain."""
    squared = row.squared_operand
    beyond = row.largest > LIMIT or (squared is not None and squared**2 > LIMIT)
    found = gain if beyond else None
    if known is None:
        return replace(row, overflow_gain=found)
    gains = [item for item in (known.overflow_gain, found) if item is not None]
    known = replace(known, overflow_gain=min(gains, default=None))
    if gain != least:
        return known
    operand = known.squared_operand if squared is None else max(known.squared_operand or 0.0, squared)
    return replace(known, largest=max(known.largest, row.largest), squared_operand=operand)


def _magnitudes(
    runner: ReferenceMilRunner, inputs: Mapping[str, Array], places: Places
) -> tuple[list[OperatorHeadroom], list[CliffMet]]:
    """How large values are in exact arithmetic, and the cliffs that they meet."""
    rows: list[OperatorHeadroom] = []
    met: list[CliffMet] = []

    def observe(operation: Operation, made: Mapping[str, object], values: Mapping[str, object]) -> None:
        for output in operation.outputs:
            value = made[output.name]
            if isinstance(value, Tensor) and output.type.dtype == "float16":
                node, module, location = _where(output.name, places)
                rows.append(
                    OperatorHeadroom(
                        value=output.name,
                        kind=operation.kind,
                        node=node,
                        module=module,
                        location=location,
                        largest=_largest(value),
                        squared_operand=_squared(operation, values),
                        overflow_gain=None,
                    )
                )

    runner.interpreter.run(inputs, observe=observe, on_cliff=met.append)
    return rows, met


def _squared(operation: Operation, values: Mapping[str, object]) -> float | None:
    """The largest operand that the operation multiplies with itself."""
    names = operation.inputs.get("x", ())
    if not names or not isinstance(names[0], str):
        return None
    x = values.get(names[0])
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return None
    if operation.kind in _SQUARES or (operation.kind == "mul" and operation.inputs.get("y") == names):
        return _largest(x)
    if operation.kind == "pow":
        value = _value(operation, "y", values)
        return _largest(x) if isinstance(value, Tensor) and bool((value == 2).all()) else None
    if operation.kind in _CENTRED:  # one kernel: what it squares inside is the distance from the mean
        given = _value(operation, "axes", values)
        over = given.tolist() if isinstance(given, Tensor) else list(range(2, x.ndim))
        return _largest(x - x.mean(over, keepdim=True))
    return None


def _first(overflow_at: Callable[[float], Overflow | None], gains: Sequence[float]) -> Overflow | None:
    """By halving: what overflows at a gain overflows at every larger one."""
    low, high = 0, len(gains)
    best: Overflow | None = None
    while low < high:
        middle = (low + high) // 2
        found = overflow_at(gains[middle])
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle
    return best


def _overflow(
    runner: ReferenceMilRunner, inputs: Mapping[str, Array], gain: float, places: Places
) -> Overflow | None:
    """The first operator that gives what is not finite from operands that are."""
    found: list[Overflow] = []

    def observe(operation: Operation, made: Mapping[str, object], values: Mapping[str, object]) -> None:
        if found or _is_finite(made.values()):
            return
        if _is_finite(values[name] for name in operation.reads() if name in values):
            value = operation.outputs[0].name
            node, module, location = _where(value, places)
            found.append(
                Overflow(
                    arithmetic=runner.arithmetic.value,
                    gain=gain,
                    value=value,
                    kind=operation.kind,
                    node=node,
                    module=module,
                    location=location,
                )
            )

    runner.interpreter.run(inputs, observe=observe)
    return found[0] if found else None


def _scaled(artifact: Artifact, runner: ReferenceMilRunner, case: Case, gain: float) -> dict[str, Array]:
    """The inputs times ``gain``, before they are rounded to the types that the program takes."""
    fed = runner.fed(case.for_candidate(Inputs.of(artifact.function)))
    return {name: value * gain if value.dtype.kind == "f" else value for name, value in fed.items()}


def _value(operation: Operation, parameter: str, values: Mapping[str, object]) -> object:
    """What a parameter is given; None if nothing."""
    argument = operation.inputs.get(parameter, ())
    if not argument:
        return None
    return values.get(argument[0]) if isinstance(argument[0], str) else argument[0].value


def _where(value: str, places: Places) -> tuple[str, str, str]:
    place = places.get(value, Origin("", "", ""))
    return place.name, place.module, place.location


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _is_finite(values: Iterable[object]) -> bool:
    return all(
        bool(torch.isfinite(value).all())
        for value in values
        if isinstance(value, Tensor) and value.is_floating_point()
    )
