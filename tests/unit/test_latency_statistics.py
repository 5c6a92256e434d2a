"""Figures of samples, held to scipy and numpy and to numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cloformer.export.latency.statistics import (
    discarded,
    drift,
    early_stopping,
    percentile,
    ratio_interval,
    stability,
    summarize,
    variation,
)


def drawn(count: int, seed: int = 0) -> list[float]:
    return list(np.random.default_rng(seed).lognormal(-4, 0.3, count))


@pytest.mark.parametrize("count", [1, 2, 19, 64, 100, 1000, 1023])
@pytest.mark.parametrize("percent", [1, 50, 90, 95, 99, 100])
def test_percentiles_are_the_nearest_ranks(count: int, percent: int) -> None:
    samples = drawn(count)
    assert percentile(samples, percent) == np.percentile(samples, percent, method="inverted_cdf")


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_there_is_no_such_percentile(samples: list[float], percent: int) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(samples, percent)


def test_p90_needs_64_queries() -> None:
    assert early_stopping(drawn(63)) is None
    samples = drawn(64)
    assert early_stopping(samples) == max(samples)


# How many queries each number of slow ones asks for: n with a binomial probability below 0.01 at 0.1.
@pytest.mark.parametrize(
    ("queries", "slow"), [(64, 1), (80, 1), (81, 2), (96, 2), (97, 3), (1024, 80), (63, None), (1, None)]
)
def test_known_numbers_of_the_early_stopping_rule(queries: int, slow: int | None) -> None:
    assert discarded(queries) == slow


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_the_early_stopping_rule_is_the_binomial_one(percent: int) -> None:
    for queries in [*range(1, 400), 1024, 5000, 20_000]:
        slow = np.arange(queries + 1)
        passing = slow[stats.binom.cdf(slow, queries, 1 - percent / 100) < 0.01]
        expected = int(passing.max()) if len(passing) and passing.max() >= 1 else None
        assert discarded(queries, percent) == expected, queries


def test_loadgens_own_form_of_the_rule() -> None:
    """It asks for ``h`` queries that are not slow, by the regularized incomplete beta function."""
    from scipy.special import betainc

    for queries in range(64, 300):
        slow = discarded(queries)
        assert slow is not None
        assert betainc(queries - slow, 1 + slow, 0.9) < 0.01 <= betainc(queries - slow - 1, 2 + slow, 0.9)


@pytest.mark.parametrize("count", [64, 128, 1024])
def test_p90_is_never_below_the_plain_one_and_holds_its_promise(count: int) -> None:
    true = stats.expon.ppf(0.9)
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(500):
        samples = list(rng.exponential(size=count))
        found = early_stopping(samples)
        assert found is not None and found >= percentile(samples, 90)
        held += found >= true
    assert held >= 0.97 * 500  # 0.99, less what 500 trials can miss it by


def test_a_summary() -> None:
    samples = drawn(1024)
    found = summarize(samples)
    assert found.n == 1024
    assert found.median == pytest.approx(np.median(samples), rel=1e-12)
    assert found.mean == pytest.approx(np.mean(samples), rel=1e-12)
    assert found.std == pytest.approx(np.std(samples, ddof=1), rel=1e-12)
    assert found.variation == pytest.approx(stats.variation(samples, ddof=1), rel=1e-12)
    assert (found.min, found.max) == (min(samples), max(samples))
    assert found.median <= found.p95 <= found.p99 <= found.max
    assert found.tail == percentile(samples, 99) / percentile(samples, 50)
    assert found.p90 == sorted(samples)[1024 - 80]


def test_of_one_sample_there_is_no_spread() -> None:
    found = summarize([0.5])
    assert (found.median, found.std, found.variation, found.drift, found.p90) == (0.5, None, None, None, None)
    assert stability(found).word == "unstable" and "cannot tell" in stability(found).reasons[0]
    with pytest.raises(ValueError, match=r"."):
        summarize([])


def test_variation_by_hand() -> None:
    assert variation([1.0, 2.0, 3.0]) == pytest.approx(0.5)
    assert variation([1.0]) is None


def test_drift_by_hand() -> None:
    samples = [1.0] * 10 + [5.0] * 80 + [1.1] * 10
    assert drift(samples) == pytest.approx(0.1)
    assert drift([1.0] * 19) is None


@pytest.mark.parametrize(
    ("samples", "word", "reason"),
    [
        ([1.0, 1.01] * 50, "stable", None),
        ([1.0] * 90 + [1.04] * 10, "stable", None),
        ([0.9, 1.1] * 50, "unstable", "coefficient of variation"),
        ([1.0] * 50 + [1.6, 1.6] + [1.0] * 48, "unstable", "p99 is 1.60 times p50"),
        ([1.0] * 90 + [1.06] * 10, "drifting", "+6.0%"),
        ([1.06] * 10 + [1.0] * 90, "drifting", "-5.7%"),
        ([1.0] * 19, "unstable", "cannot tell"),
    ],
)
def test_stability(samples: list[float], word: str, reason: str | None) -> None:
    verdict = stability(summarize(samples))
    assert verdict.word == word
    assert (reason is None and not verdict.reasons) or reason in " ".join(verdict.reasons)


def test_the_interval_is_scipys() -> None:
    first, second = drawn(60, 1), drawn(60, 2)
    found = ratio_interval(first, second, level=0.95, resamples=20_000)
    ratios = np.array(first) / np.array(second)
    theirs = stats.bootstrap(
        (ratios,), np.median, confidence_level=0.95, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    assert found.value == np.median(ratios)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=0.02)
    assert found.low <= found.value <= found.high


def test_the_interval_is_the_same_each_time_and_wider_at_a_higher_level() -> None:
    first, second = drawn(40, 1), drawn(40, 2)
    narrow, wide = ratio_interval(first, second, level=0.9), ratio_interval(first, second, level=0.99)
    assert narrow == ratio_interval(first, second, level=0.9)
    assert wide.low <= narrow.low < narrow.high <= wide.high
    few = [ratio_interval(first, second, resamples=20, seed=seed) for seed in (0, 1)]
    assert few[0] != few[1]


def test_the_interval_covers_what_it_should() -> None:
    """Two candidates that are the same: 1 lies inside the 95 % interval about as often as it says."""
    rng = np.random.default_rng(3)
    inside = 0
    for seed in range(200):
        pairs = rng.lognormal(0, 0.1, (2, 60))
        found = ratio_interval(list(pairs[0]), list(pairs[1]), level=0.95, resamples=1000, seed=seed)
        inside += found.low <= 1 <= found.high
    assert inside >= 180


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [([1.0], [1.0, 2.0], "no pairs"), ([], [], "no pairs"), ([1.0], [0.0], "not above 0")],
)
def test_what_has_no_ratio(first: list[float], second: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ratio_interval(first, second)
