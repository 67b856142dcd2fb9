"""Nodes that wait, those served when blocks become free, and pools reported as full."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.ipam.operator.node_states import NodeStates, Turn, Want

V4, V6 = ("default", 4), ("default", 6)


def short_of(*wants: Want) -> Decision:
    return Decision(error="no block", short_of=frozenset(wants))


def waiting(**nodes: tuple[Want, ...]) -> NodeStates:
    states = NodeStates()
    for name, wants in nodes.items():
        states.record(name, short_of(*wants))
    return states


def free(**counts: int) -> dict[Want, int]:
    return {V4: counts.get("v4", 0), V6: counts.get("v6", 0)}


def servable(states: NodeStates, blocks: dict[Want, int]) -> list[str]:
    return list(states.servable(lambda pool, version: blocks[pool, version]))


def test_nothing_is_counted_before_the_first_decision() -> None:
    states = NodeStates()

    assert (states.granted, states.failed_writes) == (0, 0)


def test_a_pool_runs_out_with_the_first_that_waits_and_is_relieved_with_the_last() -> None:
    states = NodeStates()

    turns = [
        states.record("a", short_of(V4)),
        states.record("b", short_of(V4, V6)),
        states.record("a", Decision()),
        states.record("b", short_of(V6)),
        states.record("b", Decision()),
    ]

    assert turns == [
        Turn(exhausted=frozenset({V4})),
        Turn(exhausted=frozenset({V6})),
        Turn(),
        Turn(relieved=frozenset({V4})),
        Turn(relieved=frozenset({V6})),
    ]
    assert not states.exhausted
    assert not states.errors


def test_who_waits_longest_is_served_first_and_keeps_its_place() -> None:
    states = waiting(a=(V4,), b=(V4,), c=(V4,))
    states.record("a", short_of(V4))  # Asked again, and again without success.

    assert servable(states, free(v4=2)) == ["a", "b"]
    assert servable(states, free()) == []


def test_who_waits_for_a_full_pool_keeps_nobody_from_another() -> None:
    states = waiting(a=(V4,), b=(V6,))

    assert servable(states, free(v6=1)) == ["b"]


def test_a_block_that_a_node_uses_makes_it_promising_though_none_is_free() -> None:
    states = waiting(a=(V4,), b=(V4,), c=(V6,))

    def free_of(pool: str, version: int) -> int:
        return free(v6=1)[pool, version]

    assert list(states.promising(free_of, lambda name: name == "b")) == ["b", "c"]


def test_blocks_outside_their_pool_are_a_change_once() -> None:
    states = NodeStates()
    odd = Decision(outside=(("gone", Cidr.parse("10.0.0.0/24")),))

    changed = [
        states.record("a", each).outside_changed for each in (odd, odd, Decision(), Decision())
    ]

    assert changed == [True, False, True, False]
    assert not states.outside


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.frozensets(st.sampled_from((V4, V6)))), max_size=30
    )
)
def test_what_is_exhausted_is_what_somebody_waits_for(
    decisions: list[tuple[str, frozenset[Want]]],
) -> None:
    states = NodeStates()
    exhausted: set[Want] = set()
    for name, wants in decisions:
        turn = states.record(name, short_of(*wants))
        exhausted = (exhausted | turn.exhausted) - turn.relieved

        assert exhausted == states.exhausted
        assert exhausted == {want for each in states.waiting.values() for want in each}
