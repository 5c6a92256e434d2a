"""Truths are summed as whole numbers."""

from proof import Lambda, prove

from cloformer.export.passes.count_in_integers import CountInIntegers


def test_law() -> None:
    law = lambda _, x: ((x > 0).sum(1), (x > 0).sum(), (x < 1).sum((0, 1), keepdim=True))  # noqa: E731
    found = prove(Lambda(law), CountInIntegers(), (3, 4), sites=3)
    assert found.count("_to_copy") == 3


def test_left_alone() -> None:
    prove(Lambda(lambda _, x: (x.sum(1), x.long().sum(1))), CountInIntegers(), (3, 4), sites=0)
