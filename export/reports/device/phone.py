"""Latency that an app measured on a device, for a terminal and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.file import write_report
from ..shared.words import count, plain, wrapped
from .report import vector_lines

if TYPE_CHECKING:
    from ...device.phone import PhoneLatency

__all__ = ["render", "write_phone_latency"]


def render(measured: PhoneLatency) -> str:
    """The device first: its numbers are its own alone."""
    return "\n".join(part for line in _lines(measured) for part in _wrapped(line))


def _lines(measured: PhoneLatency) -> Iterator[str]:
    document, latency, summary = measured.report.document, measured.latency, measured.summary
    runtime = document["runtime"]
    yield f"on {measured.measured_on} (adb {measured.serial})"
    yield (
        f"  {runtime['name']} {runtime['version']}, {runtime['provider']}, {count(latency['threads'], 'thread')}, "
        f"preset {latency['preset']}; measured by the app itself"
    )
    yield f"  {measured.artifact}: {measured.model} {measured.precision}, model {str(document['model_sha256'])[:12]}"
    p90 = "-" if summary.p90 is None else f"{summary.p90 * 1e3:.2f}"
    yield (
        f"  median {summary.median * 1e3:.2f} ms, p90 {p90} ms (early stopping), min {summary.min * 1e3:.2f} ms, "
        f"{count(summary.n, 'query')}; load {latency['load_ns'] / 1e6:.1f} ms, first {latency['first_ns'] / 1e6:.1f} ms"
    )
    verdict = measured.verdict
    yield f"  {verdict.word}{': ' if verdict.reasons else ''}{'; '.join(verdict.reasons)}"
    yield from vector_lines(measured.report, failures_alone=True)
    ran = len(measured.report.vectors)
    if measured.report.passed:
        yield f"PASS: on {count(ran, 'conformance vector')} the app gives what the PyTorch model gives"
    else:
        yield "FAIL: what was timed is not shown to be the model"


def _wrapped(line: str) -> list[str]:
    return wrapped(plain(line), indent=4) or [""]


def write_phone_latency(measured: PhoneLatency, path: Path) -> None:
    """The whole report with every sample, or nothing; :class:`InputError` if the place cannot be written."""
    write_report(path, json.dumps(measured.to_json(), indent=2, ensure_ascii=False) + "\n")
