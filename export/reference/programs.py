"""The lowered programs of one call: what several artifacts were written of is rewritten and lowered once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..passes import Pass
    from ..source.trace import Trace

__all__ = ["Programs"]


class Programs:
    """Programs by the trace and the passes that they are made with. Who asks twice gets the same, which nothing may
    change."""

    def __init__(self) -> None:
        self._lowered: list[tuple[Trace, list[Pass], ExportedProgram]] = []

    def lowered(self, traced: Trace, passes: Sequence[Pass]) -> ExportedProgram:
        """``traced``, rewritten by ``passes`` in order and lowered, as the export does it."""
        from ..passes import apply_passes
        from ..source.trace import lower

        for known, others, program in self._lowered:
            if known is traced and others == list(passes):
                return program
        rewritten, _ = apply_passes(traced, passes)
        program = lower(rewritten)
        self._lowered.append((traced, list(passes), program))
        return program
