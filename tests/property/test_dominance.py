"""The law of dominance: an artifact is dominated if and only if another is at least as good in every figure that is shown, and
better in one."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest

from cloformer.export.pareto.figures import FIGURES, Reading
from cloformer.export.pareto.front import Candidate, Front, dominates


def candidate(name: str, **values: float) -> Candidate:
    return Candidate(name, "onnx", "fp32", "a" * 64, {key: Reading(value) for key, value in values.items()})


def fronts() -> Iterator[Front]:
    """Few values, so that many are equal; ratios without noise are infinite."""
    chance = random.Random(0)
    for _ in range(200):
        names = chance.sample(list(FIGURES), chance.randint(1, 4))
        rows = [
            candidate(
                str(place), **{name: chance.choice([1.0, 2.0, 3.0, math.inf, -math.inf]) for name in names}
            )
            for place in range(chance.randint(1, 9))
        ]
        yield Front(tuple(FIGURES[name] for name in names), tuple(rows))


def goodness(front: Front, place: int) -> list[float]:
    """Its values, larger ones better."""
    item = front.candidates[place]
    return [(-1 if figure.smaller_is_better else 1) * item.value(figure) for figure in front.figures]


def test_the_law() -> None:
    for front in fronts():
        good = [goodness(front, place) for place in range(len(front.candidates))]
        for place, own in enumerate(good):
            above = tuple(
                other
                for other, theirs in enumerate(good)
                if all(one >= two for one, two in zip(theirs, own, strict=True)) and theirs != own
            )
            assert front.dominators[place] == above
        assert front.undominated == [place for place, above in enumerate(front.dominators) if not above]


def test_what_is_dominated_is_so_by_one_that_is_not() -> None:
    """So that naming those alone names somebody; and none is better than itself, or than one that is better than it."""
    for front in fronts():
        assert front.undominated
        for place, above in enumerate(front.dominators):
            assert place not in above
            assert not above or set(above) & set(front.undominated)
            assert all(place not in front.dominators[other] for other in above)


def test_a_figure_that_is_not_shown_decides_nothing() -> None:
    one, other = candidate("one", size=1.0, top1=0.5), candidate("other", size=2.0, top1=0.9)
    size, top1 = FIGURES["size"], FIGURES["top1"]
    assert dominates(one, other, [size])
    assert dominates(other, one, [top1])
    assert not dominates(one, other, [size, top1]) and not dominates(other, one, [size, top1])


@pytest.mark.parametrize("name", FIGURES)
def test_better_has_one_direction(name: str) -> None:
    figure = FIGURES[name]
    assert figure.is_better(1.0, 2.0) is figure.smaller_is_better
    assert figure.is_better(2.0, 1.0) is not figure.smaller_is_better
    assert not figure.is_better(1.0, 1.0)
