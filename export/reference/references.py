"""The models of one call as yardsticks: what each gives in float64, and what rounding may cost there, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from ..source.arrays import Array
from ..source.models import Models
from ..source.postprocessing import softmax
from ..source.preprocessing import Preprocessing
from ..source.signature import TensorSpec
from .loss import RoundingLoss, errors
from .matching import matched
from .natures import decides
from .places import undecided
from .programs import Programs
from .rounding import Format, Runs, opposite_runs, rounded_runs
from .threads import one_thread
from .twin import Twin
from .written import Asked, written_trace

if TYPE_CHECKING:
    from ..source.resolve import Source
    from ..source.trace import Trace

__all__ = ["Expected", "Reference", "References", "Searched", "in_roles"]

_TIES = 8.0
_KEPT = 16  # inputs whose results are kept: several artifacts of one model are compared on the same ones
_MANY = 8  # elements of an output that are off by half as much as the one that is off most, or more runs are drawn
_DRAWN = (3, 8)
# Of opposite runs. An integer output is right or wrong by them alone: one of thousands that lies next to an edge is seen by
# no run of four pairs in one of 2,000 cases, and of eight in one of 4,000,000.
_PAIRS, _PAIRS_OF_DECISIONS = 4, 8


Key = TypeVar("Key")
Found = TypeVar("Found")


def in_roles(outputs: Sequence[Array], roles: Sequence[str]) -> list[Array]:
    """A model's own outputs as an artifact gives them: probabilities where it makes them of logits."""
    return [
        softmax(value) if role == "probabilities" else value
        for value, role in zip(outputs, roles, strict=True)
    ]


@dataclass(frozen=True)
class Searched:
    """What an output's places were searched in, along which axis, and what rounding may cost it."""

    operand: Array
    dim: int | None
    loss: RoundingLoss

    def undecided(self, places: Array) -> Array:
        """Whether what stands at each place is as high as another, but for several times what rounding may cost."""
        margin = _TIES * self.loss.whole
        found: Array = undecided(
            torch.from_numpy(self.operand), torch.from_numpy(places), self.dim, margin
        ).numpy()
        return found


@dataclass(frozen=True)
class Expected:
    """One output as an artifact should give it, and what rounding every operator's result to ``form`` may cost it.

    ``own`` is what PyTorch itself gives, as it runs the model; None if that is not known. ``own_end`` is the same, of an output
    in which the model's own types end before a value, so that it is infinite, or no number, where ``want`` is one.
    """

    spec: TensorSpec
    want: Array
    form: Format
    loss: RoundingLoss
    own: Array | None = None
    searched: Searched | None = None
    own_end: Array | None = None

    def without_own_end(self, got: Array) -> Array:
        """What was got with ``want`` where both are as the model itself is at its end."""
        if self.own_end is None:
            return got
        is_same = (got == self.own_end) | (np.isnan(got) & np.isnan(self.own_end))
        return np.where(is_same & ~np.isfinite(self.own_end), self.want, got)

    def to_store(self) -> Array:
        """What the model gives, with its own end."""
        if self.own_end is None:
            return self.want
        return np.where(np.isfinite(self.own_end), self.want, self.own_end)


