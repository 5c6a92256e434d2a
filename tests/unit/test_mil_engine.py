"""The published cliffs of the Neural Engine: each is met beyond its edge and not before, and elsewhere nothing is changed."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import typer
from benchmarks.arithmetics import DOCUMENT, rules
from torch import Tensor

from cloformer.export.commands.parity import parity
from cloformer.export.formats.coreml import cliffs
from cloformer.export.formats.coreml.cliffs import CLIFFS, Cliff, CliffMet
from cloformer.export.formats.coreml.mil import (
    Arithmetic,
    Constant,
    Function,
    Interpreter,
    Operation,
    TensorType,
    Value,
)
from cloformer.export.formats.coreml.mil.engine import RULES
from cloformer.export.formats.coreml.mil.program import Argument

KINDS = {torch.float16: "float16", torch.float32: "float32", torch.bool: "bool", torch.int32: "int32"}
INFINITE, NONE = math.inf, math.nan


def half(value: object) -> Tensor:
    return torch.tensor(value, dtype=torch.float16)


@dataclass
class Draft:
    """A function as it is written down, operator by operator; its one input is ``x``."""

    x: Tensor
    dtype: str = "float16"
    operations: list[Operation] = field(default_factory=list)

    def add(self, kind: str, shape: tuple[int, ...], **given: object) -> str:
        """One more operator; arguments are names of values, texts in a list, or constants. Its value's name."""
        name = f"{kind}_{len(self.operations)}"
        inputs = {key: _argument(value) for key, value in given.items()}
        self.operations.append(
            Operation(kind, name, inputs, (Value(name, TensorType(self.dtype, shape)),), "main/0")
        )
        return name

    def run(self, arithmetic: Arithmetic) -> tuple[np.ndarray, list[CliffMet]]:
        """What the last operator gives, and the cliffs that were met."""
        last = self.operations[-1].outputs[0].name
        given = Value("x", TensorType(self.dtype, tuple(self.x.shape)))
        function = Function("main", "CoreML6", (given,), tuple(self.operations), (last,))
        met: list[CliffMet] = []
        found = Interpreter(function, arithmetic).run({"x": self.x.numpy()}, on_cliff=met.append)[last]
        assert isinstance(found, np.ndarray)
        return found, met


def _argument(value: object) -> Argument:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):  # a text
        return (Constant(TensorType("string", ()), value[0]),)
    tensor = value if isinstance(value, Tensor) else half(value)
    return (Constant(TensorType(KINDS[tensor.dtype], tuple(tensor.shape)), tensor),)


def one(kind: str, x: Tensor, shape: tuple[int, ...], dtype: str = "float16", **given: object) -> Draft:
    draft = Draft(x, dtype)
    draft.add(kind, shape, x="x", **given)
    return draft


def softplus(largest: float) -> Draft:
    return one("softplus", half([-3.0, 0.0, largest]), (3,))


def log_sum_exp(each: float, channels: int = 32) -> Draft:
    axes, keep = torch.tensor([1], dtype=torch.int32), torch.tensor(True)
    return one("reduce_log_sum_exp", half([[each] * channels]), (1, 1), axes=axes, keep_dims=keep)


def exponentials(each: float) -> Draft:
    """The logarithm of the sum of the exponentials of 32 channels, written out."""
    draft = Draft(half([[each] * 32]))
    terms = draft.add("exp", (1, 32), x="x")
    axes, keep = torch.tensor([1], dtype=torch.int32), torch.tensor(True)
    total = draft.add("reduce_sum", (1, 1), x=terms, axes=axes, keep_dims=keep)
    draft.add("log", (1, 1), x=total, epsilon=0.0)
    return draft


def one_and_exponential(largest: float) -> Draft:
    draft = Draft(half([0.0, largest]))
    total = draft.add("add", (2,), x=draft.add("exp", (2,), x="x"), y=1.0)
    draft.add("log", (2,), x=total, epsilon=0.0)
    return draft


