"""What a module takes and returns is made flat; what no factory should give is refused, with what to do."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.formats.pytorch import ModuleRunner
from cloformer.export.source.fit import fit
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import trace
from cloformer.export.source.usable import usable

X = TensorSpec("x", (2, 3))


class Boxes(NamedTuple):
    corners: Tensor
    scores: Tensor


@dataclasses.dataclass
class Found:
    corners: Tensor
    scores: Tensor
    masks: Tensor | None = None


@dataclasses.dataclass
class Outputs(collections.OrderedDict[str, Any]):
    """A data class that is a dictionary of what it has, as in other libraries."""

    logits: Tensor | None = None
    loss: Tensor | None = None
    hidden: tuple[Tensor, ...] | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)


class Returns(nn.Module):
    def __init__(self, law: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.law, self.weight = law, nn.Parameter(torch.arange(3.0))

    def forward(self, x: Tensor) -> object:
        return self.law(x * self.weight)


RETURNED: dict[str, tuple[Callable[[Tensor], object], tuple[str, ...], int]] = {
    "a tensor": (lambda x: x, (), 1),
    "a tuple": (lambda x: (x, x + 1), (), 2),
    "one tensor twice": (lambda x: [x, x.relu(), x], (), 3),
    "a dictionary": (lambda x: {"corners": x, "scores": x + 1}, ("corners", "scores"), 2),
    "keys that are no names": (lambda x: {"my map": x, "2": x, "": x, 5: x}, ("my_map", "output_2", "output_2_2", "output_3"), 4),
    "nested": (lambda x: {"a": [x, (x, {"b": x})], "c": x}, ("a_0", "a_1_0", "a_1_1_b", "c"), 4),
    "two that are called alike": (lambda x: {"a": {"b": x}, "a_b": x}, ("a_b", "a_b_2"), 2),
    "the name of an input": (lambda x: {"x": x}, ("x_out",), 1),
    "a named tuple": (lambda x: Boxes(x, x + 1), ("corners", "scores"), 2),
    "a data class": (lambda x: Found(x, x + 1), ("corners", "scores"), 2),
    "a data class that is a dictionary": (lambda x: Outputs(x, None, (x, x)), ("logits", "hidden_0", "hidden_1"), 3),
    "a dictionary in a tuple": (lambda x: (x, {"b": x}), ("output_0", "output_1_b"), 2),
    "None and numbers beside it": (lambda x: {"loss": None, "map": x, "stride": 8, "name": "cat"}, ("map",), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", RETURNED)
def test_what_a_module_returns_is_flat_and_named(name: str) -> None:
    law, names, count = RETURNED[name]
    model = Returns(law)
    fitted = fit(model, [X])
    assert (fitted.names, fitted.is_alone) == (names, count == 1)
    traced = trace(model, fitted.inputs, fitted.names)
    x = torch.rand(2, 3)
    (first, *_) = traced.graph_module(x)
    given = ModuleRunner(model, traced.signature).run({"x": x.numpy()})
    assert len(given) == len(traced.signature.outputs) == count
    assert torch.equal(torch.from_numpy(next(iter(given.values()))), first)


def test_what_is_left_out_is_said_and_each_place_is_counted() -> None:
    left_out = fit(Returns(RETURNED["None and numbers beside it"][0]), [X]).notes
    assert left_out == (
        "output 1 of 4 is None in evaluation mode, and was left out",
        "output 3 of 4 is the number 8, and was left out",
        "output 4 of 4 is no tensor but a str, and was left out",
    )


@pytest.mark.parametrize(
    ("law", "words"), [(lambda x: None, "NoneType"), (lambda x: (3, "cat"), "int, str"), (lambda x: [], "nothing")]
)  # fmt: skip
def test_a_module_without_tensors_is_refused(law: Callable[[Tensor], object], words: str) -> None:
    with pytest.raises(UnsupportedError, match=f"returns no tensor, but {words}"):
        fit(Returns(law), [X])


# --- What it takes ------------------------------------------------------------------------------


class InOrder(nn.Module):
    def forward(
        self, image: Tensor, scale: Tensor, bias: Tensor | None = None, *, twice: Tensor | None = None
    ):  # type: ignore[no-untyped-def]
        y = image * scale if bias is None else image * scale + bias
        return y if twice is None else y + 2 * twice


class InADictionary(nn.Module):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["image"] * batch["scale"]


class InAList(nn.Module):
    def forward(self, batch: list[Tensor]) -> Tensor:
        return batch[0] * batch[1]


class InAClass(nn.Module):
    def forward(self, boxes: Boxes) -> Tensor:
        return boxes.corners * boxes.scores


class Starred(nn.Module):
    def forward(self, *given: Tensor) -> Tensor:
        return given[0] * given[1]


# The names of the inputs in order, and of which of them the module is to give first * second (+ the third).
TAKEN: list[tuple[type[nn.Module], list[str], list[int]]] = [
    (InOrder, ["image", "scale"], [0, 1]),
    (InOrder, ["a", "b", "c"], [0, 1, 2]),
    (InOrder, ["scale", "image", "bias"], [1, 0, 2]),
    (InOrder, ["image", "bias", "scale"], [0, 2, 1]),
    (InADictionary, ["scale", "image"], [0, 1]),
    (InAList, ["a", "b"], [0, 1]),
    (InAClass, ["scores", "corners"], [0, 1]),
    (Starred, ["a", "b"], [0, 1]),
]


@pytest.mark.parametrize(
    ("kind", "names", "order"), TAKEN, ids=lambda given: getattr(given, "__name__", None)
)
def test_inputs_are_given_as_the_module_takes_them(
    kind: type[nn.Module], names: list[str], order: list[int]
) -> None:
    model = kind()
    specs = [TensorSpec(name, (2, 3)) for name in names]
    fit(model, specs)
    tensors = [torch.rand(2, 3) for _ in names]
    first, second, *third = (tensors[place] for place in order)
    want = first * second + third[0] if third else first * second
    assert torch.equal(trace(model, specs).graph_module(*tensors)[0], want)
    assert type(model).__qualname__ == kind.__qualname__


def test_an_argument_by_name_alone() -> None:
    model = InOrder()
    specs = [TensorSpec(name, (2, 3)) for name in ("twice", "scale", "image")]
    fit(model, specs)
    twice, scale, image = (torch.rand(2, 3) for _ in specs)
    assert torch.equal(trace(model, specs).graph_module(twice, scale, image)[0], image * scale + 2 * twice)


def test_what_it_does_not_run_on_is_said_with_its_line() -> None:
    words = r"does not run on a float32 \[2, 3\], b float32 \[2, 4\]: RuntimeError: .*\nwhere: the model \(test_source_fit:Starred:\d+\)"
    with pytest.raises(UnsupportedError, match=words):
        fit(Starred(), [TensorSpec("a", (2, 3)), TensorSpec("b", (2, 4))])


# --- What it is made of -------------------------------------------------------------------------


class FollowsItsWeights(nn.Module):
    def __init__(self, narrow: bool) -> None:
        super().__init__()
        self.layer, self.narrow = nn.Linear(3, 4).bfloat16(), narrow

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x.bfloat16() if self.narrow else x.to(self.layer.weight.dtype))
        return y.float()


@pytest.mark.parametrize("narrow", [False, True])
def test_narrow_weights_become_float32_but_where_forward_itself_narrows(narrow: bool) -> None:
    model = FollowsItsWeights(narrow)
    before = model.layer.weight.detach().clone()
    notes = fit(model, [X]).notes
    assert notes == (() if narrow else ("the weights are bfloat16, and were exported as float32",))
    assert model.layer.weight.dtype is (torch.bfloat16 if narrow else torch.float32)
    assert torch.equal(model.layer.weight.to(torch.bfloat16), before)


class Counts(nn.Module):
    """Numbers its calls, and keeps a mean of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.mean.mul_(0.9).add_(x.mean(0))
        return (x - self.mean) * self.calls


