"""Lowering: the same program as torch's own decomposition gives, without tracing it again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, rewritten, traced
from reference_weights import fill
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from cloformer.export.formats.onnx.settled import Settled
from cloformer.export.source.attempt import example_inputs
from cloformer.export.source.lowering import as_program
from cloformer.export.source.trace import Trace, lower

_X = (2, 4, 6, 6)
_SETTLED = {
    "layers": lambda m, x: m.linear(F.gelu(m.conv(x)).mean((2, 3))),
    "reshape": lambda m, x: m.conv(x).reshape(2, 4, -1) * 2,
    "reshape of what is transposed": lambda m, x: x.transpose(1, 2).reshape(2, -1) + 1,
    "reshape of a part": lambda m, x: (
        x[:, 1:3].reshape(2, 2, 36) + x.transpose(2, 3)[:, :1].reshape(2, 1, -1)
    ),
    "flatten": lambda m, x: x.flatten(1).sum(1) + x.transpose(1, 3).flatten(1, 2).sum((1, 2)),
    "flatten of one axis": lambda m, x: x.flatten(2, 2) * 2,
    "chunk": lambda m, x: torch.cat(x.chunk(3, 1)[::-1], 1),
    "an output that nothing reads": lambda m, x: x.chunk(4, 1)[2] * x.max(1).values[:, None],
    "attention": lambda m, x: F.scaled_dot_product_attention(x, x.relu(), x),
}
_TAKEN_APART_BY_TORCH = {
    "batch norm": lambda m, x: m.norm(x),
    "cast": lambda m, x: x.to(torch.float16).float(),
    "contiguous": lambda m, x: x.transpose(1, 2).contiguous() + 1,
    "dropout": lambda m, x: F.dropout(x, 0.5, False) * 2,
}


class _Plain(nn.Module):
    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__()
        self.graph_module = graph_module

    def forward(self, *inputs: Tensor) -> object:
        return fx.Interpreter(self.graph_module).run(*inputs)


def _trace(law: Any) -> Trace:
    model = Lambda(law, conv=nn.Conv2d(4, 4, 3), linear=nn.Linear(4, 3), norm=nn.BatchNorm2d(4))
    return rewritten(traced(fill(model).eval(), _X))[0]


def _by_torch(before: Trace) -> ExportedProgram:
    with fx.traceback.preserve_node_meta():
        program = torch.export.export(
            _Plain(before.graph_module), example_inputs(before.signature.inputs), strict=False
        )
    return program.run_decompositions({})


def _rows(program: ExportedProgram) -> list[tuple[str, ...]]:
    """Every node: what it is, its arguments, its value's shape, type and place in memory, and its origin."""

    def described(value: Any) -> object:
        if isinstance(value, (list, tuple)):
            return [described(item) for item in value]
        return (value.dtype, tuple(value.shape), value.stride()) if isinstance(value, Tensor) else value

    return [
        (
            *map(str, (node.op, node.name, node.target, node.args, node.kwargs)),
            str(described(node.meta.get("val"))),
            str((node.meta.get("custom") or {}).get("cloformer")),
        )
        for node in program.graph.nodes
    ]


@pytest.mark.parametrize("name", [*_SETTLED, *_TAKEN_APART_BY_TORCH])
def test_lowered_as_torch_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Node by node the same, and torch's decomposition runs only where it is needed."""
    before = _trace((_SETTLED | _TAKEN_APART_BY_TORCH)[name])
    want, runs = _by_torch(before), []
    own = ExportedProgram.run_decompositions

    def counted(self: ExportedProgram, *args: Any, **options: Any) -> ExportedProgram:
        runs.append(self)
        return own(self, *args, **options)

    monkeypatch.setattr(ExportedProgram, "run_decompositions", counted)
    got = as_program(before.graph_module, example_inputs(before.signature.inputs))
    assert len(runs) == (0 if name in _SETTLED else 1)
    assert _rows(got) == _rows(want)
    assert str(got.graph_signature) == str(want.graph_signature)
    assert (got.dialect, got.state_dict.keys()) == (want.dialect, want.state_dict.keys())


@pytest.mark.parametrize(
    ("law", "alone"),
    [
        (lambda m, x: m.linear(F.adaptive_avg_pool2d(m.conv(x), 1).flatten(1)), True),
        (lambda m, x: m.conv(x).relu().mean((2, 3)), True),
        (lambda m, x: F.adaptive_avg_pool2d(x, 1), False),  # an output would have another name
        (lambda m, x: m.norm(x) * 2, True),
    ],
    ids=["a pooling", "nothing", "an output", "batch norm"],
)
def test_what_onnx_has_no_function_for_is_taken_apart_alone(
    law: Any, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same nodes as torch's decomposition of the whole, and the lowered program stays as it was."""
    from torch.onnx._internal.exporter._decomp import (
        create_onnx_friendly_decomposition_table,
        get_onnx_implemented_overloads,
    )
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    table = create_onnx_friendly_decomposition_table(
        set(get_onnx_implemented_overloads(ONNXRegistry.from_torchlib()))
    )
    program = lower(_trace(law))
    before, want = _rows(program), program.run_decompositions(dict(table))
    runs, own = [], ExportedProgram.run_decompositions
    monkeypatch.setattr(
        ExportedProgram,
        "run_decompositions",
        lambda self, *args, **options: runs.append(self) or own(self, *args, **options),
    )
    got = Settled.of(program).run_decompositions(dict(table))
    assert len(runs) == (0 if alone else 1)
    assert [row[:-1] for row in _rows(got)] == [row[:-1] for row in _rows(want)]
    assert _rows(program) == before


def test_what_is_taken_apart_leaves_the_outputs_their_names() -> None:
    """Its parts are a sum, too, and come before the one that is given."""
    from torch._decomp import core_aten_decompositions

    program = lower(_trace(lambda m, x: x + torch.special.ndtr(x)))
    table = {
        key: value
        for key, value in core_aten_decompositions().items()
        if key is torch.ops.aten.special_ndtr.default
    }
    assert table
    taken = Settled.of(program).run_decompositions(table)
    assert [node.name for node in taken.graph.output_node().all_input_nodes] == list(
        taken.graph_signature.user_outputs
    )
    assert "special_ndtr.default" not in str(taken.graph)