class Reference:
    """A traced model in float64. ``inputs`` are always the model's own, every image normalized; those that ``pixels`` has a
    preprocessing of the trace takes as pixels."""

    def __init__(self, traced: Trace, pixels: Mapping[str, Preprocessing] | None = None) -> None:
        self.twin = Twin(traced)
        self._pixels = pixels or {}
        self._decides = any(decides(node) for node in self.twin.replay.computed)
        self._outputs: dict[str, list[Array]] = {}
        self._runs: dict[tuple[str, Format], Runs] = {}
        self._pairs: dict[tuple[str, Format], list[tuple[list[Array], list[Array]]]] = {}

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs in float64; what is no number in its own type."""
        return self._watched(inputs)[: self._count]

    @one_thread()
    def expected(
        self, inputs: Mapping[str, Array], form: Format, specs: Sequence[TensorSpec]
    ) -> list[Expected]:
        """The first outputs, as ``specs`` say that an artifact gives them."""
        roles = [spec.role for spec in specs]
        outputs = self.run(inputs)[: len(specs)]
        runs = _kept(
            self._runs,
            (_digest(inputs), form),
            lambda: rounded_runs(
                self.twin.replay,
                self.fed(inputs),
                form,
                drawn=_DRAWN[-1:] if self._decides else _DRAWN,  # what jumps is seen by few runs
                is_enough=lambda runs: all(_are_many(*each) for each in zip(outputs, *runs)),
            ),
        )
        pairs = self._opposite(inputs, form)
        wanted = in_roles(outputs, roles)

        def run_of(run: Sequence[Array]) -> list[Array]:
            return matched(in_roles(run[: len(specs)], roles), wanted, roles)

        given = [run_of(run) for run in runs.rounded]
        ended = None if runs.ended is None else in_roles(runs.ended[: len(specs)], roles)
        ends = [None] * len(specs) if ended is None else self._own_ends(inputs, outputs, ended, roles)
        opposite = [tuple(map(run_of, pair)) for pair in pairs]
        return [
            Expected(
                spec,
                want,
                form,
                RoundingLoss.of(
                    want,
                    [run[place] for run in given],
                    [(one[place], other[place]) for one, other in opposite],
                    None if ended is None else ended[place],
                ),
                searched=self._searched(place, inputs, runs.rounded),
                own_end=ends[place],
            )
            for place, (spec, want) in enumerate(zip(specs, wanted, strict=True))
        ]

    def _own_ends(
        self,
        inputs: Mapping[str, Array],
        outputs: Sequence[Array],
        ended: Sequence[Array],
        roles: Sequence[str],
    ) -> list[Array | None]:
        """The outputs of the model as PyTorch runs it that are not finite where float64 is; None for others. Only where a format
        ends may its own end, so it is not run where ``ended`` is finite."""
        if not any(map(_ends_alone, ended, in_roles(outputs, roles))):
            return [None] * len(outputs)
        own = in_roles(self.twin.own(self.fed(inputs))[: len(outputs)], roles)
        return [
            value if _ends_alone(value, want) else None
            for value, want in zip(own, in_roles(outputs, roles), strict=True)
        ]

    def _opposite(
        self, inputs: Mapping[str, Array], form: Format
    ) -> Sequence[tuple[list[Array], list[Array]]]:
        """Pairs of opposite runs, if anything before the outputs decides."""
        replay = self.twin.replay
        if not self._decides:
            return ()
        key = (_digest(inputs), form)
        decided = any(output.dtype.kind != "f" for output in self.run(inputs))
        pairs = _PAIRS_OF_DECISIONS if decided else _PAIRS
        return _kept(
            self._pairs, key, lambda: list(opposite_runs(replay, self.fed(inputs), form, pairs=pairs))
        )

    def _searched(
        self, place: int, inputs: Mapping[str, Array], runs: Sequence[Sequence[Array]]
    ) -> Searched | None:
        replay = self.twin.replay
        search = replay.searches.get(replay.outputs[place])
        if search is None:
            return None
        watched = self._count + list(replay.searches).index(replay.outputs[place])
        operand = self._watched(inputs)[watched]
        return Searched(operand, search.dim, RoundingLoss.of(operand, [run[watched] for run in runs]))

    def fed(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """What the trace takes."""
        rules = self._pixels
        return {name: rules[name].pixels(value) if name in rules else value for name, value in inputs.items()}

    @property
    def _count(self) -> int:
        return len(self.twin.replay.outputs)

    @one_thread()
    def _watched(self, inputs: Mapping[str, Array]) -> list[Array]:
        return _kept(self._outputs, _digest(inputs), lambda: self.twin.run(self.fed(inputs)))


@dataclass(frozen=True)
class References:
    """The models of one call, each as a :class:`Reference`, and the programs that its artifacts were written of."""

    models: Models = field(default_factory=Models)
    programs: Programs = field(default_factory=Programs)
    _made: dict[int, Reference] = field(default_factory=dict)
    _written: dict[tuple[object, ...], Reference] = field(default_factory=dict)

    def of(self, source: Source) -> Reference:
        """``source``'s model; raises as :func:`..source.trace.trace` does."""
        traced = self.models.trace(source)
        if id(traced) not in self._made:
            self._made[id(traced)] = Reference(
                traced
            )  # the models keep the trace, so its identity stays its own
        return self._made[id(traced)]

    def written(self, source: Source, asked: Asked) -> Reference:
        """``source``'s model as a file is meant to hold it: itself, unless weights are compressed."""
        if not asked.precision.are_weights_compressed:
            return self.of(source)
        return self._rewritten(source, asked, is_compressed=True)

    def rewritten(self, source: Source, asked: Asked) -> Reference:
        """The same before weights are compressed, by the passes that the precision has: nodes have the same names."""
        return self._rewritten(source, asked, is_compressed=False)

    def _rewritten(self, source: Source, asked: Asked, *, is_compressed: bool) -> Reference:
        traced = self.models.trace(source)
        precision = asked.precision if asked.precision.are_weights_compressed else None
        steps = precision and precision.quantization and str(precision.quantization.to_json())
        key = (
            id(traced),
            asked.format,
            precision and precision.name,
            steps,
            asked.reparameterize,
            asked.normalizes_inside,
            is_compressed,
        )
        if key not in self._written:
            made = written_trace(traced, source, asked, precision, is_compressed=is_compressed)
            self._written[key] = Reference(*made)
        return self._written[key]


def _ends_alone(found: Array, want: Array) -> bool:
    is_number = want.dtype.kind == "f"
    return is_number and not bool((np.isfinite(found) | ~np.isfinite(want)).all())


def _are_many(want: Array, *runs: Array) -> bool:
    """Whether the largest error of the runs is one of many: then other runs would have about the same."""
    if want.dtype.kind != "f":
        return True
    worst = np.max([errors(run, want) for run in runs], axis=0)
    return int((2 * worst >= worst.max(initial=0)).sum()) >= _MANY


def _kept(known: dict[Key, Found], key: Key, make: Callable[[], Found]) -> Found:
    if key in known:
        return known[key]
    found = make()
    if len(known) < _KEPT:
        known[key] = found
    return found


def _digest(inputs: Mapping[str, Array]) -> str:
    found = hashlib.sha256()
    for name, value in inputs.items():
        found.update(f"{name} {value.dtype} {value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()
