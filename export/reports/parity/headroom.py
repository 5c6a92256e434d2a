"""How far a float16 program is from overflow, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...parity.headroom import LIMIT, Headroom, OperatorHeadroom
from ..shared.words import count, wrapped

__all__ = ["headroom_lines"]

_SHOWN = 8


def headroom_lines(room: Headroom, gain: float) -> Iterator[str]:
    """The first overflow with either way of adding up, the operators nearest to it, and what ``gain`` reaches."""
    tried = f"inputs up to {room.gains[-1]:g} times as large, on {', '.join(room.cases)}"
    yield f"headroom    float16 ends at {LIMIT:g}; {count(room.operators, 'value')}; {tried}"
    for arithmetic, first in room.first.items():
        found = "nothing overflows" if first is None else f"at {first.gain:g} times the input: {first}"
        yield f"  {arithmetic:<7} sums: {found}"
    nearest = sorted(room.operators, key=_nearness)[:_SHOWN]
    yield f"  {'nearest to the end':<42}{'largest':>10}{'squared operand':>17}{'beyond at gain':>16}"
    for item in nearest:
        squared = "" if item.squared_operand is None else f"{item.squared_operand:.4g}"
        beyond = "" if item.overflow_gain is None else f"{item.overflow_gain:g}"
        yield f"  {f'{item.kind} {item.value}'[:40]:<42}{item.largest:>10.4g}{squared:>17}{beyond:>16}"
        yield f"      {item.module or 'the model'} ({item.location})"
    yield from _cliffs(room)
    kept = count(len(room.float32_nodes(gain)), "operator")
    yield f"  {kept} would have to be float32 for inputs {gain:g} times as large (--precision-map)"


def _cliffs(room: Headroom) -> Iterator[str]:
    """The operators that meet a published cliff of the Neural Engine, those that do so at the smallest gain first."""
    if not room.cliffs:
        yield "  published cliffs of the Neural Engine: none is met (an estimate)"
        return
    now = sum(item.gain <= room.gains[0] for item in room.cliffs)
    reach = count(len(room.cliffs), "operator")
    line = (
        f"published cliffs of the Neural Engine: {reach}, {now} of them on the inputs as they are (estimates)"
    )
    yield from wrapped(f"  {line}", indent=4)
    ordered = sorted(room.cliffs, key=lambda item: item.gain)
    for item in ordered[:_SHOWN]:
        yield from wrapped(f"    from {item.gain:g} times the input: {item}", indent=8)
    if len(ordered) > _SHOWN:
        yield f"    and {len(ordered) - _SHOWN:,} more (--json has them all)"


def _nearness(item: OperatorHeadroom) -> tuple[float, float]:
    """Smallest gain first; then what is left of the range, of a square the square's."""
    reach = max(item.largest, (item.squared_operand or 0.0) ** 2)
    return (item.overflow_gain if item.overflow_gain is not None else float("inf"), -reach)
