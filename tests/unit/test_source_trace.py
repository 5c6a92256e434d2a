"""The trace: what every pass may count on, and what is refused."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from proof import (
    Lambda,
    assert_equal,
    in_float64,
    operators,
    outputs,
    random_inputs,
    rewritten,
    traced,
)
from reference_weights import fill
from torch import Tensor, fx, nn
from user_models import ResNet, TwoInputs

from cloformer.errors import UnsupportedError
from cloformer.export.passes.fold_constants import FoldConstants
from cloformer.export.source.counts import multiply_adds
from cloformer.export.source.origin import Origin
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import lower, origin_of, trace

_LOCATION = re.compile(r"[\w.<>]+:[\w.<>]+(:\d+)?")


def _origins(graph: fx.Graph) -> list[Origin]:
    """Where the operators come from; a size is nobody's."""
    nodes = [
        node for node in graph.nodes if node.op == "call_function" and isinstance(node.meta["val"], Tensor)
    ]
    return [origin_of(node) for node in nodes]


# --- The batch ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x * 2 if x.shape[0] > 1 else x + 1,
        lambda m, x: x.squeeze() * 2,
        lambda m, x: x - x.mean(0) if len(x) > 1 else x,
        lambda m, x: torch.cat([row * number for number, row in enumerate(x)]),
    ],
    ids=["branch", "squeeze", "centred", "loop"],
)
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_model_is_traced_for_the_batch_that_is_asked_for(law, batch: int) -> None:
    """What it decides by the number of images is decided as PyTorch does."""
    before, x = traced(Lambda(law), (batch, 3)), torch.rand(batch, 3)
    assert torch.equal(before.graph_module(x)[0], law(None, x))
    assert before.signature.outputs[0].shape == tuple(law(None, x).shape)


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x.reshape(1, 3, 4) * 2,
        lambda m, x: x.squeeze(0).reshape(3, 4).unsqueeze(0) * 2,
        lambda m, x: (x + m.constant).view(1, 3, 4) * 2,
    ],
    ids=["reshape", "squeeze", "constant"],
)
def test_a_model_for_one_batch_only_is_traced_for_it(law) -> None:
    before = traced(Lambda(law, constant=torch.ones(1, 12)), (1, 12))
    assert before.graph_module(torch.rand(1, 12))[0].shape == (1, 3, 4)
    assert before.signature.outputs == (TensorSpec("output", (1, 3, 4)),)


def test_a_model_for_three_images_only_is_traced_for_them() -> None:
    before = traced(Lambda(lambda m, x: torch.relu(x.view(3, 2, 4))), (3, 8))
    assert before.signature.outputs[0].shape == (3, 2, 4)


def test_a_number_has_no_batch() -> None:
    before = traced(Lambda(lambda m, x, number: x * number), (2, 3), ())
    assert before.graph_module(torch.ones(2, 3), torch.tensor(2.0))[0].sum() == 12


# --- The graph ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: F.relu(m.norm(m.conv(x)), inplace=True) + 1,
        lambda m, x: m.conv(x).add_(x).mul_(2).sigmoid_(),
        lambda m, x: F.hardswish(m.conv(x).clamp_(0, 6), inplace=True),
    ],
    ids=["activation", "arithmetic", "clamp"],
)
def test_nothing_is_written_in_place(law) -> None:
    model = fill(Lambda(law, conv=nn.Conv2d(4, 4, 3, padding=1), norm=nn.BatchNorm2d(4)))
    before = traced(model, (2, 4, 5, 5))
    for node in before.graph_module.graph.nodes:
        if hasattr(node.target, "_schema"):
            assert not node.target._schema.is_mutable, node.target
    (x,) = random_inputs([(2, 4, 5, 5)])
    want = copy.deepcopy(model).double()(x.clone())
    given = x.clone()
    assert_equal(in_float64(before.graph_module)(given)[0], want)
    assert torch.equal(given, x)


def test_evaluation_mode() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    before = traced(fill(model).train(), (2, 3, 4, 4))
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(before.graph_module(x)[0], before.graph_module(x)[0])
    assert torch.equal(before.graph_module(x)[0], model.eval()(x))


def test_outputs_are_flat_and_named() -> None:
    specs = [TensorSpec("image", (2, 3, 8, 8), role="image"), TensorSpec("scalars", (2, 4))]
    before = trace(fill(TwoInputs()), specs, ["features", "pooled"])
    assert [spec.name for spec in before.signature.outputs] == ["features", "pooled"]
    assert [spec.shape for spec in before.signature.outputs] == [(2, 8, 4, 4), (2, 8)]
    results = before.graph_module(torch.rand(2, 3, 8, 8), torch.rand(2, 4))
    assert [tuple(result.shape) for result in results] == [(2, 8, 4, 4), (2, 8)]


def test_names_that_are_not_given() -> None:
    before = traced(Lambda(lambda m, x: {"a": x + 1, "b": [x + 2, (x + 3,)]}), (2, 3))
    assert [spec.name for spec in before.signature.outputs] == ["output_0", "output_1", "output_2"]


