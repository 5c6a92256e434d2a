"""Which nodes of the lowered program each operator of a written file computes.

The converter names what an operator gives after the nodes that it was made of, with a number for each operator that one node
became: ``conv2d_4;2``, and ``relu;;conv2d;1`` where two are one. Constants that operators share bring the names of others
along, so a node that has been computed before is none of them. But where an operator with constants reads the node's value, and
the node has constants too, the converter may have put a number of the one into a number of the other, a bias into what is added
after it: then only the last of both has its value. What only moves numbers, a transpose to the order of axes that a kernel
wants, has the name of the node that it is moved for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["MARK", "Step", "carried", "names_in", "nodes_named", "without_names"]

MARK = "node."  # before a node's name, in what the converter is told: nothing of its own begins so

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """An operator of the file: what its first result is called, the result's shape, whether it only moves numbers, whether it
    reads constants, and the steps before it whose results it reads, by number."""

    name: str
    shape: Shape
    moves: bool
    has_constants: bool = False
    reads: tuple[int, ...] = ()


def names_in(text: str) -> list[str]:
    """The nodes that the converter's messages name, in their order."""
    return re.findall(rf"{re.escape(MARK)}(\w+)", text)


def without_names(text: str) -> str:
    """``text`` without saying at which nodes."""
    return re.sub(rf" at {re.escape(MARK)}[^\s,]*", "", text)


def nodes_named(text: str, known: Collection[str]) -> list[str]:
    """The nodes of ``known`` in the name of a tensor."""
    found = [part.removeprefix(MARK) for part in text.split(";") if part.startswith(MARK)]
    return list(dict.fromkeys(name for name in found if name in known))


def carried(
    steps: Sequence[Step], shapes: Mapping[str, Shape | None], with_constants: Collection[str] = ()
) -> list[list[str]]:
    """The nodes that each step computes, in the order they run; ``shapes`` are those of the program's nodes in their order, None
    of what is no tensor, and ``with_constants`` are those that read some.

    A step that only moves numbers has the nodes that nothing else computes, and one whose shape only it gives.
    """
    place = {name: index for index, name in enumerate(shapes)}
    named = [sorted(nodes_named(step.name, place.keys()), key=place.__getitem__) for step in steps]
    computed: dict[str, int] = {}
    found: list[list[str]] = []
    for index, (step, nodes) in enumerate(zip(steps, named, strict=True)):
        mine: list[str] = []
        if not step.moves:
            read = _sources(steps, index)
            merged = set(with_constants) if step.has_constants else set()
            mine = [n for n in nodes[:-1] if n not in computed or (n in merged and computed[n] in read)]
            mine += nodes[-1:]
        computed |= dict.fromkeys(mine, index)
        found.append(mine)
    for index, (step, nodes) in enumerate(zip(steps, named, strict=True)):
        for node in nodes if step.moves else ():
            by = computed.get(node)
            if by is None:
                found[index].append(node)
            elif by < index and found[by][-1] == node and not _is(shapes[node], steps[by]):
                found[index] += [node] if _is(shapes[node], step) else []
    return found


def _sources(steps: Sequence[Step], index: int) -> set[int]:
    """The steps whose results a step reads, also those that are only moved on their way."""
    found: set[int] = set()
    waiting = list(steps[index].reads)
    while waiting:
        number = waiting.pop()
        found.add(number)
        waiting += steps[number].reads if steps[number].moves else ()
    return found


def _is(shape: Shape | None, step: Step) -> bool:
    """Whether the step's result has these sizes, in any order."""
    return shape is not None and sorted(shape) == sorted(step.shape)
