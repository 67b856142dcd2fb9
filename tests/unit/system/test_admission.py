"""`system/admission.py`: who enters, who goes, and who is never sent away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.system.admission import Admission, Bounds, NoRoomError

BOUNDS = Bounds(connections=6, peer_connections=4, newcomers=4, peer_newcomers=2)


def entered(admission: Admission[str], *names: str, peer: str = "p") -> None:
    for name in names:
        assert admission.displaced_by(peer) is None
        admission.enter(name, peer)


def test_silent_peer_displaces_its_own_oldest_newcomer() -> None:
    admission: Admission[str] = Admission(BOUNDS)
    entered(admission, "other", peer="q")
    entered(admission, "a", "b")

    assert admission.displaced_by("p") == "a"
    assert admission.displaced_by("q") is None


def test_many_silent_peers_displace_the_oldest_newcomer_of_all() -> None:
    admission: Admission[str] = Admission(BOUNDS)
    for number in range(BOUNDS.newcomers):
        entered(admission, f"c{number}", peer=f"p{number}")

    assert admission.displaced_by("another") == "c0"


def test_busy_connection_is_never_displaced() -> None:
    admission: Admission[str] = Admission(BOUNDS)
    for name in ("a", "b", "c", "d"):
        entered(admission, name)
        admission.busy(name)

    with pytest.raises(NoRoomError) as caught:
        admission.displaced_by("p")
    assert caught.value.of_peer


def test_idle_connection_goes_when_its_peer_has_its_share_and_the_longest_idle_first() -> None:
    admission: Admission[str] = Admission(BOUNDS)
    for name in ("a", "b", "c", "d"):
        entered(admission, name)
        admission.busy(name)
    admission.idle("c")
    admission.idle("b")

    assert admission.displaced_by("p") == "c"


def test_server_full_of_busy_connections_refuses_a_new_peer() -> None:
    admission: Admission[str] = Admission(BOUNDS)
    for number in range(BOUNDS.connections):
        entered(admission, f"c{number}", peer=f"p{number}")
        admission.busy(f"c{number}")

    with pytest.raises(NoRoomError) as caught:
        admission.displaced_by("another")
    assert not caught.value.of_peer


def test_connection_that_has_left_stays_away_when_its_answer_ends() -> None:
    admission: Admission[str] = Admission(BOUNDS)
    entered(admission, "a")
    admission.busy("a")
    admission.leave("a")

    admission.idle("a")
    admission.leave("a")

    assert len(admission) == 0
    assert admission.everyone() == ()


_STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "busy", "idle", "leave"]), st.integers(0, 30)), max_size=60
)


@given(_STEPS)
def test_bounds_hold_whatever_happens(steps: list[tuple[str, int]]) -> None:
    admission: Admission[int] = Admission(BOUNDS)
    present: dict[int, str] = {}
    busy: set[int] = set()
    for number, (step, choice) in enumerate(steps):
        if step == "come":
            peer = f"p{choice % 3}"
            try:
                displaced = admission.displaced_by(peer)
            except NoRoomError:
                continue
            if displaced is not None:
                assert displaced not in busy
                admission.leave(displaced)
                del present[displaced]
            admission.enter(number, peer)
            present[number] = peer
        elif present:
            known = sorted(present)[choice % len(present)]
            getattr(admission, step)(known)
            busy.discard(known)
            if step == "busy":
                busy.add(known)
            if step == "leave":
                del present[known]
        assert len(admission) == len(present) <= BOUNDS.connections
        for peer in set(present.values()):
            assert list(present.values()).count(peer) <= BOUNDS.peer_connections
