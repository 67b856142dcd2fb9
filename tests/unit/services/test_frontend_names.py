"""`services/frontend_names.py`: whoever was told all frontends and each change knows whose they are."""

import random
from collections.abc import Sequence
from typing import Any

from tests.unit.services.service_objects import (
    NODE,
    NODE_IP,
    OTHER_IP,
    SETTINGS,
    key,
    known,
    known_slice,
    octets,
)
from tests.unit.services.test_frontends import host_port

from ciliate.api.resource import ObjectKey
from ciliate.config.datapath_defaults import MAP_ENTRIES
from ciliate.net.address import ANY_ADDRESS
from ciliate.net.protocol import TCP
from ciliate.node.service_names import Change, Place, ServiceNames
from ciliate.services.book import ServiceBook
from ciliate.services.frontend_names import FrontendNames

CLUSTER_IP = Place(octets("10.96.0.7"), 80, TCP)
SHARED = Place(octets("203.0.113.7"), 80, TCP)
NODE_PORTS = [{"name": "http", "port": 80, "nodePort": 30080}]


class Rig:
    """A book, and one who follows what is told of it."""

    def __init__(self, **sizes: int) -> None:
        self.book = ServiceBook(NODE, SETTINGS, sizes={**MAP_ENTRIES, **sizes})
        self.names = ServiceNames()
        self.told = FrontendNames(self.book, self.names)
        self.known: dict[Place, ObjectKey] = {}
        self.names.listen(self._take)

    def _take(self, changes: Sequence[Change]) -> None:
        for place, service in changes:
            if service is None:
                self.known.pop(place, None)
            else:
                self.known[place] = service

    def put(self, name: str = "web", created: str = "2026-01-01T00:00:00Z", **spec: Any) -> None:
        found = known(name, created=created, **spec)
        self.told.touch(self.book.put_service(key(name), found))

    def remove(self, name: str = "web") -> None:
        self.told.touch(self.book.put_service(key(name), None))


def test_service_is_told_at_each_of_its_places_until_it_is_gone() -> None:
    rig = Rig()

    rig.put(type="NodePort", ports=NODE_PORTS, externalIPs=["203.0.113.7"])
    places = dict(rig.known)
    rig.remove()

    assert places == {
        CLUSTER_IP: key(),
        SHARED: key(),
        Place(ANY_ADDRESS[4], 30080, TCP): key(),
        Place(octets(NODE_IP), 30080, TCP): key(),
    }
    assert rig.known == {}


def test_of_two_that_claim_a_place_the_one_that_is_served_is_told_then_the_other() -> None:
    rig = Rig()
    rig.put("young", "2026-02-02T00:00:00Z", clusterIP="10.96.0.8", externalIPs=["203.0.113.7"])
    alone = rig.known[SHARED]

    rig.put("elder", "2026-01-01T00:00:00Z", clusterIP="10.96.0.9", externalIPs=["203.0.113.7"])
    both = rig.known[SHARED]
    rig.remove("elder")

    assert (alone, both, rig.known[SHARED]) == (key("young"), key("elder"), key("young"))


def test_pod_s_host_port_is_no_service() -> None:
    rig = Rig()

    rig.told.touch(rig.book.set_host_ports([host_port(8080, NODE_IP, "10.0.1.9")]))

    assert len(rig.book) > 0
    assert rig.known == {}
    assert [*rig.names.all()] == []


def test_nothing_is_looked_up_while_nobody_listens() -> None:
    book, names = ServiceBook(NODE, SETTINGS), ServiceNames()
    told = FrontendNames(book, names)

    told.touch(book.put_service(key(), known()))

    assert [*names.all()] == [(CLUSTER_IP, key())]


def test_who_follows_knows_what_the_book_has_after_any_changes() -> None:
    """Also of Services that claim the same places, and of those for which there is no room."""
    chance = random.Random(7)
    rig = Rig(frontends=24)
    rig.book.settle()
    for _ in range(1500):
        name = f"s{chance.randrange(8)}"
        match chance.randrange(6):
            case 0:
                rig.remove(name)
            case 1:
                slice_ = known_slice("10.0.1.5", name=f"{name}-1", service=name)
                rig.told.touch(rig.book.put_slice(("shop", f"{name}-1"), name, slice_))
            case 2:
                ports = [host_port(30080, NODE_IP, "10.0.1.9"), host_port(80, "", "10.0.1.9")]
                rig.told.touch(rig.book.set_host_ports(chance.sample(ports, chance.randrange(3))))
            case _:
                rig.put(
                    name,
                    f"2026-01-0{chance.randrange(1, 9)}T00:00:00Z",
                    type=chance.choice(("NodePort", "LoadBalancer")),
                    clusterIP=f"10.96.0.{chance.randrange(5)}",
                    externalIPs=chance.sample(["203.0.113.7", "203.0.113.8", OTHER_IP], 2),
                    externalTrafficPolicy=chance.choice(("Cluster", "Local")),
                    ports=[{"name": "http", "port": 80, "nodePort": 30080 + chance.randrange(3)}],
                )
        assert rig.known == dict(rig.names.all())
    assert len({*rig.known.values()}) > 1
