from __future__ import annotations

import torch
from proof import Lambda, operators, prove, rewritten, traced

from cloformer.export.passes.take_apart import TakeApart


def _but(*names: str):
    """Knows every operator but these."""
    return lambda target: target._schema.name.partition("::")[2] not in names


def test_law() -> None:
    """What PyTorch lists a decomposition of, what is composite, and what is made of either."""
    model = Lambda(
        lambda _, x, y: [
            torch.addcmul(x, x, y, value=2),
            torch.kron(x, y),
            torch.nn.functional.pairwise_distance(x, y),
            torch.special.xlog1py(x, y.abs()),
            torch.rot90(x),
        ]
    )
    unknown = ("addcmul", "kron", "pairwise_distance", "special_xlog1py", "rot90", "norm")
    found = prove(model, TakeApart(_but(*unknown)), (3, 4), (3, 4), sites=5)
    assert not set(unknown) & set(found)


def test_what_stays_unknown_stays_whole() -> None:
    """A composite operator of something that has no decomposition, and an operator without any."""
    model = Lambda(lambda _, x: [torch.linalg.det(x), torch.erfinv(x)])
    before = traced(model, (3, 3))
    after, (applied,) = rewritten(before, TakeApart(_but("linalg_det", "_linalg_det", "erfinv")))
    assert not applied.sites and operators(after) == operators(rewritten(before)[0])


def test_what_is_known_is_left_alone() -> None:
    prove(Lambda(lambda _, x: torch.addcmul(x, x, x)), TakeApart(_but()), (3, 4), sites=0)