# --- Where nodes come from ----------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + 1


class Blocks(nn.Module):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(inplace), Block(inplace)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


@pytest.mark.parametrize("inplace", [False, True], ids=["out of place", "in place"])
def test_locations_name_the_users_class_and_line(inplace: bool) -> None:
    origins = _origins(traced(Blocks(inplace), (2, 3, 4, 4)).graph_module.graph)
    assert {origin.module for origin in origins if "conv" in origin.name} == {
        "blocks.0.layers.0",
        "blocks.1.layers.0",
    }
    lines = Path(__file__).read_text().splitlines()
    for origin in origins:
        module, kind, line = origin.location.split(":")
        assert (module, kind) == (__name__, "Block")
        # torch's own layers belong to the user's module that holds them, and to the line that calls them
        assert lines[int(line) - 1].strip() == "return self.layers(x) + 1"


@pytest.mark.parametrize(
    "model",
    [
        Blocks(),
        Blocks(inplace=True),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()),
        Lambda(lambda m, x: x[:, :, 0, 0].softmax(-1)),
        ResNet(),
    ],
    ids=["blocks", "in place", "torch only", "function", "resnet"],
)
def test_locations_hold_no_path_and_survive_a_second_export(model: nn.Module) -> None:
    before = traced(model, (1, 3, 32, 32))
    first, again = _origins(before.graph_module.graph), _origins(lower(before).graph)
    for origin in (*first, *again):
        assert _LOCATION.fullmatch(origin.location), origin
        assert not set("/\\") & set(str(origin)), origin
    assert {(origin.module, origin.location) for origin in again} == {
        (origin.module, origin.location) for origin in first
    }


def test_a_class_inside_a_function() -> None:
    class Local(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    (origin,) = _origins(traced(Local(), (2, 3)).graph_module.graph)
    assert _LOCATION.fullmatch(origin.location)
    assert "Local" in origin.location


# --- What is refused ----------------------------------------------------------------------------


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Loops(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(x.abs().max())):
            x = x + 1
        return x


class LeavesTorch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() + 1)


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("first line\nsecond line\nthird line\nfourth line")


