"""What reports say of artifacts: those of `evaluate`, of `bench`, and of instructions that were counted on an emulated device.

An artifact is known by its manifest's hash, so that a report of other bytes says nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json

from ..latency.candidates import CANDIDATES
from ..schemas import schema
from .figures import Reading

__all__ = ["Said", "read_report", "said_by"]

_MAX_BYTES = 256 * 2**20
_ADVICE = "give what `cloformer evaluate --json`, `cloformer bench --output` or `cloformer parity --device arm64 --json` wrote"


@dataclass(frozen=True)
class Said:
    """A figure's reading of the artifact with this manifest."""

    manifest_sha256: str
    figure: str
    reading: Reading


def read_report(path: Path) -> list[Said]:
    """What a file says; :class:`InputError` if it is no report of these kinds."""
    return said_by(read_json(path, _MAX_BYTES, _ADVICE), str(path))


def said_by(document: object, source: str) -> list[Said]:
    """What a report says, whose file or data is ``source``; :class:`InputError` if it is none."""
    import jsonschema

    kind = next((row for row in _KINDS if isinstance(document, dict) and row.key in document), None)
    if kind is None or not isinstance(document, dict):
        raise InputError(f"{source} is no report that figures can be read of", _ADVICE)
    problem = next(iter(jsonschema.Draft202012Validator(schema(kind.schema)).iter_errors(document)), None)
    if problem is not None:
        raise InputError(
            f"{source} is not what {kind.command} writes: at {problem.json_path}: {problem.message[:160]}",
            _ADVICE,
        )
    try:
        return list(kind.read(Fields(document), source))
    except FieldError as error:
        raise InputError(f"{source} is not what {kind.command} writes: {error}", _ADVICE) from None


def _evaluation(document: Fields, source: str) -> Iterator[Said]:
    data = document.text("data")
    for row in document.objects("subjects"):
        digest = row.optional("manifest_sha256", row.text)
        if digest is None:  # it is no artifact
            continue
        same = {"data": data, "images": row.whole("images")}
        top1 = row.optional("top1", row.number)
        if top1 is not None:
            yield Said(digest, "top1", Reading(top1, same, _interval(row, "top1_interval"), source))
        if row.truth("is_reference"):
            continue
        against = row.optional("reference", row.text)
        agreement = row.optional("agreement", row.number)
        if against is None or agreement is None:
            continue
        held = {**same, "reference": against}
        yield Said(
            digest, "agreement", Reading(agreement, held, _interval(row, "agreement_interval"), source)
        )
        snr = row.optional("snr_db", row.number)
        value = snr if snr is not None else math.inf if row.take("is_exact") else -math.inf
        yield Said(digest, "snr", Reading(value, {**held, "output": row.text("snr_of")}, None, source))


def _interval(row: Fields, name: str) -> tuple[float, float]:
    low, high = row.numbers(name)
    return low, high


def _latency(document: Fields, source: str) -> Iterator[Said]:
    """Of each artifact the row with the fewest threads, which is the headline; what was not measured to its end says nothing."""
    where = document.child("environment").rest()
    versions = where.pop("versions")
    assert isinstance(versions, Mapping)  # as the schema has it
    where |= {f"versions.{name}": version for name, version in versions.items()}
    preset = document.child("protocol").text("preset")
    least: dict[str, int] = {}
    rows = [row for row in map(_LatencyRow.of, document.objects("rows")) if row is not None]
    for row in rows:
        least[row.digest] = min(row.threads, least.get(row.digest, row.threads))
    for row in rows:
        if row.threads != least[row.digest]:
            continue
        same = {**where, "threads": row.threads, "measured on": row.measured_on}
        if row.median is not None:
            timed = {**same, "preset": preset}
            yield Said(row.digest, "latency", Reading(1e3 * row.median, timed, None, source))
        if row.instructions is not None:
            counted = {**same, "counted by": row.counted_by}
            yield Said(row.digest, "instructions", Reading(row.instructions / 1e6, counted, None, source))


@dataclass(frozen=True)
class _LatencyRow:
    digest: str
    threads: int
    measured_on: str
    median: float | None
    instructions: int | None
    counted_by: str | None

    @classmethod
    def of(cls, row: Fields) -> _LatencyRow | None:
        """None of a row that is not whole, or not the artifact's: PyTorch's model is timed under its name too."""
        runner = CANDIDATES.get(row.text("runner"))
        if not row.truth("complete") or runner is None or runner.runner is None:
            return None
        summary = row.optional("summary", row.child)
        return cls(
            row.text("manifest_sha256"),
            row.whole("threads"),
            row.text("measured_on"),
            None if summary is None else summary.number("median"),
            row.optional("instructions", row.whole) if "instructions" in row else None,
            row.optional("counted_by", row.text) if "counted_by" in row else None,
        )


def _work(document: Fields, source: str) -> Iterator[Said]:
    """Of the input that takes the most."""
    for item in document.objects("work"):
        most = max(item.counts("instructions").values())
        same = {"environment": "an emulated device", **item.table("environment")}
        yield Said(item.text("manifest_sha256"), "instructions", Reading(most / 1e6, same, None, source))


@dataclass(frozen=True)
class _Kind:
    """``key`` is a field that only this kind of report has."""

    key: str
    schema: str
    command: str
    read: Callable[[Fields, str], Iterator[Said]]


_KINDS = (
    _Kind("subjects", "evaluation", "cloformer evaluate", _evaluation),
    _Kind("rows", "latency", "cloformer bench", _latency),
    _Kind("work", "parity", "cloformer parity --device arm64", _work),
)
