from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from ciliate.lab.controllers.node_cidr import choose, preferred_index

V4 = ip_network("10.244.0.0/16")
V6 = ip_network("fd00:10:244::/56")


def test_walk_through_comes_out_whichever_node_registers_first() -> None:
    worker = choose([V4], "k8s-w1", [])
    assert worker == ("10.244.1.0/24",)

    assert choose([V4], "k8s-ctr", worker) == ("10.244.0.0/24",)


def test_other_names_get_the_first_free_share() -> None:
    assert choose([V4], "other", ["10.244.0.0/24"]) == ("10.244.1.0/24",)


def test_taken_preference_gives_way() -> None:
    assert choose([V4], "k8s-w1", ["10.244.1.0/24"]) == ("10.244.0.0/24",)


def test_both_families_have_the_same_number() -> None:
    assert choose([V4, V6], "k8s-w3", []) == ("10.244.3.0/24", "fd00:10:244:3::/64")


def test_number_taken_in_one_family_is_taken() -> None:
    assert choose([V4, V6], "k8s-w3", ["fd00:10:244:3::/64"]) == (
        "10.244.0.0/24",
        "fd00:10:244::/64",
    )


def test_exhausted_range_gives_nothing() -> None:
    small = ip_network("10.0.0.0/23")

    assert choose([small], "k8s-w9", ["10.0.0.0/24", "10.0.1.0/24"]) is None


def test_range_smaller_than_a_share_is_one_share() -> None:
    assert choose([ip_network("10.0.0.0/26")], "k8s-ctr", []) == ("10.0.0.0/26",)


def test_only_the_labs_names_have_numbers() -> None:
    assert preferred_index("k8s-ctr") == 0
    assert preferred_index("k8s-w12") == 12
    assert preferred_index("k8s-w0") is None
    assert preferred_index("worker") is None


@given(st.lists(st.sampled_from(["k8s-ctr", *(f"k8s-w{n}" for n in range(1, 9)), "a", "b", "c"])))
def test_no_share_is_given_twice(names: list[str]) -> None:
    given_out: list[str] = []
    for name in names:
        shares = choose([ip_network("10.0.0.0/20"), V6], name, given_out)
        given_out += shares or ()

    assert len(given_out) == len(set(given_out))
