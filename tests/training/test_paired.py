"""The interval of a drop of accuracy: published numbers, a likelihood that SciPy maximizes, and how often it covers the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from cloformer.export.accuracy.paired import Drop, score_interval
from cloformer.export.accuracy.scores import Z

# First only, second only, pairs; the interval as it is printed.
PUBLISHED = {
    "Tango 1998, 32 pairs": ((9, 3, 32), (-0.027, 0.390)),
    "Agresti and Min 2005, 86 pairs": ((16, 8, 86), (-0.020, 0.207)),
    "M.-L. Tang and others 2010, 14 pairs": ((3, 1, 14), (-0.1670, 0.4327)),
    "Fagerland, Lydersen and Laake 2014, Bentur's 21 pairs": ((1, 7, 21), (-0.517, -0.026)),
    "Fagerland, Lydersen and Laake 2017, Cavo's 161 pairs": ((6, 16, 161), (-0.1240, -0.0054)),
    "Chang and others 2024, 102 pairs": ((25, 2, 102), (0.139, 0.321)),
}


@pytest.mark.parametrize(("counts", "printed"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_intervals(counts: tuple[int, int, int], printed: tuple[float, float]) -> None:
    digits = 4 if any(round(end, 3) != end for end in printed) else 3
    assert tuple(round(end, digits) for end in score_interval(*counts)) == printed


def log_likelihood(q: float, drop: float, lost: int, gained: int, images: int) -> float:
    """Of ``gained`` with probability q, ``lost`` with q + drop, and the rest."""
    parts = ((gained, q), (lost, q + drop), (images - lost - gained, 1 - 2 * q - drop))
    if any(share <= 0 < number for number, share in parts):
        return -math.inf
    return sum(number * math.log(share) for number, share in parts if number)


def statistic(drop: float, lost: int, gained: int, images: int) -> float:
    """Of the score test, by a likelihood that is maximized numerically."""
    low, high = max(0.0, -drop), (1 - drop) / 2
    grid = np.linspace(low, high, 2001)[1:-1]
    best = grid[int(np.argmax([log_likelihood(q, drop, lost, gained, images) for q in grid]))]
    step = (high - low) / 2000
    found = minimize_scalar(
        lambda q: -log_likelihood(q, drop, lost, gained, images),
        bounds=(max(low, best - step), min(high, best + step)), method="bounded", options={"xatol": 1e-12},
    )  # fmt: skip
    q = float(found.x)
    return (lost - gained - images * drop) / math.sqrt(images * (2 * q + drop * (1 - drop)))


@pytest.mark.parametrize(
    "counts", [(2, 1, 125), (9, 3, 32), (0, 4, 60), (30, 28, 10_000), (40, 0, 60), (1, 50, 55)]
)
def test_an_end_is_where_the_score_test_refuses(counts: tuple[int, int, int]) -> None:
    low, high = score_interval(*counts)
    assert statistic(low, *counts) == pytest.approx(Z, abs=2e-3)
    assert statistic(high, *counts) == pytest.approx(-Z, abs=2e-3)


def test_laws() -> None:
    """Around the drop, mirrored where the models change places, within one; wide though not one image differs."""
    draw = np.random.default_rng(0)
    for _ in range(300):
        images = int(draw.integers(1, 500))
        lost = int(draw.integers(0, images + 1))
        gained = int(draw.integers(0, images - lost + 1))
        low, high = score_interval(lost, gained, images)
        assert -1 <= low <= (lost - gained) / images <= high <= 1
        mirrored = score_interval(gained, lost, images)
        assert mirrored == pytest.approx((-high, -low), abs=1e-12)
        assert high - low > 1 / (2 * images) or images in (lost, gained)
    assert score_interval(0, 0, 125)[1] == pytest.approx(Z**2 / (125 + Z**2))


def test_it_covers_the_truth() -> None:
    """Of models as they are compared here: few images differ. 95 % within what 4,000 draws tell, and chance of few images."""
    draw = np.random.default_rng(1)
    for images, lost, gained in ((125, 0.03, 0.03), (1000, 0.012, 0.006), (10_000, 0.004, 0.001)):
        drawn = draw.multinomial(images, [lost, gained, 1 - lost - gained], size=4000)
        intervals: dict[tuple[int, int], tuple[float, float]] = {}
        for first, second, _ in drawn.tolist():
            intervals.setdefault((first, second), score_interval(first, second, images))
        held = [intervals[first, second] for first, second, _ in drawn.tolist()]
        share = np.mean([low <= lost - gained <= high for low, high in held])
        beyond = np.mean([high < lost - gained for _, high in held])  # a model is let pass that loses more
        assert 0.935 < share < 0.98
        assert beyond < 0.035


@pytest.mark.parametrize(
    ("drop", "most"),
    [(Drop(0, 0, 125), 0.003), (Drop(2, 1, 125), 0.03), (Drop(30, 28, 10_000), 0.0025), (Drop(0, 9, 125), 0)],
)
def test_as_many_images_as_are_needed_are_enough(drop: Drop, most: float) -> None:
    needed = drop.images_needed(most)
    assert needed is not None
    for images, is_enough in ((needed, True), (needed - 1, False)):
        share = images / drop.images
        high = score_interval(drop.lost * share, drop.gained * share, images)[1]
        assert (high <= most) is is_enough


def test_no_number_of_images_shows_what_is_not_so() -> None:
    for drop in (Drop(1, 0, 125), Drop(0, 0, 125)):
        assert drop.images_needed(drop.value) is None
        assert not drop.is_within(drop.value)
