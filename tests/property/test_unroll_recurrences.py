from __future__ import annotations

from typing import Any

import pytest
import torch
from proof import Lambda, operators, prove, rewritten, traced
from torch import nn

from cloformer.export.passes.unroll_recurrences import UnrollRecurrences

LAYERS: dict[str, tuple[type[nn.RNNBase], dict[str, Any]]] = {
    "lstm, two layers, both ways": (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    "lstm, projected, without biases": (nn.LSTM, {"proj_size": 2, "bias": False}),
    "gru, both ways": (nn.GRU, {"bidirectional": True}),
    "gru, two layers, without biases": (nn.GRU, {"num_layers": 2, "bias": False, "batch_first": True}),
    "plain": (nn.RNN, {"nonlinearity": "relu"}),
}


def _layer(kind: type[nn.RNNBase], **options: Any) -> nn.RNNBase:
    torch.manual_seed(0)
    return kind(3, 4, **options)


@pytest.mark.parametrize("name", LAYERS)
def test_law(name: str) -> None:
    kind, options = LAYERS[name]
    layer = _layer(kind, **options)
    count = layer.num_layers * (1 + layer.bidirectional)
    sizes = [(count, 2, layer.proj_size or 4), (count, 2, 4)][: 1 + (kind is nn.LSTM)]
    model = Lambda(
        lambda self, x, *states: self.layer(x, states if len(states) > 1 else states[0]), layer=layer
    )
    shape = (2, 3, 3) if layer.batch_first else (3, 2, 3)  # three steps of two sequences
    found = prove(model, UnrollRecurrences(), shape, *sizes, sites=1, exports=name == "plain")
    assert not {"lstm", "gru", "rnn_tanh", "rnn_relu"} & set(found)


def test_single_steps() -> None:
    torch.manual_seed(0)
    cells = {
        "a": nn.LSTMCell(3, 4),
        "b": nn.GRUCell(3, 4, bias=False),
        "c": nn.RNNCell(3, 4),
        "d": nn.RNNCell(3, 4, nonlinearity="relu"),
    }
    model = Lambda(lambda self, x: [*self.a(x), self.b(x), self.c(x), self.d(x)], **cells)
    found = prove(model, UnrollRecurrences(), (2, 3), sites=4)
    assert not {"lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"} & set(found)


def test_one_sequence_by_itself() -> None:
    prove(
        Lambda(lambda self, x: self.layer(x)[0], layer=_layer(nn.GRU)), UnrollRecurrences(), (5, 3), sites=1
    )


def test_a_long_sequence_is_left_alone() -> None:
    before = traced(
        Lambda(lambda self, x: self.layer(x)[0], layer=_layer(nn.GRU, bidirectional=True)), (600, 1, 3)
    )
    after, (applied,) = rewritten(before, UnrollRecurrences())
    assert not applied.sites and "gru" in operators(after)


def test_what_drops_out_is_left_alone() -> None:
    """As nobody traces it: with the numbers between its layers drawn."""
    layer = _layer(nn.GRU, num_layers=2)
    before = traced(Lambda(lambda self, x: self.layer(x)[0], layer=layer), (5, 2, 3))
    (node,) = (item for item in before.graph_module.graph.nodes if item.target is torch.ops.aten.gru.input)
    dropout, train = 5, 6
    node.update_arg(dropout, 0.5)
    node.update_arg(train, True)
    after, (applied,) = rewritten(before, UnrollRecurrences())
    assert not applied.sites and "gru" in operators(after)
