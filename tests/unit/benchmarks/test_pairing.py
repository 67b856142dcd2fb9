"""Pairing, statistics and budgets, without a network or a clock."""

import itertools
from collections import Counter

import pytest
from benchmarks.pairing import (
    Better,
    Budget,
    Candidate,
    Measurement,
    Metric,
    Spread,
    interleave,
    order,
)
from hypothesis import given
from hypothesis import strategies as st

RATE = Metric("RR 16", "1/s", Better.HIGHER)
LATENCY = Metric("ADD", "ms", Better.LOWER)


def test_a_ratio_is_formed_within_a_round() -> None:
    """A machine that halves its speed midway changes every sample and no ratio."""
    host = (100.0, 100.0, 50.0, 50.0, 50.0)
    pods = (90.0, 90.0, 45.0, 45.0, 45.0)

    ratio = Measurement(RATE, {"host": host, "pods": pods}).ratio("pods", baseline="host")

    assert ratio == Spread(0.9, 0.9, 0.9, 0.9, 0.9, 5)


def test_the_median_ratio_is_not_the_ratio_of_medians() -> None:
    taken = Measurement(RATE, {"a": (1.0, 10.0, 4.0), "b": (1.0, 5.0, 16.0)})

    assert taken.ratio("a", baseline="b").median == 1.0
    assert taken.spread("a").median / taken.spread("b").median == 0.8


def test_samples_of_unequal_number_cannot_be_paired() -> None:
    taken = Measurement(RATE, {"a": (1.0, 2.0), "b": (1.0,)})

    with pytest.raises(ValueError, match="shorter"):
        taken.ratio("a", baseline="b")


def test_a_spread_has_quartiles_of_the_data_itself() -> None:
    assert Spread.of([5, 1, 3, 2, 4]) == Spread(3, 2, 4, 1, 5, 5)


def test_a_single_sample_is_its_own_spread() -> None:
    assert Spread.of([7.5]) == Spread(7.5, 7.5, 7.5, 7.5, 7.5, 1)


@given(st.lists(st.floats(min_value=1e-3, max_value=1e12), min_size=1))
def test_a_spread_is_in_order(values: list[float]) -> None:
    spread = Spread.of(values)

    numbers = [
        spread.least,
        spread.low_quartile,
        spread.median,
        spread.high_quartile,
        spread.most,
    ]
    for low, high in itertools.pairwise(numbers):
        assert low <= high or low == pytest.approx(high)


def test_every_round_samples_each_candidate_once() -> None:
    calls: list[str] = []
    candidates = [
        Candidate(name, lambda name=name: calls.append(name) or len(calls))  # type: ignore[misc, func-returns-value]  # a lambda that notes its call
        for name in "abc"
    ]

    samples = interleave(candidates, rounds=4, warm_ups=2)

    assert {name: len(values) for name, values in samples.items()} == {"a": 4, "b": 4, "c": 4}
    for turn in range(6):
        assert sorted(calls[3 * turn : 3 * turn + 3]) == ["a", "b", "c"]


def test_warm_ups_do_not_count() -> None:
    numbers = itertools.count()

    samples = interleave([Candidate("a", lambda: next(numbers))], rounds=2, warm_ups=3)

    assert samples == {"a": (3, 4)}


@given(st.integers(min_value=1, max_value=6))
def test_every_candidate_is_in_every_place_equally_often(count: int) -> None:
    names = tuple("abcdef"[:count])

    places = Counter(
        (name, place) for turn in range(2 * count) for place, name in enumerate(order(names, turn))
    )

    assert set(places.values()) == {2}


@pytest.mark.parametrize(
    ("metric", "limit", "kept"),
    [(RATE, 0.9, True), (RATE, 0.91, False), (LATENCY, 0.9, True), (LATENCY, 0.89, False)],
)
def test_a_budget_of_a_baseline_is_kept_on_its_good_side(
    metric: Metric, limit: float, *, kept: bool
) -> None:
    taken = Measurement(metric, {"host": (10.0,), "pods": (9.0,)})

    assert taken.keeps(Budget("pods", "host", limit)) is kept


def test_a_budget_without_a_baseline_limits_the_value() -> None:
    taken = Measurement(LATENCY, {"pods": (9.0, 10.0, 11.0)})

    assert taken.keeps(Budget("pods", None, 10.0)) is True
    assert taken.keeps(Budget("pods", None, 9.9)) is False


def test_a_budget_of_something_not_measured_is_neither_kept_nor_missed() -> None:
    taken = Measurement(RATE, {"host": (1.0,)})

    assert taken.keeps(Budget("pods", "host", 0.5)) is None
    assert taken.keeps(Budget("host", "pods", 0.5)) is None
