from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from proof import (
    Lambda,
    assert_equal,
    assert_exports_again,
    in_float64,
    operators,
    outputs,
    random_inputs,
    rewritten,
    traced,
)
from reference_weights import fill
from torch import nn

from cloformer.export.passes.append_softmax import AppendSoftmax


@pytest.mark.parametrize(
    ("law", "shape"),
    [
        (lambda m, x: m.linear(x), (2, 3)),
        (lambda m, x: m.linear(x), (1, 2, 3)),
        (lambda m, x: x, (2, 3)),
        (lambda m, x: (m.linear(x), x + 1), (2, 3)),
        (lambda m, x: ((y := m.linear(x)), y), (2, 3)),
        (lambda m, x: {"logits": m.linear(x), "features": x}, (2, 3)),
        (lambda m, x: m.linear(x) * 300, (2, 3)),
    ],
    ids=[
        "one output",
        "rank three",
        "the input",
        "two outputs",
        "one output twice",
        "named outputs",
        "large logits",
    ],
)
def test_law(law: Callable[..., object], shape: tuple[int, ...]) -> None:
    """The first output becomes probabilities, and no other."""
    model = fill(Lambda(law, linear=nn.Linear(3, 4)))
    before = traced(model, shape)
    wide, applied = rewritten(before, AppendSoftmax(), cast=False)
    assert len(applied[0].sites) == 1
    assert operators(wide).count("softmax") == 1
    inputs = random_inputs([shape])
    with torch.no_grad():
        first, *others = outputs(copy.deepcopy(model).double()(*inputs))
        for have, want in zip(
            in_float64(wide.graph_module)(*inputs), [first.softmax(-1), *others], strict=True
        ):
            assert_equal(have, want)
    assert_exports_again(rewritten(before, AppendSoftmax())[0], [tensor.float() for tensor in inputs])


def test_the_site_is_the_layer_that_made_the_logits() -> None:
    model = Lambda(lambda m, x: m.head(torch.relu(x)), head=nn.Linear(3, 4))
    _, applied = rewritten(traced(model, (2, 3)), AppendSoftmax())
    assert applied[0].sites[0].module == "head"
