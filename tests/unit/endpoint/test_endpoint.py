"""`endpoint/`: memory on disk, the table, and what the maps are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.datapath.layout import EndpointFlag, InterfaceFlag
from ciliate.endpoint.plan import endpoint_entries, interface_entries
from ciliate.endpoint.publication import publications
from ciliate.net.address import Mac, to_octets
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.errors import EndpointStateError

NODE_IP = ip_address("192.168.10.100")


def endpoint(number: int = 361, **changes: object) -> Endpoint:
    made = Endpoint(
        id=number,
        container_id=f"container-{number}",
        ifname="eth0",
        netns="/var/run/netns/cni-1",
        namespace="default",
        pod="curl-pod",
        pod_uid="5e2b1f0c",
        addresses=(ip_address("fd00::7"), ip_address("10.244.0.7")),
        gateways=(ip_address("fd00::1"), ip_address("10.244.0.93")),
        host_name="lxc0123456789ab",
        host_mac=Mac("96:eb:00:00:00:01"),
        pod_mac=Mac("ee:0a:00:00:00:01"),
        ifindex=12,
        mtu=1500,
        route_mtu=1500,
        created=datetime(2026, 11, 21, tzinfo=UTC),
        identity=8066,
        labels=("k8s:app=webpod",),
        state=EndpointState.READY,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_saved_endpoint_comes_back_marked_as_restored(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path / "endpoints")

    store.save(endpoint())

    assert list(store.load()) == [endpoint(restored=True)]
    assert endpoint(restored=True).owner == "default/curl-pod [restored]"


def test_another_plugins_part_is_kept_and_files_from_before_it_still_load(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path / "endpoints")
    chained = endpoint(1, external_ipam=True, chained=True, network="cilium")
    store.save(chained)
    store.save(endpoint(2))

    older = (tmp_path / "endpoints" / "2.json").read_text()
    assert "external-ipam" not in older, "as an earlier version wrote it"
    assert "chained" not in older
    assert "network" not in older
    assert list(store.load()) == [
        replace(chained, restored=True),
        endpoint(2, restored=True),
    ]


@pytest.mark.parametrize(
    ("chained", "portmap", "flags", "by_stack"),
    [
        (False, False, InterfaceFlag(0), False),
        (False, True, InterfaceFlag.INTERFACE_STACK_ROUTED, True),
        (
            True,
            False,
            InterfaceFlag.INTERFACE_STACK_ROUTED | InterfaceFlag.INTERFACE_CHAINED,
            True,
        ),
    ],
)
def test_maps_tell_who_is_routed_by_the_stack(
    *, chained: bool, portmap: bool, flags: InterfaceFlag, by_stack: bool
) -> None:
    made = endpoint(chained=chained)

    (interface,) = interface_entries([made], stack_routed=portmap).values()
    entries = endpoint_entries([made], [], stack_routed=portmap)

    assert interface.flags == flags
    stack = EndpointFlag.ENDPOINT_STACK_ROUTED if by_stack else EndpointFlag(0)
    assert {entry.flags for entry in entries.values()} == {stack}


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path / "endpoints")
    store.save(endpoint())

    modes = {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "endpoints").iterdir()}

    assert modes == {"0o600"}
    assert (tmp_path / "endpoints").stat().st_mode & 0o777 == 0o700


def test_broken_file_is_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path)
    store.save(endpoint(1))
    (tmp_path / "2.json").write_text('{"id": 2, "truncated')
    (tmp_path / "3.tmp").write_text("draft of a killed agent")

    found = list(store.load())

    assert [e.id for e in found] == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.json", "2.broken"]


def test_directory_that_lets_nothing_be_moved_costs_no_endpoint(tmp_path: Path) -> None:
    """As on a read-only file system, which root is refused by, too."""
    store = EndpointStore(tmp_path)
    store.save(endpoint(1))
    (tmp_path / "2.json").write_bytes(b"{")
    (tmp_path / "2.broken").mkdir()
    (tmp_path / "3.tmp").mkdir()

    assert [each.id for each in store.load()] == [1]
    with pytest.raises(EndpointStateError, match=r"3\.json: endpoint of pod"):
        store.save(endpoint(3))


def test_endpoint_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    store = EndpointStore(tmp_path)
    (tmp_path / "361.json").mkdir()  # What stands in the way of the replace.

    with pytest.raises(EndpointStateError, match="default/curl-pod"):
        store.save(endpoint())


def test_table_finds_by_number_and_attachment_and_tells_of_changes() -> None:
    table, told = EndpointTable(), []
    table.listen(lambda: told.append(len(table)))

    table.put(endpoint())
    found = table.find("container-361", "eth0")
    table.remove(361)

    assert found == endpoint()
    assert table.find("container-361", "eth0") is None
    assert told == [1, 0]


def test_newest_sandbox_speaks_for_the_pod() -> None:
    table = EndpointTable()
    old = endpoint(1)
    new = endpoint(2, created=old.created + timedelta(seconds=5))
    table.put(new)
    table.put(old)

    assert table.newest_by_pod() == {("default", "curl-pod"): new}


def test_maps_hold_pods_and_the_host_but_none_that_leaves() -> None:
    leaving = endpoint(
        2, ifindex=13, addresses=(ip_address("10.244.0.8"),), state=EndpointState.DISCONNECTING
    )

    entries = endpoint_entries([endpoint(), leaving], [NODE_IP])

    assert entries.keys() == {
        to_octets(ip_address("fd00::7")),
        to_octets(ip_address("10.244.0.7")),
        to_octets(NODE_IP),
    }
    assert entries[to_octets(NODE_IP)].flags == EndpointFlag.ENDPOINT_HOST
    assert interface_entries([endpoint(), leaving]).keys() == {12}


def test_pod_without_identity_is_not_told_to_the_cluster() -> None:
    waiting = endpoint(2, pod="new", state=EndpointState.WAITING_FOR_IDENTITY)

    told = publications([endpoint(), waiting], NODE_IP)

    assert told.keys() == {("default", "curl-pod")}
    status = told["default", "curl-pod"].status
    assert status.identity is not None
    assert (status.identity.id, status.state) == (8066, "ready")
