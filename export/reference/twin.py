"""The model in float64: its trace, computed beside itself in the model's own types.

A module that is simply converted to float64 is another model: constants that it makes in ``forward`` stay float32, numbers
that depend on the type change, and a tie is decided otherwise. So the trace is computed twice at once, operator by
operator: in the model's own types, as PyTorch runs it, and in float64 (:mod:`.wide`). What depends on no input has the
numbers that it has in the model's own types, and where an operator decides (a comparison, the place of the largest),
float64 follows what the model decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx

from ..source.arrays import Array
from ..source.trace import computed_from
from .natures import decides, operator_name
from .replay import Replay, as_array
from .wide import widened

if TYPE_CHECKING:
    from ..source.trace import Trace

__all__ = ["Step", "Twin"]


@dataclass(frozen=True)
class Step:
    """A node that depends on an input: its value in the model's own types, and in float64.

    ``operands`` are what it was computed from, in the model's own types.
    """

    node: fx.Node
    own: object
    wide: object
    operands: Mapping[fx.Node, object]


class Twin:
    """The traced model, ready to run on inputs by name. Constants are widened where an operator reads them, and not kept so:
    they are twice as large as the model's own."""

    def __init__(self, traced: Trace) -> None:
        self.signature = traced.signature
        self.replay = Replay(traced)
        self._own_needed = computed_from(node for node in self.replay.computed if decides(node))

    @torch.no_grad()
    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The watched values in order, in float64; what is no number in its own type.

        In the model's own types only what a decision depends on is computed.
        """
        own, wide = self._fed(inputs)
        for node, call in self.replay.computed.items():
            if node in self._own_needed:
                own[node] = call.own(own)
            wide[node] = _followed(node, own.get(node), call.wide(self._read(node, wide)))
            for source in self.replay.last_read[node]:
                own.pop(source, None)
                del wide[source]
        return [as_array(self._value(node, wide)) for node in self.replay.watched]

    @torch.no_grad()
    def own(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs in the model's own types, as PyTorch runs it."""
        own, _ = self._fed(inputs)
        for node, call in self.replay.computed.items():
            own[node] = call.own(own)
            for source in self.replay.last_read[node]:
                del own[source]
        return [as_array(own[node]) for node in self.replay.outputs]

    @torch.no_grad()
    def steps(self, inputs: Mapping[str, Array]) -> Iterator[Step]:
        """Every node that depends on an input, in the order they run."""
        own, wide = self._fed(inputs)
        for node in self.replay.placeholders:
            yield Step(node, own[node], wide[node], {})
        for node, call in self.replay.computed.items():
            own[node] = call.own(own)
            wide[node] = _followed(node, own[node], call.wide(self._read(node, wide)))
            yield Step(node, own[node], wide[node], {source: own[source] for source in node.all_input_nodes})
            for source in self.replay.last_read[node]:
                del own[source], wide[source]

    def _fed(self, inputs: Mapping[str, Array]) -> tuple[dict[fx.Node, object], dict[fx.Node, object]]:
        """Constants and inputs in the model's own types, and the inputs in float64."""
        own = {**self.replay.constants, **self.replay.fed_as_traced(inputs)}
        return own, {node: widened(value) for node, value in self.replay.fed(inputs).items()}

    def _read(self, node: fx.Node, wide: Mapping[fx.Node, object]) -> dict[fx.Node, object]:
        """What ``node`` is computed from, in float64."""
        return {source: self._value(source, wide) for source in node.all_input_nodes}

    def _value(self, node: fx.Node, wide: Mapping[fx.Node, object]) -> object:
        """Of an input or a computed node, or of a constant."""
        return wide[node] if node in wide else widened(self.replay.constants[node])


_BY_PLACE = ("topk", "sort", "kthvalue", "median", "nanmedian", "mode", "max", "min")


def _followed(node: fx.Node, own: object, wide: object) -> object:
    """Float64, but where the operator decides, as the model decided."""
    if not decides(node):
        return wide
    if isinstance(own, (list, tuple)) and isinstance(wide, (list, tuple)):
        # The numbers beside places are numbers of the operand, which follow no decision.
        return [
            second if _is_number(first) and operator_name(node.target) in _BY_PLACE else widened(first)
            for first, second in zip(own, wide, strict=True)
        ]
    return widened(own)


def _is_number(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
