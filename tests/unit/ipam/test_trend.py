import pytest

from ciliate.ipam.trend import SAMPLES_MAX, Trend


def test_steady_growth_tells_when_the_rest_is_used_up() -> None:
    trend = Trend()
    for second in range(0, 100, 10):
        trend.add(second, 5 + second / 2)

    assert trend.growth_per_s == pytest.approx(0.5)
    assert trend.seconds_to_exhaustion(100) == pytest.approx(200)


def test_what_does_not_grow_has_no_end() -> None:
    trend = Trend()
    for second in range(0, 100, 10):
        trend.add(second, 100 - second)

    assert trend.seconds_to_exhaustion(100) is None


def test_a_full_pool_is_exhausted_now() -> None:
    assert Trend().seconds_to_exhaustion(0) == 0


def test_too_little_time_says_nothing() -> None:
    trend = Trend()
    trend.add(0, 0)
    trend.add(1, 100)

    assert trend.growth_per_s is None


def test_a_step_is_no_growth() -> None:
    """After a change of mode every node takes its block at once, and then nothing happens."""
    trend = Trend()
    for second in range(0, 600, 10):
        trend.add(second, 0 if second < 20 else 2)

    assert trend.seconds_to_exhaustion(254) is None


def test_two_samples_are_no_trend() -> None:
    trend = Trend()
    trend.add(0, 0)
    trend.add(100, 2)

    assert trend.seconds_to_exhaustion(254) is None


def test_a_clock_that_goes_back_adds_nothing() -> None:
    trend = Trend()
    for time_s, used in ((100, 10), (50, 0), (200, 20), (300, 30), (400, 40)):
        trend.add(time_s, used)

    assert trend.growth_per_s == pytest.approx(0.1)


def test_old_growth_is_forgotten() -> None:
    trend = Trend()
    for number in range(100):
        trend.add(number, number * 10)
    for number in range(SAMPLES_MAX):
        trend.add(100 + number, 1000)

    assert trend.seconds_to_exhaustion(10) is None


def test_second_sample_of_one_moment_is_left_out() -> None:
    trend = Trend()
    for time_s, used in ((0, 0), (100, 10), (100, 1000), (200, 20), (300, 30)):
        trend.add(time_s, used)

    assert trend.growth_per_s == pytest.approx(0.1)


@pytest.mark.parametrize(("free", "seconds"), [(1, 10), (0.5, 5), (0, 0), (-1, 0)])
def test_last_free_one_counts(free: float, seconds: float) -> None:
    trend = Trend()
    for time_s in (0, 100, 200, 300):
        trend.add(time_s, time_s / 10)

    assert trend.seconds_to_exhaustion(free) == pytest.approx(seconds)
