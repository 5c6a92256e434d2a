"""What `cloformer prune` took out of a network, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloformer.io.output import width
from cloformer.variants import KINDS

from ..shared.table import Column, fitted

if TYPE_CHECKING:
    from cloformer.pruning import Plan

__all__ = ["Figures", "document", "lines"]

_WHOLE = 100_000  # columns where there is no terminal
_BLOCK = Column("block", 20, 0, "<")
_COLUMNS = {
    "hidden": Column("hidden channels", 17, 0),
    "local_heads": Column("local heads", 14, 1),
    "global_heads": Column("global heads", 14, 2),
}


@dataclass(frozen=True)
class Figures:
    """A network's parameters, and the multiply-adds of an inference."""

    parameters: int
    multiply_adds: int


def lines(
    plan: Plan, shares: Mapping[str, float], before: Figures, after: Figures, size: str
) -> Iterator[str]:
    """A line for each block, the share of each kind that goes beside the one that was asked, and what the network is
    before and after."""
    kept = fitted([_BLOCK, *_COLUMNS.values()], width(_WHOLE))
    yield kept.head
    blocks: dict[str, dict[str, str]] = {}
    for each in plan.layers:
        block = each.layer.name.rpartition(".")[0]
        cells = blocks.setdefault(block, {_BLOCK.head: block})
        cells[_COLUMNS[each.layer.kind].head] = f"{each.units} -> {len(each.kept)}"
    yield from map(kept.row, blocks.values())
    yield from kept.said()
    for kind, word in KINDS.items():
        found = plan.of(kind)
        if shares.get(kind) or any(each.removed for each in found):
            units, left = sum(each.units for each in found), sum(len(each.kept) for each in found)
            dead = sum(each.dead for each in found)
            yield (
                f"{word}: {units:,} -> {left:,}, {plan.share(kind):.1%} go ({shares.get(kind, 0):.1%} asked; {dead:,} are dead)"
            )
    if not any(each.removed for each in plan.layers):
        yield "nothing goes: no channel and no head is dead, and no share was asked for"
    yield _change("parameters", before.parameters, after.parameters)
    yield _change(f"multiply-adds at {size}", before.multiply_adds, after.multiply_adds)


def _change(what: str, before: int, after: int) -> str:
    return f"{what}: {before:,} -> {after:,} ({after / before - 1:+.1%})"


def document(plan: Plan, shares: Mapping[str, float], before: Figures, after: Figures) -> dict[str, object]:
    """The same for a program, with the units that go."""
    return {
        "asked": {kind: shares.get(kind, 0.0) for kind in KINDS},
        "gone": {kind: plan.share(kind) for kind in KINDS},
        "layers": [
            {
                "name": each.layer.name,
                "kind": each.layer.kind,
                "units": each.units,
                "kept": len(each.kept),
                "removed": each.removed,
                "dead": each.dead,
            }
            for each in plan.layers
        ],
        "parameters": {"before": before.parameters, "after": after.parameters},
        "multiply_adds": {"before": before.multiply_adds, "after": after.multiply_adds},
    }
