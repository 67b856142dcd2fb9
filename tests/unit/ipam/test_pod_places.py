"""`ipam/pod_places.py`: which node a pod's address is of, while nodes come, go and disagree."""

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.pod_places import PodPlaces

AT, ELSEWHERE = "192.168.10.101", "192.168.10.102"


def pod(last: int) -> Cidr:
    return Cidr.host(4, 0x0A000000 + last)


class Uses:
    """Which owner uses what, as reported; `events` keep the order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Cidr, str]] = []
        self.places = PodPlaces(
            occupy=lambda cidr, who: self.events.append(("occupied", cidr, who)),
            vacate=lambda cidr, who: self.events.append(("vacated", cidr, who)),
        )

    def reported(self) -> list[tuple[str, Cidr, str]]:
        """Return the events since the last call."""
        reported, self.events[:] = list(self.events), []
        return reported


def test_new_user_is_reported_before_the_old_one_leaves() -> None:
    """The other way round an address would be free for a moment, and could be given away."""
    uses = Uses()
    uses.places.appeared(AT, pod(1))
    assert uses.reported() == [("occupied", pod(1), f"node at {AT}")]

    uses.places.place("w1", [AT])
    assert uses.reported() == [("occupied", pod(1), "w1"), ("vacated", pod(1), f"node at {AT}")]

    uses.places.place("w1", [])
    assert uses.reported() == [("occupied", pod(1), f"node at {AT}"), ("vacated", pod(1), "w1")]


def test_address_that_two_endpoints_have_is_used_until_the_last_is_gone() -> None:
    uses = Uses()
    uses.places.place("w1", [AT])
    uses.places.appeared(AT, pod(1))
    uses.places.appeared(AT, pod(1))
    uses.places.vanished(AT, pod(1))
    assert uses.reported() == [("occupied", pod(1), "w1")]

    uses.places.vanished(AT, pod(1))

    assert uses.reported() == [("vacated", pod(1), "w1")]
    assert not list(uses.places.uses())


def test_place_returns_what_is_gone_and_what_came() -> None:
    places = Uses().places

    assert places.place("w1", ["a", "b", "b"]) == (set(), {"a", "b"})
    assert places.place("w1", ["b", "c"]) == ({"a"}, {"c"})
    assert places.knows("w1")
    assert places.place("w1", []) == ({"b", "c"}, set())
    assert not places.knows("w1")


def test_of_two_nodes_with_one_address_the_first_keeps_it_until_it_leaves() -> None:
    """The last was believed: a new object took the pods of a node that stands."""
    uses = Uses()
    uses.places.appeared(AT, pod(1))
    uses.places.place("w1", [AT])
    uses.places.place("w2", [AT])
    assert uses.places.node_at(AT) == "w1"
    assert uses.places.take_touched() == {"w2"}
    assert list(uses.places.of("w2")) == []
    uses.reported()

    uses.places.place("w1", [ELSEWHERE])
    assert uses.places.node_at(AT) == "w2"
    assert uses.places.take_touched() == {"w2"}, "nothing is wrong with it any more"
    assert uses.reported() == [("occupied", pod(1), "w2"), ("vacated", pod(1), "w1")]

    uses.places.place("w2", [])
    assert uses.places.node_at(AT) is None
    assert list(uses.places.uses()) == [(pod(1), f"node at {AT}")]
    assert uses.places.take_touched() == set()


def test_rival_that_leaves_later_than_the_first_came_changes_nothing() -> None:
    uses = Uses()
    uses.places.appeared(AT, pod(1))
    for name in ("w1", "w2", "w3"):
        uses.places.place(name, [AT])
    uses.reported()

    uses.places.place("w2", [])
    assert uses.places.node_at(AT) == "w1"
    assert uses.reported() == []

    uses.places.place("w1", [])
    assert uses.places.node_at(AT) == "w3"
    uses.places.place("w3", [])
    assert uses.places.node_at(AT) is None


def test_pods_of_a_node_are_those_at_its_addresses() -> None:
    uses = Uses()
    uses.places.place("w1", [AT])
    uses.places.place("w2", [ELSEWHERE])
    uses.places.appeared(AT, pod(1))
    uses.places.appeared(AT, pod(2))
    uses.places.appeared(ELSEWHERE, pod(3))
    uses.places.vanished(AT, pod(1))

    assert list(uses.places.of("w1")) == [pod(2)]
    assert list(uses.places.of("w2")) == [pod(3)]
    assert list(uses.places.of("w3")) == []
    assert set(uses.places.uses()) == {(pod(2), "w1"), (pod(3), "w2")}
