"""`cli/doctor/plan.py`: who probes whom."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from ciliate.cli.doctor import plan
from ciliate.cli.doctor.plan import NodeOrder, Place
from ciliate.cli.doctor.segments import find_segments


def places(count: int) -> dict[str, Place]:
    return {
        f"n{number:03}": Place(
            f"n{number:03}", {4: ip_address(f"10.0.{number // 200}.{number % 200 + 1}")}
        )
        for number in range(count)
    }


@given(count=st.integers(0, 300), strides=st.lists(st.integers(2, 150), max_size=2))
def test_first_round_ties_all_nodes_together_with_few_pairs(
    count: int, strides: list[int]
) -> None:
    nodes = [f"n{number:03}" for number in range(count)]

    pairs = plan.first_pairs(nodes, strides)

    assert len(find_segments(nodes, pairs)) == min(count, 1)
    assert len(pairs) <= max(3 * count, 28)
    assert all(one < other for one, other in pairs)


def test_few_nodes_are_all_probed_with_each_other() -> None:
    nodes = [f"n{number}" for number in range(plan.ALL_PAIRS_NODES_MAX)]

    assert plan.first_pairs(nodes, ()) == plan.all_pairs(nodes)
    assert len(plan.all_pairs(nodes)) == 28


def test_ring_has_neighbours_of_a_network_together_and_nobody_of_another_family() -> None:
    spread = [
        Place("c", {4: ip_address("10.0.0.9")}),
        Place("a", {4: ip_address("10.0.0.10")}),
        Place("b", {4: ip_address("10.0.0.2"), 6: ip_address("fd00::1")}),
    ]

    assert plan.in_ring(spread, 4) == ("b", "c", "a")
    assert plan.in_ring(spread, 6) == ("b",)


def test_each_pair_is_probed_from_both_ends() -> None:
    three = places(3)
    first, second, third = (place.addresses[4] for place in three.values())

    (turn,) = plan.orders({4: plan.all_pairs(three)}, three)

    assert turn == {
        "n000": NodeOrder((second, third)),
        "n001": NodeOrder((first, third)),
        "n002": NodeOrder((first, second)),
    }


def test_further_pairs_are_probed_by_the_end_that_answers() -> None:
    three = places(3)
    pairs = {4: [("n000", "n001"), ("n001", "n002")]}

    (turn,) = plan.orders(pairs, three, askers={"n001", "n002"})

    assert {node: len(order.targets) for node, order in turn.items()} == {"n001": 2}


def test_command_never_names_more_addresses_than_it_may() -> None:
    many = places(300)
    drawn = [place.addresses[4] for place in many.values()]

    turns = plan.orders({4: plan.pairs_with("n000", many)}, many, others=drawn)

    assert [len(turn["n000"].targets) for turn in turns] == [128, 128, 43]
    own, targets = many["n001"], turns[0]["n001"]
    assert len(targets.targets) + len(targets.others) == plan.ADDRESSES_MAX
    assert own.addresses[4] not in targets.others
    assert not set(targets.targets) & set(targets.others)
    assert turns[1]["n000"].others == ()
