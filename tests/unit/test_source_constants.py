"""What forward asks of its own constants is answered while it is followed; what it asks of its inputs is not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from proof import Lambda, rewritten, traced
from torch import Tensor, nn

from cloformer.errors import UnsupportedError

SHAPE = (2, 4, 5)
Law = Callable[[nn.Module, Tensor], object]


def _model(law: Law) -> nn.Module:
    return Lambda(
        law,
        is_seen=torch.tensor([True, False, True, True]),
        is_fitted=torch.tensor(1, dtype=torch.uint8),
        scale=torch.tensor(2.5),
        weight=torch.randn(2, 3, 1),
    )


def _fitted(m: nn.Module, x: Tensor) -> Tensor:
    return x * m.scale.item() if m.is_fitted == 1 else x + 1


def _counted(m: nn.Module, x: Tensor) -> Tensor:
    return torch.stack([x * number for number in m.is_seen.int().tolist()])


def _numbered(m: nn.Module, x: Tensor) -> Tensor:
    return x[:, : int(torch.arange(4).argmax())]


@pytest.mark.parametrize(
    "law",
    [
        _fitted,
        _counted,
        _numbered,
        lambda m, x: nn.functional.conv1d(x[:, m.is_seen], m.weight),
        lambda m, x: x[:, [True, False, True, False], 1:],
        lambda m, x: x[..., ~torch.ones(4, 5).triu(1).bool()],
        lambda m, x: x[0, m.is_seen] * m.is_seen.nonzero(),
    ],
)
def test_the_models_constants_answer(law: Law) -> None:
    model, x = _model(law), torch.randn(SHAPE)
    before = traced(model, SHAPE)
    (found,), want = before.graph_module(x), law(model, x)
    assert isinstance(want, Tensor) and torch.equal(found, want)
    assert before.signature.outputs[0].shape == tuple(want.shape)


def _by_an_input(m: nn.Module, x: Tensor) -> Tensor:
    return x[:, torch.arange(4) < int(x.argmax())]


def _by_memory_of_an_input(m: nn.Module, x: Tensor) -> Tensor:
    mask = torch.zeros(4, dtype=torch.bool)
    mask.copy_(x[0, :, 0] > -1e9)
    return x[:, mask]


def _drawn(m: nn.Module, x: Tensor) -> Tensor:
    return x[:, torch.rand(4) > -1]


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x[:, x[0, :, 0] > -1e9],
        lambda m, x: x if x.sum() > -1e9 else -x,
        _by_an_input,
        _by_memory_of_an_input,
        _drawn,
    ],
)
def test_an_input_decides_nothing_beforehand(law: Law) -> None:
    """Not where each of two inputs would give the same answer, either."""
    with pytest.raises(UnsupportedError) as refused:
        traced(_model(law), SHAPE)
    assert len(refused.value.lines) == 3


def _checked(m: nn.Module, x: Tensor) -> Tensor:
    if torch.isnan(x).any() or (x.min() < -1e9 and x.max() > 1e9):
        message = "no numbers"
        raise ValueError(message)
    assert x.max().item() < 1e9, x
    if (x.abs() < 1e9).all():
        y = x * m.scale.item()
    else:
        raise ValueError(x)
    return y


def _distributed(m: nn.Module, x: Tensor) -> Tensor:
    """torch's own distributions check what they are given."""
    normal = torch.distributions.Normal(x, x.square() + 0.1, validate_args=True)
    return normal.log_prob(torch.zeros_like(x)) + normal.entropy()


@pytest.mark.parametrize("law", [_checked, _distributed])
def test_what_only_raises_an_error_is_left_out_and_said(law: Law) -> None:
    """Where the model gives something, it gives the same."""
    model, x = _model(law), torch.randn(SHAPE)
    before = traced(model, SHAPE)
    assert torch.equal(before.graph_module(x)[0], law(model, x))  # type: ignore[arg-type]
    assert before.notes and all(
        re.search(r"checks of its inputs at \w+\.py, line \d+", note) for note in before.notes
    )


def _named(m: nn.Module, x: Tensor) -> Tensor:
    if (largest := x.max().item()) > 1e9:
        raise ValueError
    return x * largest


def _returns(m: nn.Module, x: Tensor) -> Tensor:
    if x.sum() > 1e9:
        if m.scale > 0:
            return x
        raise ValueError
    return -x


@pytest.mark.parametrize("law", [_named, _returns])
def test_a_check_that_decides_something_else_stays_a_question(law: Law) -> None:
    model = _model(law)
    with pytest.raises(UnsupportedError):
        rewritten(traced(model, SHAPE))


def test_the_module_is_as_it_was() -> None:
    model = _model(_fitted)
    traced(model, SHAPE)
    assert "forward" not in vars(model)


def test_a_fake_quantization_whose_observer_is_off() -> None:
    quantization = torch.ao.quantization
    observer = quantization.MovingAverageMinMaxObserver
    fake = quantization.FakeQuantize.with_args(observer=observer, quant_min=0, quant_max=255)()
    fake(torch.randn(5, 5))
    model, x = nn.Sequential(fake.apply(quantization.disable_observer)).eval(), torch.randn(SHAPE)
    assert torch.equal(traced(model, SHAPE).graph_module(x)[0], model(x))
