"""A profile for a terminal: plain text, as wide as it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...latency.placed import OPERATORS_RUN
from ...latency.profile_report import MEASURED_ON
from ...latency.roofline import CONVENTION
from ..shared.table import Column
from ..shared.words import count, loads, plain, wrapped
from .listing import Listing, millions

if TYPE_CHECKING:
    from ...latency.profile_report import Group, Profile

__all__ = [
    "ABOVE_ALL",
    "above_all",
    "how",
    "measured_rates",
    "mebi",
    "milliseconds",
    "percent",
    "rate",
    "reliability",
    "render",
]

_NONE = "-"
_ALL = 1.005  # what is shown as 100% or less
ABOVE_ALL = ">100%"


def render(report: Profile, *, depth: int, top: int) -> str:
    """Modules down to ``depth``, types of operators, and the ``top`` slowest operators; what is cut is counted."""
    return "\n".join(
        [
            *_head(report),
            "",
            *_LISTING.groups(f"module, to depth {depth}", report.by_module(depth)),
            "",
            *_LISTING.groups("type of operator", report.by_type()),
            "",
            *_LISTING.operators("slowest operators", report.by_operator(), top, _together),
            "",
            *_end(report),
        ]
    )


def how(report: Profile) -> str:
    """With what it was run, and how often."""
    threads = count(report.threads, "thread") if report.threads else "threads of its own choice"
    layouts = "on" if report.layout else "off"
    return (
        f"{report.runtime}, {threads}, layout optimization {layouts}; median of {count(report.runs, 'run')} "
        f"after {report.warm_up} thrown away"
    )


def measured_rates(report: Profile) -> tuple[str, str]:
    """The two rates that bound every operator."""
    product, transfer = report.roofline.product, report.roofline.transfer
    return (
        f"{product.giga_per_second:.1f} GFLOP/s, measured: {product.name} ({CONVENTION})",
        f"{transfer.giga_per_second:.1f} GB/s, measured: {transfer.name}",
    )


def milliseconds(us: float) -> str:
    return f"{us / 1e3:.3f}"


def mebi(size: int) -> str:
    """Bytes in MiB; nothing for none."""
    return f"{size / 2**20:,.2f}" if size else _NONE


def rate(value: float | None) -> str:
    return f"{value:,.1f}" if value else _NONE


def percent(share: float | None) -> str:
    """Of the roofline. More than all of it is no number to rely on: :func:`above_all` says why."""
    if share is None or share <= 0:
        return _NONE
    return f"{share:.0%}" if share < _ALL else ABOVE_ALL


def above_all(report: Profile) -> str | None:
    """Why something is shown as faster than the measured rates allow; None if nothing is."""
    causes = report.above_roofline
    return f"faster than the measured rates allow: {'; '.join(causes)}" if causes else None


def reliability(report: Profile) -> str:
    """The verdict with its reasons, and the load of the machine."""
    verdict = report.verdict
    reasons = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
    return f"{verdict.word}{reasons}"


def _head(report: Profile) -> Iterator[str]:
    rates = measured_rates(report)
    here = report.environment
    yield plain(f"profile  {report.model} {report.format} {report.precision}, {MEASURED_ON}")
    yield from _field("artifact", f"{report.artifact}, manifest {report.manifest_sha256[:16]}")
    yield from _field("run by", how(report))
    yield from _field("machine", f"{here.processor}, {count(here.processors, 'processor')}, {here.system}")
    yield from _field("products", rates[0])
    yield from _field("memory", rates[1])
    if averages := loads(report.load_before.average, report.load_after.average):
        yield from _field("load", f"average {averages}, the profile's own included")
    yield from _field("verdict", reliability(report))


_COLUMNS = (
    Column("ms", 9, 0), Column("share", 8, 0), Column("M mult-adds", 13, 3), Column("MiB", 9, 4),
    Column("GFLOP/s", 10, 2), Column("GB/s", 8, 5), Column("of roof", 9, 1),
)  # fmt: skip


def _figures(group: Group) -> dict[str, str]:
    return {
        "ms": milliseconds(group.us),
        "share": f"{group.share:.1%}",
        "M mult-adds": millions(group.multiply_adds),
        "MiB": mebi(group.bytes),
        "GFLOP/s": rate(group.gflops),
        "GB/s": rate(group.gigabytes_per_second),
        "of roof": percent(group.of_roofline),
    }


_LISTING = Listing(_COLUMNS, _figures)


def _together(groups: Sequence[Group]) -> str:
    return f"{milliseconds(sum(group.us for group in groups))} ms"


def _end(report: Profile) -> Iterator[str]:
    total = report.total
    yield _LISTING.total(total)
    for said in _LISTING.left_out:
        yield from _field("columns", f"{said} (--json and --html have them)")
    yield from _field("operators", OPERATORS_RUN)
    yield from _field(
        "roofline",
        f"{milliseconds(total.bound_us)} ms: the sum over operators of what products or memory take, whichever is "
        f"more; {percent(total.of_roofline)} of the roofline is achieved",
    )
    yield from _field(
        "products",
        f"{milliseconds(total.compute_us)} ms if memory cost nothing: {percent(total.of_compute)} is achieved",
    )
    if report.whole_us is not None:
        yield from _field(
            "whole run",
            f"{milliseconds(report.whole_us)} ms with the profiler, which takes time itself; `cloformer bench` says "
            "how long an inference takes",
        )
    if (why := above_all(report)) is not None:
        yield from _field(ABOVE_ALL, why)
    for note in report.notes:
        yield from _field("note", note)


def _field(name: str, text: str) -> Iterator[str]:
    yield from wrapped(f"  {name:<10}  {plain(text)}", indent=14)
