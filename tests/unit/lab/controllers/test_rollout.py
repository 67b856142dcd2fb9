from hypothesis import given
from hypothesis import strategies as st

from ciliate.lab.controllers.rollout import Revision, limits, next_replicas, resolve
from ciliate.lab.objects import RollingUpdate, Strategy


def test_percentages_round_as_kubernetes_does() -> None:
    assert resolve("25%", 10, round_up=True) == 3
    assert resolve("25%", 10, round_up=False) == 2
    assert resolve(4, 10, round_up=True) == 4


def test_something_may_always_change() -> None:
    frozen = Strategy(rolling_update=RollingUpdate(max_unavailable=0, max_surge=0))

    assert limits(frozen, 3) == (1, 0)


def test_recreate_waits_for_the_old_pods_to_be_gone() -> None:
    new = Revision("new", wanted=0, available=0)
    old = [Revision("old", wanted=0, available=0, existing=2)]
    recreate = Strategy(type="Recreate")

    assert next_replicas(recreate, 3, new, old) == {"old": 0, "new": 0}
    gone = [Revision("old", wanted=0, available=0, existing=0)]
    assert next_replicas(recreate, 3, new, gone)["new"] == 3


def test_unavailable_old_pods_go_first() -> None:
    new = Revision("new", wanted=1, available=0)
    old = [Revision("sick", wanted=2, available=0), Revision("well", wanted=3, available=3)]

    assert next_replicas(Strategy(), 4, new, old)["well"] == 3


@given(
    desired=st.integers(0, 40),
    unavailable=st.integers(0, 10),
    surge=st.integers(0, 10),
    start=st.integers(0, 40),
)
def test_rolling_update_ends_and_never_breaks_its_limits(
    desired: int, unavailable: int, surge: int, start: int
) -> None:
    """Pods become available at once here; limits hold from then on in every step."""
    strategy = Strategy(rolling_update=RollingUpdate(unavailable, surge))
    max_unavailable, max_surge = limits(strategy, desired)
    new, old = 0, start
    for _ in range(200):
        wanted = next_replicas(
            strategy, desired, Revision("new", new, new), [Revision("old", old, old)]
        )
        before = new + old
        new, old = wanted["new"], wanted["old"]
        assert new + old <= max(desired + max_surge, before)
        assert new + old >= min(desired - max_unavailable, before)
        if (new, old) == (desired, 0):
            break

    assert (new, old) == (desired, 0)
