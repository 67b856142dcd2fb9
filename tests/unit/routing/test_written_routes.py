"""`routing/written_routes.py`: what was written is known to the next agent, whenever one ends."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from ciliate.net.address import IPNetwork
from ciliate.routing.errors import WrittenRoutesError
from ciliate.routing.plan import NOWHERE, NextHop
from ciliate.routing.written_routes import WrittenRoutes

CIDR = ip_network("10.244.1.0/24")
OTHER = ip_network("fd00:10:2::/64")
W1 = NextHop(3, ip_address("192.168.10.101"))
W2 = NextHop(3, ip_address("192.168.10.102"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routes.json"


def loaded(path: Path) -> WrittenRoutes:
    """What the next agent knows."""
    written = WrittenRoutes(path)
    written.load()
    return written


def test_routes_are_known_to_the_next_agent_before_they_are_written(path: Path) -> None:
    by_6 = NextHop(4, ip_address("fd00:10::102"))
    own = ip_network("10.244.0.0/24")

    loaded(path).note({CIDR: W1, OTHER: by_6, own: NOWHERE})

    after = loaded(path)
    assert after.is_known
    assert after.holds(CIDR, W1)
    assert after.holds(OTHER, by_6)
    assert after.holds(own, NOWHERE)
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_route_to_the_same_destination_is_not_known(path: Path) -> None:
    written = loaded(path)
    written.note({CIDR: W1})

    assert not written.holds(CIDR, W2)
    assert not written.holds(CIDR, NextHop(4, W1.gateway))
    assert not written.holds(CIDR, NOWHERE)
    assert not written.holds(OTHER, W1)


def test_former_route_stays_known_until_the_kernel_has_it_no_more(path: Path) -> None:
    """An agent that is killed between note and write leaves the former one standing."""
    loaded(path).note({CIDR: W1})
    loaded(path).note({CIDR: W2})
    between = loaded(path)
    assert between.holds(CIDR, W1)
    assert between.holds(CIDR, W2)

    between.keep({CIDR: [W2]})

    for written in (between, loaded(path)):
        assert not written.holds(CIDR, W1)
        assert written.holds(CIDR, W2)
    between.keep({})
    assert not loaded(path).holds(CIDR, W2)


def test_without_a_file_nothing_is_known_and_with_an_empty_one_it_is(path: Path) -> None:
    assert not loaded(path).is_known

    loaded(path).note({})

    assert loaded(path).is_known


@pytest.mark.parametrize(
    "content", [b"", b"{", b'[{"destination":"x"}]', b'[{"destination":"10.0.0.0/24","kind":99}]']
)
def test_file_that_cannot_be_read_is_as_none_and_said(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)

    assert not loaded(path).is_known
    assert str(path) in caplog.text


def test_route_that_cannot_be_noted_is_refused_and_not_taken_for_noted(path: Path) -> None:
    lost = WrittenRoutes(path / "no" / "folder")

    with pytest.raises(WrittenRoutesError, match="make room"):
        lost.note({CIDR: W1})

    assert not lost.holds(CIDR, W1)


def test_what_is_noted_already_costs_no_write(path: Path) -> None:
    written = loaded(path)
    written.note({CIDR: W1})
    before = path.stat().st_ino
    notes: dict[IPNetwork, list[NextHop]] = {CIDR: [W1, W2]}

    written.note({CIDR: W1})
    written.keep(notes)

    assert path.stat().st_ino == before


def test_route_whose_mtu_the_kernel_changed_is_the_same_route(tmp_path: Path) -> None:
    written = WrittenRoutes(tmp_path / "routes.json")
    by_tunnel = NextHop(5, None, source=ip_address("fd00:244::31"), mtu=1450)

    written.note({CIDR: by_tunnel})
    written.keep({CIDR: [replace(by_tunnel, mtu=1400)]})

    assert written.holds(CIDR, replace(by_tunnel, mtu=1400))
    assert not written.holds(CIDR, replace(by_tunnel, source=None))


def test_file_says_what_is_noted_after_any_change(path: Path) -> None:
    """Each destination's line is made once; what is joined of them must be what is noted."""
    routes = WrittenRoutes(path)
    first, second = ip_network("10.244.1.0/24"), ip_network("10.244.2.0/24")
    hop, other = W1, W2
    routes.note({first: hop, second: hop})
    routes.note({first: other})
    routes.keep({first: (other,), second: ()})
    routes.note({second: other})

    successor = WrittenRoutes(path)
    successor.load()

    assert [successor.holds(first, each) for each in (hop, other)] == [False, True]
    assert [successor.holds(second, each) for each in (hop, other)] == [False, True]
