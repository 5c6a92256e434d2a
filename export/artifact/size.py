"""The limits of a model: what an app may weigh, and what its runtime's delegate may leave, are decided before there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloformer.errors import GateError, UsageError
from cloformer.io.words import count

from ..formats import FORMATS
from .manifest import Manifest

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """The most bytes of a model's files, the most pieces that a delegate takes of its graph, and the most operators that it
    leaves; None is no limit."""

    bytes: int | None = None
    partitions: int | None = None
    undelegated: int | None = None

    def refuse_without_delegates(self, formats: Sequence[str]) -> None:
        """:class:`UsageError` for a limit of what delegates take where none of the ``formats`` has any."""
        able = [name for name, row in FORMATS.items() if row.has_delegates]
        if (self.partitions, self.undelegated) == (None, None) or set(able) & set(formats):
            return
        raise UsageError(
            f"--max-partitions and --max-undelegated are for formats with delegates, and {' and '.join(formats)} has none",
            f"add --format {able[0]}, or leave them out",
        )

    def problem(self, manifest: Manifest) -> GateError | None:
        """What is beyond a limit; None if nothing is. A format without delegates has nothing that a delegate could leave."""
        if self.bytes is not None and manifest.model_bytes > self.bytes:
            return GateError(
                f"{manifest.model.path} has {manifest.model_bytes:,} bytes, and --max-size allows {self.bytes:,}",
                "a smaller --precision stores less, as int8-weights; or give a larger --max-size",
            )
        graph = manifest.graph
        left = graph.undelegated
        advice = "rewrite these lines with other operators, or give a larger limit"
        first = f"the first: {left[0].operator} at {left[0].origin}" if left else ""
        if self.undelegated is not None and len(left) > self.undelegated:
            told = f"{count(len(left), 'operator')} outside the delegate, and --max-undelegated allows {self.undelegated}"
            return GateError(f"{manifest.model.path} has {told}", first, advice)
        if self.partitions is not None and (graph.partitions or 0) > self.partitions:
            told = (
                f"{count(graph.partitions or 0, 'partition')}, and --max-partitions allows {self.partitions}"
            )
            return GateError(f"{manifest.model.path} has {told}", first, advice)
        return None

    def hold(self, manifest: Manifest) -> None:
        """Raise :meth:`problem`."""
        problem = self.problem(manifest)
        if problem is not None:
            raise problem
