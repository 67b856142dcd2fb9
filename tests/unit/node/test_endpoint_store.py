"""`node/endpoint_store.py`: a restarted agent knows its pods, also those of earlier versions."""

import json
import resource
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.endpoint_samples import endpoint as sample

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import Mac, mac_from_octets
from ciliate.net.pod_interface import PodInterface
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.errors import EndpointStateError

#: As the first versions wrote it: what is as by default was left out.
EARLIER = {
    "id": 361,
    "container-id": "container-361",
    "ifname": "eth0",
    "netns": "/var/run/netns/cni-1",
    "namespace": "default",
    "pod": "curl-pod",
    "pod-uid": "5e2b1f0c",
    "addresses": ["fd00::7", "10.244.0.7"],
    "gateways": ["fd00::1", "10.244.0.93"],
    "host-name": "lxc0123456789ab",
    "host-mac": "96:eb:00:00:00:01",
    "pod-mac": "ee:0a:00:00:00:01",
    "ifindex": 12,
    "mtu": 1500,
    "route-mtu": 1450,
    "created": "2026-11-21T00:00:00Z",
    "identity": 8066,
    "labels": ["k8s:app=webpod"],
    "state": "ready",
}

#: The same as endpoint 2.
SECOND = EARLIER | {"id": 2}


def endpoint(number: int = 361) -> Endpoint:
    """Return the endpoint of `EARLIER`."""
    return Endpoint(
        id=number,
        container_id=f"container-{number}",
        namespace="default",
        pod="curl-pod",
        pod_uid="5e2b1f0c",
        interface=PodInterface(
            host_name="lxc0123456789ab",
            host_mac=Mac("96:eb:00:00:00:01"),
            pod_name="eth0",
            pod_mac=Mac("ee:0a:00:00:00:01"),
            netns="/var/run/netns/cni-1",
            mtu=1500,
            route_mtu=1450,
            addresses=(ip_address("fd00::7"), ip_address("10.244.0.7")),
            gateways=(ip_address("fd00::1"), ip_address("10.244.0.93")),
        ),
        ifindex=12,
        created=datetime(2026, 11, 21, tzinfo=UTC),
        identity=8066,
        labels=("k8s:app=webpod",),
        state=EndpointState.READY,
    )


def test_saved_endpoint_comes_back_marked_as_restored(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path / "endpoints")

    store.save(endpoint())

    (found,) = store.load()
    assert found == replace(endpoint(), restored=True)
    assert found.owner == "default/curl-pod [restored]"


def test_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "361.json").write_text(json.dumps(EARLIER))

    assert list(EndpointStore(tmp_path).load()) == [replace(endpoint(), restored=True)]


def test_file_with_another_plugins_part_is_read(tmp_path: Path) -> None:
    """The versions that knew it wrote it beside the others."""
    text = json.dumps(EARLIER | {"external-ipam": True, "chained": True, "network": "cilium"})
    (tmp_path / "361.json").write_text(text)

    (found,) = EndpointStore(tmp_path).load()

    assert (found.external_ipam, found.chained, found.network) == (True, True, "cilium")


def test_file_of_a_later_version_is_read_by_the_names_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "361.json").write_text(json.dumps(EARLIER | {"policy-revision": 7}))

    assert list(EndpointStore(tmp_path).load()) == [replace(endpoint(), restored=True)]


def test_earlier_versions_find_every_name_they_ask_for(tmp_path: Path) -> None:
    """An agent that is taken back to the version before must know its pods."""
    EndpointStore(tmp_path).save(endpoint())

    written = json.loads((tmp_path / "361.json").read_text())

    assert {name: written[name] for name in EARLIER} == EARLIER


def addresses() -> st.SearchStrategy[tuple[IPv4Address | IPv6Address, ...]]:
    return st.lists(st.ip_addresses(), max_size=2).map(tuple)


def macs() -> st.SearchStrategy[Mac]:
    return st.binary(min_size=6, max_size=6).map(mac_from_octets)


