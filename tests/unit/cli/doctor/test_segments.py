"""`cli/doctor/segments.py`: any faulty link of a tree is found, and what it parts."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ciliate.cli.doctor.plan import first_pairs
from ciliate.cli.doctor.segments import ENOUGH, find_segments, further_pairs, pair_of

#: As many as `doctor mtu` does.
ROUNDS = 4


def test_segments_are_what_good_pairs_tie_together() -> None:
    assert find_segments("abcde", [("a", "b"), ("b", "c")]) == (
        frozenset("abc"),
        frozenset("d"),
        frozenset("e"),
    )


@given(
    count=st.integers(2, 60),
    seed=st.integers(0, 1 << 32),
    share=st.floats(0.0, 1.0),
)
def test_link_that_parts_the_nodes_is_found_with_both_sides(
    count: int, seed: int, share: float
) -> None:
    chance = random.Random(seed)
    nodes = [f"n{number:02}" for number in range(count)]
    near = set(chance.sample(nodes, min(count - 1, max(1, int(share * count)))))
    tried = set(first_pairs(nodes, ()))
    for _ in range(ROUNDS):
        lost = {pair for pair in tried if (pair[0] in near) != (pair[1] in near)}
        assert lost
        more = further_pairs(
            chance.sample(nodes, count), good=tried - lost, lost=lost, tried=tried
        )
        if not more:
            break
        assert not more & tried
        tried |= more
    lost = {pair for pair in tried if (pair[0] in near) != (pair[1] in near)}

    far = frozenset(nodes) - near
    assert set(find_segments(nodes, tried - lost)) == {frozenset(near), far}
    for node in nodes:
        if {node} in (near, far):
            assert sum(node in pair for pair in lost) >= min(ENOUGH, count - 1)
    assert len(tried) <= count * (1 + ROUNDS * ENOUGH) + 28


def test_nothing_more_is_tried_where_nothing_was_lost() -> None:
    pairs = first_pairs("abcdefghij", ())

    assert not further_pairs("abcdefghij", good=pairs, lost=(), tried=pairs)


def test_way_of_one_pair_needs_no_more_where_others_reach_both() -> None:
    tried = {("a", "b"), ("a", "c"), ("b", "c")}
    good = tried - {("a", "b")}

    assert not further_pairs("abc", good=good, lost={("a", "b")}, tried=tried)


def test_a_pair_is_named_in_one_way_only() -> None:
    assert pair_of("b", "a") == pair_of("a", "b") == ("a", "b")


def test_single_node_is_tried_with_enough_others_and_first_with_those_that_are_well() -> None:
    nodes = list("abcdefghij")
    good = {pair_of(one, other) for one, other in pairwise("bcdefghij")}
    lost = {("a", "b"), ("a", "j")}

    more = further_pairs(nodes, good=good, lost=lost, tried=good | lost)

    assert more == {("a", "c"), ("a", "d")}


def test_parts_are_tried_with_the_largest_first_and_with_members_that_are_well() -> None:
    # Four pairs and one of three; "z" lost with a member of each but the last.
    good = {("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("i", "j"), ("j", "k")}
    nodes = list("abcdefghijkz")
    lost = {("a", "z"), ("i", "x")}

    more = further_pairs([*nodes, "x"], good=good, lost=lost, tried=good | lost)

    assert {pair for pair in more if "z" in pair} >= {("j", "z"), ("c", "z"), ("e", "z")}
    assert ("i", "z") not in more
    assert ("a", "z") not in more