def test_what_forward_keeps_for_the_next_call_is_as_it_was_and_said() -> None:
    model = Counts()
    fitted = fit(model, [X])
    traced = trace(model, fitted.inputs)
    x = torch.rand(2, 3)
    want = x - x.mean(0)
    for _ in range(2):
        assert torch.allclose(traced.graph_module(x)[0], want)
        given = ModuleRunner(model, traced.signature).run({"x": x.numpy()})["output"]
        assert torch.allclose(torch.from_numpy(given), want)
    assert model.calls == 0 and not model.mean.any()
    assert [note.partition(":")[0] for note in traced.notes] == [
        "forward writes to calls",
        "forward writes to mean",
    ]


def test_hooks_are_part_of_the_model() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    model[0].register_forward_hook(lambda _module, _given, found: found * 2)
    model[1].register_forward_pre_hook(lambda _module, given: (given[0] + 1,))
    model.register_forward_hook(lambda _module, _given, found: {"kept": found, "none": None})
    fitted = fit(model, [X])
    x = torch.rand(2, 3)
    assert fitted.names == ("kept",)
    assert torch.equal(
        trace(model, fitted.inputs).graph_module(x)[0],
        (model[0].weight @ x.T).T.add(model[0].bias).mul(2).add(1).relu(),
    )


