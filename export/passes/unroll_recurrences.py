"""Recurrent layers step by step, for formats without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Form, Rewriter, shape_of

__all__ = ["RECURRENCES", "UnrollRecurrences"]

aten = torch.ops.aten

_MOST_STEPS = 1024  # of all layers and directions: each is a dozen operators
State = tuple[Tensor, ...]  # what goes from step to step: first what the layer gives
# The state after a step, of what the input adds to the gates, the state, and the weights that the state is multiplied by.
Step = Callable[[Tensor, State, Tensor, Tensor | None], State]


@dataclass(frozen=True)
class UnrollRecurrences(Pass):
    """Write recurrent layers (LSTM, GRU and plain ones) as products, sums and activations, one step after the other; what the
    inputs add is one product for all steps.

    Left alone: in training, and what is of more than a thousand steps.
    """

    law: ClassVar[str] = (
        "h[t] = step(W x[t] + b, h[t-1]); of an LSTM c[t] = f c[t-1] + i g, h[t] = o tanh c[t]; of a GRU h[t] = n + z (h[t-1] - n)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(RECURRENCES)


def _lstm(added: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    """Gates in the order in which PyTorch stores them: input, forget, cell, output."""
    i, f, g, o = (added + F.linear(state[0], weight, bias)).chunk(4, 1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _gru(added: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    """Reset, update, new."""
    (hidden,) = state
    before, kept = added.chunk(3, 1), F.linear(hidden, weight, bias).chunk(3, 1)
    reset, update = (before[0] + kept[0]).sigmoid(), (before[1] + kept[1]).sigmoid()
    new = (before[2] + reset * kept[2]).tanh()
    return (new + update * (hidden - new),)


def _plain(activation: Callable[[Tensor], Tensor]) -> Step:
    return lambda added, state, weight, bias: (activation(added + F.linear(state[0], weight, bias)),)


def _layers(step: Step, has_cell: bool) -> Form:
    """For what goes over a sequence."""

    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> list[fx.Node] | None:
        sizes = shape_of(bound["input"])
        directions = 1 + bound["bidirectional"]
        if sizes is None or (bound["train"] and bound["dropout"]):
            return None
        count = sizes[1 if bound["batch_first"] and len(sizes) == 3 else 0]
        if count * directions * bound["num_layers"] > _MOST_STEPS:
            return None
        states = bound["hx"] if has_cell else [bound["hx"]]
        width = len(bound["params"]) // (directions * bound["num_layers"])
        weights = [bound["params"][start : start + width] for start in range(0, len(bound["params"]), width)]
        run = _Run(step, bool(bound["has_biases"]), directions, bool(bound["batch_first"]))
        found: list[fx.Node] = rewriter.write(run, bound["input"], list(states), weights)
        return found

    return form


@dataclass(frozen=True)
class _Run:
    """All layers of a recurrence over a sequence: what the last gives at each step, and the last states of all."""

    step: Step
    has_biases: bool
    directions: int
    batch_first: bool

    def __call__(
        self, x: Tensor, states: Sequence[Tensor], weights: Sequence[Sequence[Tensor]]
    ) -> list[Tensor]:
        x = x.transpose(0, 1) if self.batch_first else x
        last: list[State] = []
        for layer in range(len(weights) // self.directions):
            ways = []
            for way in range(self.directions):
                place = layer * self.directions + way
                begin = tuple(item[place] for item in states)
                reached = list(self._steps(x, begin, weights[place], backward=way == 1))
                last.append(reached[-1])
                ways.append(torch.stack([state[0] for state in (reached[::-1] if way else reached)]))
            x = torch.cat(ways, 2) if self.directions > 1 else ways[0]
        x = x.transpose(0, 1) if self.batch_first else x
        return [x, *(torch.stack(items) for items in zip(*last, strict=True))]

    def _steps(
        self, x: Tensor, state: State, weights: Sequence[Tensor], *, backward: bool
    ) -> Iterator[State]:
        of_input, of_state, *rest = weights
        biases = rest[:2] if self.has_biases else (None, None)
        projection = rest[-1] if len(rest) % 2 else None
        added = F.linear(x, of_input, biases[0]).unbind(0)
        for part in reversed(added) if backward else added:
            state = self.step(part, state, of_state, biases[1])
            if projection is not None:
                state = (F.linear(state[0], projection), *state[1:])
            yield state


def _cell(step: Step, has_cell: bool) -> Form:
    """For a single step."""

    def of(x: Tensor, hx: Any, *weights: Tensor | None) -> Any:
        of_input, of_state, bias, other = weights
        state = tuple(hx) if has_cell else (hx,)
        found = step(F.linear(x, of_input, bias), state, of_state, other)  # type: ignore[arg-type]
        return list(found) if has_cell else found[0]

    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> Any:
        names = ("w_ih", "w_hh", "b_ih", "b_hh")
        return rewriter.write(of, bound["input"], bound["hx"], *(bound[name] for name in names))

    return form


RECURRENCES: dict[object, Form] = {
    aten.lstm.input: _layers(_lstm, has_cell=True),
    aten.gru.input: _layers(_gru, has_cell=False),
    aten.rnn_tanh.input: _layers(_plain(torch.tanh), has_cell=False),
    aten.rnn_relu.input: _layers(_plain(torch.relu), has_cell=False),
    aten.lstm_cell.default: _cell(_lstm, has_cell=True),
    aten.gru_cell.default: _cell(_gru, has_cell=False),
    aten.rnn_tanh_cell.default: _cell(_plain(torch.tanh), has_cell=False),
    aten.rnn_relu_cell.default: _cell(_plain(torch.relu), has_cell=False),
}