def hardswish(draft: Draft, value: str, shape: tuple[int, ...], alpha: float = 1 / 6) -> None:
    """As coremltools writes it."""
    bounded = draft.add("thresholded_relu", shape, x=value, alpha=-3.0)
    gate = draft.add("sigmoid_hard", shape, x=bounded, alpha=alpha, beta=0.5)
    draft.add("mul", shape, x=bounded, y=gate)


def head(kind: str, *, rank: int = 2, alpha: float = 1 / 6, biased: bool = False) -> Draft:
    """A product of ``rank`` axes, and hardswish; with a bias apart, where it is no ``linear``'s own."""
    draft = Draft(half(np.linspace(-2, 2, 6)).reshape(*[1] * (rank - 2), 2, 3))
    weight, shape = half(np.linspace(-1, 2, 12)).reshape(3, 4), (*[1] * (rank - 2), 2, 4)
    given = {"weight": weight.T.contiguous()} if kind == "linear" else {"y": weight}
    value = draft.add(kind, shape, x="x", **given)
    value = draft.add("add", shape, x=value, y=half([0.5] * 4)) if biased else value
    hardswish(draft, value, shape, alpha)
    return draft


def slice_off(largest: float, begin: tuple[int, ...], **given: object) -> Draft:
    x = half(np.full((1, 2, 3, 4), largest))
    x[..., 0, 0] = 1.0
    sizes = tuple(size - first for size, first in zip(x.shape, begin, strict=True))
    places = torch.tensor(begin, dtype=torch.int32)
    end = torch.tensor(x.shape, dtype=torch.int32)
    return one("slice_by_index", x, sizes, begin=places, end=end, **given)


def product(kind: str, total: float) -> Draft:
    """Two products of the same size, added up."""
    if kind == "conv":
        weight = half([[[[total / 2]], [[total / 2]]]])
        return one("conv", half(np.ones((1, 2, 1, 1))), (1, 1, 1, 1), weight=weight)
    weight = half([[total / 2, total / 2]])
    given = {"weight": weight} if kind == "linear" else {"y": weight.T.contiguous()}
    return one(kind, half([[1.0, 1.0]]), (1, 1), **given)


