"""What an inference takes on the emulated device, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..shared.words import count, plain, wrapped

if TYPE_CHECKING:
    from ...device.instructions import Gate, InstructionCounts

__all__ = ["counts_json", "render"]

_TOLD_ELSEWHERE = ("device", "threads", "optimization")
_EMULATED = "an emulated device's work, exact; no phone's, and no time"


def render(work: InstructionCounts, gate: Gate) -> str:
    """A line for each input; below them, the limits and whether they are kept."""
    return "\n".join(_lines(work, gate))


def _lines(work: InstructionCounts, gate: Gate) -> Iterator[str]:
    yield f"instructions of an inference ({_EMULATED})"
    before = {} if gate.baseline is None else gate.baseline.work.instructions
    for name, instructions in work.instructions.items():
        then = before.get(name)
        more = "" if then is None else f"{instructions / then - 1:>+10.3%} from the baseline"
        yield f"  {plain(name):<30}{instructions:>18,}{more}"
    where = work.environment
    versions = ", ".join(f"{name} {value}" for name, value in where.items() if name not in _TOLD_ELSEWHERE)
    yield from wrapped(f"  by {versions}, {count(int(where['threads']), 'thread')}", indent=4)
    if gate.baseline is not None:
        same = gate.baseline.work.manifest_sha256 == work.manifest_sha256
        yield f"  the baseline is of {'the same artifact' if same else 'another artifact of the same model'}"
    exceeded = gate.exceeded(work)
    for line in exceeded:
        yield from wrapped(f"  FAIL  {plain(line)}", indent=8)
    if gate.has_limits and not exceeded:
        yield "PASS: an inference takes no more instructions than allowed"


def counts_json(work: InstructionCounts, gate: Gate) -> dict[str, object]:
    """The counts with what they were held to; ``gate`` is null without limits."""
    exceeded = gate.exceeded(work)
    return work.to_json() | {
        "max_instructions": gate.max_instructions,
        "baseline": None if gate.baseline is None else dict(gate.baseline.work.instructions),
        "max_regression": None if gate.baseline is None else gate.max_regression,
        "exceeded": list(exceeded),
        "gate": ("failed" if exceeded else "passed") if gate.has_limits else None,
    }