class WrongShape(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.ones(7, 7)


class Leaves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        sys.exit(3)


ON_VALUES = "torch.export cannot follow the model: what is computed depends on a tensor's values"
DOES_NOT_RUN = r"the model does not run on x0 float32 \[2, 3\]: "


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Branches(), ON_VALUES),
        (Loops(), ON_VALUES),
        (LeavesTorch(), "torch.export cannot follow the model: "),
        (Fails(), f"{DOES_NOT_RUN}RuntimeError: first line$"),
        (WrongShape(), f"{DOES_NOT_RUN}RuntimeError: "),
        (Leaves(), f"{DOES_NOT_RUN}SystemExit: 3"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_cannot_be_followed_is_refused_in_three_lines_with_its_own(model: nn.Module, said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        traced(model, (2, 3))
    first, where, _ = str(caught.value).splitlines()
    assert re.match(said, first), first
    assert re.fullmatch(rf"where: the model \({__name__}:{type(model).__name__}:\d+\)", where)


class Pair(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second


class ByNameAlone(nn.Module):
    def forward(self, first: Tensor, *, second: Tensor) -> Tensor:
        return first + second


class Layers(nn.Sequential):
    """Torch's own forward calls its layers."""


class Holds(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x) + self.part(x)


def _narrow(size: int) -> nn.Module:
    return nn.Linear(size, 3)


@pytest.mark.parametrize(
    ("model", "module", "line"),
    [
        (Pair(), "the model", "Pair:def forward(self, first: Tensor, second: Tensor)"),
        (ByNameAlone(), "the model", "ByNameAlone:def forward(self, first: Tensor, *, second: Tensor)"),
        (Holds(Pair()), "part", "Holds:return self.part(x) + self.part(x)"),
        (Holds(_narrow(7)), "part", "Holds:return self.part(x) + self.part(x)"),
        (Holds(nn.Sequential(nn.ReLU(), _narrow(7))), "part.1", "Holds:return self.part(x) + self.part(x)"),
        (Holds(nn.Sequential(WrongShape())), "part.0", "WrongShape:return x @ torch.ones(7, 7)"),
        (Layers(nn.ReLU(), _narrow(7)), "1", "Layers:class Layers(nn.Sequential)"),
        (Holds(Branches()), "part", "Branches:return x if x.sum() > 0"),
        (Holds(Lambda(lambda m, x: x.reshape(7))), "part", "lambda:(Holds(Lambda(lambda m, x: x.reshape(7)))"),
    ],
)  # fmt: skip
def test_what_a_module_raises_is_told_by_the_innermost_module_and_line(
    model: nn.Module, module: str, line: str
) -> None:
    """Of what no line of the user's was at, by where that is defined."""
    with pytest.raises(UnsupportedError) as caught:
        traced(model, (2, 3))
    kind, _, text = line.partition(":")
    found = re.fullmatch(rf"where: {re.escape(module)} \({__name__}:{kind}:(\d+)\)", caught.value.lines[1])
    assert found, caught.value.lines
    assert Path(__file__).read_text().splitlines()[int(found[1]) - 1].strip().startswith(text)


def test_a_wrong_number_of_inputs_is_answered_with_how_to_declare_them() -> None:
    for model in (Pair(), ByNameAlone()):
        with pytest.raises(UnsupportedError, match=r"--input first=2x3 --input second=2x3$"):
            traced(model, (2, 3))
    with pytest.raises(UnsupportedError, match=r"forward takes x: .* --input x=2x3$"):
        traced(Branches(), (2, 3), (4,))


def test_the_line_of_an_inherited_forward_is_told_by_the_file_that_it_is_in() -> None:
    class Inherits(Lambda):
        pass

    (origin,) = _origins(traced(Inherits(lambda m, x: x * 2), (2, 3)).graph_module.graph)
    assert re.fullmatch(r"proof:forward:\d+", origin.location)


def test_a_shape_that_depends_on_values_is_refused_with_its_line() -> None:
    words = r"the shape of output output depends on values: \[u0, 2\]\nwhere: .*proof:Lambda:\d+"
    with pytest.raises(UnsupportedError, match=words):
        traced(Lambda(lambda m, x: torch.nonzero(x > 0)), (2, 3))


def test_a_wrong_number_of_names_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="1 output, and 2 names"):
        trace(nn.Identity(), [TensorSpec("x", (2, 3))], ["one", "two"])


@pytest.mark.parametrize(
    "law", [lambda m, x: x.double(), lambda m, x: torch.fft.fft(x)], ids=["float64", "complex"]
)
def test_outputs_of_other_types_are_refused(law: Callable[..., object]) -> None:
    words = r"output output is of torch\.(float64|complex64), not a tensor of .*\nwhere: .*:Lambda:\d+\)\nreturn it as"
    with pytest.raises(UnsupportedError, match=words):
        traced(Lambda(law), (2, 3))


def test_flat_outputs_equal_the_modules() -> None:
    model = fill(Lambda(lambda m, x: (m.conv(x), {"sum": x.sum((2, 3))}), conv=nn.Conv2d(3, 4, 1)))
    (x,) = random_inputs([(2, 3, 4, 4)])
    for have, want in zip(
        in_float64(traced(model, (2, 3, 4, 4)).graph_module)(x),
        outputs(copy.deepcopy(model).double()(x)),
        strict=True,
    ):
        assert_equal(have, want)


def test_memory_that_is_asked_for_is_zero() -> None:
    """What is in it else is another number each time, and another one in each kind of number."""

    def law(_: nn.Module, x: Tensor) -> Tensor:
        found = torch.empty_like(x)
        found[:, :1] = x[:, :1]
        found[:, 1:] = x[:, 1:] + x.new_empty(3, 2, 4).fill_(1.0) + torch.empty(4).zero_()
        return found

    found = traced(Lambda(law), (3, 3, 4))
    targets = {str(node.target) for node in found.graph_module.graph.nodes}
    assert not any("empty" in target for target in targets)
    x = torch.randn(3, 3, 4)
    assert torch.equal(found.graph_module(x)[0], law(nn.Identity(), x))


def test_what_torch_has_no_gradient_for_is_traced() -> None:
    """The scales come from the weight, which is learned, and is so afterwards."""

    def law(module: nn.Module, x: Tensor) -> Tensor:
        zero = torch.zeros(4, dtype=torch.int32)
        scale = module.weight.abs().amax(1) / 7
        return x @ torch.fake_quantize_per_channel_affine(module.weight, scale, zero, 0, -8, 7)

    module = Lambda(law, weight=nn.Parameter(torch.randn(4, 5)))
    found, x = traced(module, (2, 4)), torch.randn(2, 4)
    with torch.no_grad():
        assert torch.equal(found.graph_module(x)[0], module(x))
    assert module.weight.requires_grad


def test_what_stands_below_a_with_statement_is_seen() -> None:
    """Without gradients, or in the model's own types: passes rewrite what they see."""

    def law(module: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad():
            table = (torch.arange(4.0) * module.rate).cos()
        with torch.autocast("cpu", enabled=False):
            y = x.float() * table
        return module.layer(y)

    module = Lambda(law, rate=torch.tensor(0.5), layer=nn.Linear(4, 3))
    found, x = traced(module, (2, 4)), torch.randn(2, 4)
    assert {"aten.cos.default", "aten.mul.Tensor"} <= {
        str(node.target) for node in found.graph_module.graph.nodes
    }
    after, applied = rewritten(found, FoldConstants())
    assert len(applied[0].sites) == 1 and "cos" not in operators(after)
    with torch.no_grad():
        assert torch.equal(after.graph_module(x)[0], module(x))


def test_multiply_adds_are_counted_where_a_parameter_is_an_argument() -> None:
    class Queried(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.layer = nn.Parameter(torch.randn(2, 4)), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.query) + x

    module = Queried()
    assert multiply_adds(module, [TensorSpec("x", (2, 3))]) == 2 * 4 * 3
    assert all(parameter.requires_grad for parameter in module.parameters())