BEYOND: dict[str, tuple[Draft, Cliff, int]] = {
    "softplus": (softplus(10.40), cliffs.SOFTPLUS, 1),
    "softplus of infinity": (softplus(INFINITE), cliffs.SOFTPLUS, 1),
    "logsumexp": (log_sum_exp(7.63), cliffs.LOG_SUM_EXP, 1),
    "logsumexp of two": (log_sum_exp(10.41, 2), cliffs.LOG_SUM_EXP, 1),
    "logsumexp written out": (exponentials(7.63), cliffs.EXPONENTIALS, 1),
    "softplus written out": (one_and_exponential(11.1), cliffs.EXPONENTIALS, 1),
    "hardswish after linear": (head("linear"), cliffs.FLAT_PRODUCT, 8),
    "hardswish after matmul": (head("matmul"), cliffs.FLAT_PRODUCT, 8),
    "hardswish after a bias": (head("matmul", biased=True), cliffs.FLAT_PRODUCT, 8),
    "slice": (slice_off(4096.0, (0, 0, 0, 1)), cliffs.SLICE, 18),
    "slice of negative numbers": (slice_off(-4096.0, (0, 0, 0, 2)), cliffs.SLICE, 12),
    "slice from the end": (slice_off(5000.0, (0, 0, 0, 1), end_mask=torch.tensor([True] * 4)), cliffs.SLICE, 18),
    "linear": (product("linear", 32768.0), cliffs.PRODUCT, 1),
    "linear below zero": (product("linear", -40000.0), cliffs.PRODUCT, 1),
    "matmul": (product("matmul", 32768.0), cliffs.PRODUCT, 1),
    "conv": (product("conv", 32768.0), cliffs.PRODUCT, 1),
    "root of -1": (one("sqrt", half([-1.0, 4.0]), (2,)), cliffs.NO_NUMBER, 1),
    "infinity less infinity": (one("sub", half([INFINITE, 1.0]), (2,), y=half([INFINITE, 1.0])), cliffs.NO_NUMBER, 1),
    "infinity times 0": (one("mul", half([INFINITE, 1.0]), (2,), y=half([0.0, 1.0])), cliffs.NO_NUMBER, 1),
    "softmax of infinity": (one("softmax", half([INFINITE, 1.0]), (2,)), cliffs.NO_NUMBER, 2),
    "softsign of infinity": (one("softsign", half([INFINITE, 1.0]), (2,)), cliffs.NO_NUMBER, 1),
}  # fmt: skip
GIVES = {
    "softplus": [0.0],
    "softplus of infinity": [0.0],
    "logsumexp": [0.0],
    "logsumexp of two": [0.0],
    "logsumexp written out": [0.0],
    "softplus written out": [0.0],
    "slice": [INFINITE] * 18,
    "slice of negative numbers": [-INFINITE] * 12,
    "slice from the end": [INFINITE] * 18,
    "linear": [INFINITE],
    "linear below zero": [-INFINITE],
    "matmul": [INFINITE],
    "conv": [INFINITE],
    "root of -1": [0.0],
    "infinity less infinity": [0.0],
    "infinity times 0": [0.0],
    "softmax of infinity": [1.0, 0.0],
    "softsign of infinity": [0.0],
}
BEFORE: dict[str, Draft] = {
    "softplus": softplus(10.39),
    "softplus far below": softplus(-100.0),
    "logsumexp": log_sum_exp(7.62),
    "logsumexp of two": log_sum_exp(10.39, 2),
    "logsumexp written out": exponentials(7.62),
    "softplus written out": one_and_exponential(11.08),
    "exponential alone": one("exp", half([20.0]), (1,)),
    "logarithm of what is large": one("log", half([65504.0]), (1,), epsilon=0.0),
    "hardswish at rank 3": head("matmul", rank=3),
    "hardswish at rank 4": head("matmul", rank=4),
    "another gate": head("linear", alpha=0.2),
    "slice": slice_off(4094.0, (0, 0, 0, 1)),
    "slice of the height": slice_off(5000.0, (0, 0, 1, 0)),
    "slice of channels": slice_off(5000.0, (0, 1, 0, 0)),
    "slice from the first": slice_off(5000.0, (0, 0, 0, 0)),
    "slice whose begin is masked": slice_off(5000.0, (0, 0, 0, 0), begin_mask=torch.tensor([True] * 4)),
    "slice of a row": one("slice_by_size", half([5000.0] * 4), (3,), begin=torch.tensor([1]).int(), size=torch.tensor([3]).int()),
    "linear": product("linear", 32752.0),
    "matmul": product("matmul", -32752.0),
    "conv": product("conv", 32752.0),
    "conv of one tap": one("conv", half([[[[60000.0]]]]), (1, 1, 1, 1), weight=half([[[[1.0]]]])),
    "sum": one("reduce_sum", half([30000.0, 30000.0]), (), keep_dims=torch.tensor(False)),
    "mul": one("mul", half([200.0]), (1,), y=half([200.0])),
    "in float32": one("softplus", torch.tensor([20.0]), (1,), "float32"),
    "product in float32": one("linear", torch.ones(1, 2), (1, 1), "float32", weight=torch.full((1, 2), 5e4)),
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND)
def test_beyond_its_edge_a_cliff_is_met_and_named(name: str) -> None:
    """What stands there differs from wide arithmetic at the places that are counted, and nowhere else."""
    draft, cliff, count = BEYOND[name]
    found, met = draft.run(Arithmetic.NEURAL_ENGINE)
    wide, foreseen = draft.run(Arithmetic.WIDE)
    (item,) = met
    assert item.cliff is cliff and item.count == count and item.of == found.size
    assert item.value == draft.operations[-1].outputs[0].name and item.kind == draft.operations[-1].kind
    assert [(other.cliff, other.count) for other in foreseen] == [(cliff, count)]  # told, and not computed
    differs = ~((found == wide) | (np.isnan(found) & np.isnan(wide)))
    if name in GIVES:
        assert int(differs.sum()) == count
        assert found[differs].tolist() == GIVES[name]
    else:  # off by a share of each number: of 0 that is none
        assert np.linalg.norm(found - wide) / np.linalg.norm(wide) == pytest.approx(
            cliffs.FLAT_PRODUCT_OFF, rel=0.02
        )