@given(
    interface=st.builds(
        PodInterface,
        addresses=addresses(),
        gateways=addresses(),
        host_mac=macs(),
        pod_mac=macs(),
    ),
    identity=st.none() | st.integers(1, 65535),
    labels=st.none() | st.lists(st.text(max_size=9), max_size=3).map(tuple),
    state=st.none() | st.sampled_from(EndpointState),
    external_ipam=st.booleans(),
    chained=st.booleans(),
    network=st.none() | st.text(max_size=9),
)
def test_every_endpoint_comes_back_as_it_was(interface: PodInterface, **optional: Any) -> None:
    present_fields = {name: value for name, value in optional.items() if value is not None}
    made = replace(sample(7), interface=interface, **present_fields)
    with tempfile.TemporaryDirectory() as folder:
        store = EndpointStore(Path(folder))
        store.save(made)

        assert list(store.load()) == [replace(made, restored=True)]


def test_later_value_takes_the_place_of_the_former(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path)
    store.save(endpoint())

    store.save(replace(endpoint(), identity=9000))

    assert [each.identity for each in store.load()] == [9000]
    assert [path.name for path in tmp_path.iterdir()] == ["361.json"]


def test_removed_endpoint_is_forgotten_and_removing_it_again_is_no_error(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path)
    store.save(endpoint())

    store.remove(361)
    store.remove(361)

    assert list(store.load()) == []


def test_directory_tells_whether_an_agent_was_here_before(tmp_path: Path) -> None:
    assert EndpointStore(tmp_path / "endpoints").is_new
    assert not EndpointStore(tmp_path / "endpoints").is_new


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path / "endpoints")
    store.save(endpoint())

    modes = {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "endpoints").iterdir()}

    assert modes == {"0o600"}
    assert (tmp_path / "endpoints").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "broken",
    [
        '{"id": 2, "truncated',
        "[]",
        "{}",
        json.dumps(SECOND | {"addresses": ["10.244.0.700"]}),
        json.dumps(SECOND | {"addresses": "10.244.0.7"}),
        json.dumps(SECOND | {"ifindex": "twelve"}),
        json.dumps(EARLIER | {"id": 3}),
        json.dumps(SECOND | {"ifindex": -1}),
        json.dumps(SECOND | {"id": 70000}),
        json.dumps(SECOND | {"identity": 2**32}),
        json.dumps(SECOND | {"host-mac": "96:eb"}),
        json.dumps(SECOND | {"pod-mac": "none"}),
        json.dumps(SECOND | {"state": "unheard-of"}),
        json.dumps({name: value for name, value in SECOND.items() if name != "netns"}),
        json.dumps({name: value for name, value in SECOND.items() if name != "pod"}),
    ],
)
def test_broken_file_is_set_aside_and_the_others_are_read(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = EndpointStore(tmp_path)
    store.save(endpoint(1))
    store.save(endpoint(3))
    (tmp_path / "2.json").write_text(broken)
    (tmp_path / "4.tmp").write_text("draft of a killed agent")

    found = list(store.load())

    assert [each.id for each in found] == [1, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.json", "2.broken", "3.json"]
    assert (tmp_path / "2.broken").read_text() == broken
    assert "2.json: not an endpoint, set aside as .broken" in caplog.text


def test_directory_that_lets_nothing_be_moved_costs_no_endpoint(tmp_path: Path) -> None:
    """As on a read-only file system, which root is refused by, too."""
    store = EndpointStore(tmp_path)
    store.save(endpoint(1))
    (tmp_path / "2.json").write_bytes(b"{")
    (tmp_path / "2.broken").mkdir()
    (tmp_path / "3.json.new").mkdir()

    assert [each.id for each in store.load()] == [1]
    with pytest.raises(EndpointStateError, match=r"3\.json: endpoint of pod"):
        store.save(endpoint(3))


def test_endpoint_that_cannot_be_kept_says_so_and_leaves_no_draft(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path)
    (tmp_path / "361.json").mkdir()  # What stands in the way of the replace.

    with pytest.raises(EndpointStateError, match=r"default/curl-pod .*make room"):
        store.save(endpoint())

    assert [path.name for path in tmp_path.iterdir()] == ["361.json"]


def test_disk_that_takes_no_more_keeps_the_former_value(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path)
    store.save(endpoint())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))  # Files may not grow any more.

    try:
        with pytest.raises(EndpointStateError, match="File too large"):
            store.save(replace(endpoint(), identity=9000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [path.name for path in tmp_path.iterdir()] == ["361.json"]
    assert [each.identity for each in store.load()] == [8066]
