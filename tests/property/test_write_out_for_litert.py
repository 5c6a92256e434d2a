from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from proof import Lambda, prove
from torch import Tensor

from cloformer.export.passes.write_out_for_litert import WriteOutForLitert


def _filled(x: Tensor, value: float | Tensor) -> Tensor:
    y = x * 2
    y[y < 0] = value
    return y


_LAWS: dict[str, tuple[Callable[[Tensor], object], int]] = {
    "where the largest whole number is": (lambda x: (4 * x).long().argmax(1), 1),
    "and the least": (lambda x: (4 * x).long().argmin(-1, keepdim=True), 1),
    "numbers by a mask": (lambda x: _filled(x, 0.5), 1),
    "a variance": (lambda x: x.var(1) + x.var((0, 2), correction=0)[1], 2),
    "a deviation": (lambda x: x.std(-1, keepdim=True) + x.std(), 2),
    "of one number": (lambda x: x[:1].var(0, correction=0), 1),
    "of none": (lambda x: x[:1].var(0).nan_to_num(2.0), 0),
    "of all": (lambda x: (4 * x).long().argmax(), 0),
    "of floats": (lambda x: x.argmax(1), 0),
    "of 32 bits": (lambda x: (4 * x).int().argmax(1), 0),
}


@pytest.mark.parametrize("name", _LAWS)
def test_law(name: str) -> None:
    law, sites = _LAWS[name]
    prove(Lambda(lambda _, x: law(x)), WriteOutForLitert(), (3, 4, 5), sites=sites)


def test_the_first_of_equals() -> None:
    same = torch.tensor([[1, 3, 3], [2, 2, 2], [-(2**62), 2**62, 2**62 - 1]])
    prove(
        Lambda(lambda m, x: m.same.argmax(1) + m.same.argmin(1) + x.long(), same=same),
        WriteOutForLitert(),
        (3,),
        sites=2,
    )