@pytest.mark.parametrize("name", BEFORE)
def test_before_its_edge_nothing_is_changed(name: str) -> None:
    """Equal to wide arithmetic to the bit."""
    found, met = BEFORE[name].run(Arithmetic.NEURAL_ENGINE)
    wide, foreseen = BEFORE[name].run(Arithmetic.WIDE)
    assert not met and not foreseen
    assert found.dtype == wide.dtype and found.tobytes() == wide.tobytes()


def test_every_cliff_is_tried_on_both_sides_and_has_its_words() -> None:
    assert {cliff.name for _, cliff, _ in BEYOND.values()} == {cliff.name for cliff in CLIFFS}
    assert [rule.cliff for rule in RULES] == list(CLIFFS)
    for cliff in CLIFFS:
        assert cliff.source and cliff.published and cliff.assumed and cliff.gives in str(cliff)


def test_what_arrives_as_no_number_is_infinite() -> None:
    found, _ = one("relu", half([NONE, -1.0]), (2,)).run(Arithmetic.NEURAL_ENGINE)
    assert found.tolist() == [INFINITE, 0.0]
    draft = Draft(torch.tensor([NONE, 2.0]), "float32")
    operation = Operation("cast", "y", {"x": ("x",), "dtype": _argument(["fp16"])}, (Value("y", TensorType("float16", (2,))),), "main/0")  # fmt: skip
    draft.operations.append(operation)
    assert draft.run(Arithmetic.NEURAL_ENGINE)[0].tolist() == [INFINITE, 2.0]


def test_sums_are_wide() -> None:
    """Sixteen thousand ones are exact (ane-guide, chapter 3), where a float16 that is counted up stays at 2,048."""
    draft = one("reduce_sum", half([1.0] * 16000), (), keep_dims=torch.tensor(False))
    assert draft.run(Arithmetic.NEURAL_ENGINE)[0] == 16000
    assert draft.run(Arithmetic.NARROW)[0] == 2048


def test_exact_arithmetic_foresees_what_float16_meets() -> None:
    """Headroom reads the cliffs off the exact run: each that needs no number of float16's own."""
    for name, (draft, cliff, count) in BEYOND.items():
        if not np.isfinite(draft.x.numpy()).all() or cliff is cliffs.NO_NUMBER:
            continue
        _, met = draft.run(Arithmetic.EXACT)
        assert [(item.cliff, item.count) for item in met] == [(cliff, count)], name


def test_the_worse_of_two_runs_is_kept() -> None:
    few, many = (
        CliffMet(cliffs.SOFTPLUS, "y", "softplus", (), count, 9, largest)
        for count, largest in ((1, 20.0), (3, 11.0))
    )
    assert few.worse(many) == many.worse(few) == CliffMet(cliffs.SOFTPLUS, "y", "softplus", (), 3, 9, 20.0)
    assert few.worse(None) is few
    assert many.figures == "3 of 9 values, inputs up to 11"


def test_the_command_line_completes_every_arithmetic() -> None:
    hint = typing.get_type_hints(parity, include_extras=True)["arithmetic"]
    (option,) = (item for item in hint.__metadata__ if isinstance(item, typer.models.OptionInfo))
    assert option.autocompletion is not None
    assert sorted(option.autocompletion()) == sorted(item.value for item in Arithmetic)


def test_the_document_has_every_cliff_as_it_is() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert all(line in document for line in rules())
