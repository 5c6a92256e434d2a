"""Which values inside a model a device is asked for, and in how many models of the same operators and weights.

A *probe* is the model with values inside it as further outputs. At module borders these are the values that one module makes and
another reads; with ``all`` they are those of every operator that parity compares. Where a format's models may give so many outputs
alone, or where they would take too much memory at once, the values are given by several models, the first ones by the first: each also
gives what its own values are computed from, because the same value in another model may be rounded otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloformer.errors import UnsupportedError
from cloformer.io.write import canonical_json

from ..formats import FORMATS
from ..formats.probe import ALL, InnerValue, ProbeWriter
from .folder import Artifact
from .origins import Origins, read_origins

__all__ = ["PROBED", "ProbePart", "ProbePlan", "plan_probe", "probe_writer"]

# The vectors of the kit that run through a probe: a photograph and noise, as operators are compared on two inputs here, too. What one
# of them leaves at rest (a rectifier that is never reached) the other moves, and every further one is all values once more.
PROBED = ("photograph", "channel-order")


@dataclass(frozen=True)
class ProbePart:
    """One model of a probe: the ``own`` values that are told by it, and those ``given`` besides, which they are computed from and
    which another model tells."""

    own: tuple[InnerValue, ...]
    given: tuple[InnerValue, ...]

    @property
    def values(self) -> tuple[InnerValue, ...]:
        return (*self.own, *self.given)


@dataclass(frozen=True)
class ProbePlan:
    """``left_out`` are values that are compared on this machine and that no output of the format can hold."""

    mode: str
    parts: tuple[ProbePart, ...]
    left_out: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of what the models give, in order: what a device gave is read by the same plan or by none."""
        parts = [[[item.name for item in names] for names in (part.own, part.given)] for part in self.parts]
        return hashlib.sha256(canonical_json([self.mode, parts]).encode()).hexdigest()


def probe_writer(artifact: Artifact) -> ProbeWriter:
    """What writes probes of the artifact's format; :class:`UnsupportedError` for a format that has none."""
    row = FORMATS[artifact.format]
    writer = row.probe()
    if writer is None:
        able = " or ".join(other.title for other in FORMATS.values() if other.has_probe)
        raise UnsupportedError(
            f"{artifact.folder} is {row.title}: its runtime in the app gives no values inside a model, and the file cannot be given "
            "them as outputs without converting the model once more, which fuses and names otherwise",
            f"export it as {able} for --probe, or leave --probe out",
        )
    return writer


def plan_probe(artifact: Artifact, mode: str) -> ProbePlan:
    """What is asked for in ``mode``, one of ``MODES``: always the same for the same artifact.

    Raises :class:`UnsupportedError` for a format without probes, :class:`InputError` for an artifact that does not say where its
    values come from.
    """
    writer, origins = probe_writer(artifact), read_origins(artifact)
    values, reads = writer.inner_values(artifact.model_path)
    compared = set(origins.equals.values())
    asked = compared if mode == ALL else compared & _borders(reads, origins)
    chosen = {item.name: item for item in values if item.name in asked}
    parts = tuple(_parts(chosen, reads, writer.MOST_OUTPUTS or len(chosen), writer.MOST_BYTES))
    return ProbePlan(mode, parts, tuple(sorted(asked & reads.keys() - chosen.keys())))


def _borders(reads: Mapping[str, Sequence[str]], origins: Origins) -> set[str]:
    """The values that another module reads than the one that makes them, and those that nothing reads. A value that the exporter made
    by itself is of the module that reads it."""
    readers: dict[str, list[str]] = {}
    for value, sources in reads.items():
        for source in sources:
            readers.setdefault(source, []).append(value)
    modules: dict[str, set[str]] = {}  # that a value is of
    for value in reversed(list(reads)):  # in the order they are computed, so that readers come first here
        place = origins.places.get(value)
        further = (modules[reader] for reader in readers.get(value, ()))
        modules[value] = {place.module} if place is not None else set().union(*further)
    return {
        value
        for value in reads
        if value not in readers or any(modules[reader] - modules[value] for reader in readers[value])
    }


def _parts(
    chosen: Mapping[str, InnerValue], reads: Mapping[str, Sequence[str]], most: int, most_bytes: int
) -> Iterator[ProbePart]:
    """The chosen values in their order, each part as long as what it gives stays within its bounds: one value at least."""
    own: dict[str, InnerValue] = {}
    given: dict[str, InnerValue] = {}
    for name, value in chosen.items():
        before = {item: chosen[item] for item in _made_from(name, chosen, reads) if item not in own}
        together = {**own, **given, **before, name: value}
        if own and (len(together) > most or sum(item.bytes for item in together.values()) > most_bytes):
            yield ProbePart(tuple(own.values()), tuple(given.values()))
            own, given = {}, {}
            before = {item: chosen[item] for item in _made_from(name, chosen, reads)}
        own[name] = value
        given |= before
    if own:
        yield ProbePart(tuple(own.values()), tuple(given.values()))


def _made_from(name: str, chosen: Mapping[str, InnerValue], reads: Mapping[str, Sequence[str]]) -> list[str]:
    """The chosen values that one is computed from, with no other chosen one between."""
    found: dict[str, None] = {}
    waiting, seen = list(reads[name]), set()
    while waiting:
        source = waiting.pop()
        if source in seen:
            continue
        seen.add(source)
        if source in chosen:
            found[source] = None
        else:
            waiting += reads.get(source, ())
    return sorted(found)