def _compiled() -> nn.Module:
    return torch.compile(nn.Linear(3, 4))  # type: ignore[return-value]


def _program() -> nn.Module:
    return torch.export.export(nn.Linear(3, 4), (torch.ones(2, 3),)).module()


@pytest.mark.parametrize("make", [lambda: nn.DataParallel(nn.Linear(3, 4)), _compiled, _program])
def test_what_is_put_around_a_module_is_taken_away(make: Callable[[], nn.Module]) -> None:
    model = usable(make(), "it")
    fitted = fit(model, [X])
    assert [spec.shape for spec in trace(model, fitted.inputs).signature.outputs] == [(2, 4)]


def _meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(3, 4)


def _sparse() -> nn.Module:
    model = nn.Linear(3, 4)
    model.weight = nn.Parameter(model.weight.detach().to_sparse(), requires_grad=False)
    return model


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_meta, "weight is on the meta device.*load its weights in the factory"),
        (lambda: nn.LazyLinear(4), "weight has no shape yet.*run the module once"),
        (_sparse, "weight is a sparse tensor.*to_dense"),
        (lambda: torch.jit.script(nn.Linear(3, 4)), "it is a TorchScript module.*return the module that"),
        (lambda: nn.Sequential(torch.jit.script(nn.Linear(3, 4))), "its part 0 is a TorchScript module"),
        (lambda: torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 4))), "is quantized by torch.*--precision"),
    ],
    ids=["meta", "lazy", "sparse", "script", "part", "quantized"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_what_no_factory_should_give_is_refused(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(InputError, match=re.compile(f"^it: .*{words}", re.DOTALL)):
        usable(make(), "it")


class Draws(nn.Module):
    def __init__(self, law: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.law = law

    def forward(self, x: Tensor) -> Tensor:
        return self.law(x)


def test_random_numbers_are_refused_and_layers_that_draw_in_training_are_not() -> None:
    for law in (
        lambda x: x + torch.randn_like(x),
        lambda x: nn.functional.dropout(x, 0.5, True),
        torch.bernoulli,
    ):
        with pytest.raises(
            UnsupportedError, match=r"draws random numbers in evaluation mode: aten.*\nwhere: .*Draws"
        ):
            trace(Draws(law), [X])
    trace(nn.Sequential(nn.Dropout(0.5), nn.RReLU(), nn.LSTM(3, 4, 2, dropout=0.5)), [X])


@pytest.mark.parametrize("is_causal", [True, False])
def test_masks_of_encoders_and_decoders_are_traced_as_they_are_given(is_causal: bool) -> None:
    """PyTorch compares them with a causal one; what it computes is the same."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            options = {"nhead": 2, "dim_feedforward": 8, "batch_first": True}
            encoding, decoding = (
                nn.TransformerEncoderLayer(8, **options),
                nn.TransformerDecoderLayer(8, **options),
            )
            self.encoder = nn.TransformerEncoder(encoding, 1, enable_nested_tensor=False)
            self.decoder = nn.TransformerDecoder(decoding, 1)

        def forward(self, x: Tensor) -> Tensor:
            mask = torch.full((5, 5), -torch.inf).triu(1 if is_causal else 2)
            return self.decoder(x, self.encoder(x, mask=mask), tgt_mask=mask)

    torch.manual_seed(0)
    model, x = Masked().eval(), torch.randn(2, 5, 8)
    found = trace(model, [TensorSpec("x", (2, 5, 8))]).graph_module(x)
    with torch.no_grad():
        torch.testing.assert_close(found[0] if isinstance(found, (list, tuple)) else found, model(x))
