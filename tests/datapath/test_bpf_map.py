"""src/ciliate/datapath/bpf_map.py, map_set.py and target.py against the kernel."""

import os
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from ciliate.datapath import pins
from ciliate.datapath.bpf_map import BpfMap, open_pinned
from ciliate.datapath.codec import U32, OctetTest
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.errors import (
    AccessDeniedError,
    MapFullError,
    MapMismatchError,
    MapMissingError,
)
from ciliate.datapath.layout import (
    Connection,
    ConnectionRef,
    Endpoint,
    IpcacheEntry,
    MasqueradeAddress,
    PrefixKey,
    Tuple,
    TupleDirection,
)
from ciliate.datapath.metrics import METRICS
from ciliate.datapath.settings import DatapathSettings
from ciliate.datapath.target import MapTarget
from ciliate.identity.maps import IPCACHE
from ciliate.masquerade.maps import CONNECTIONS, CONNTRACK, MASQUERADE_ADDRESSES
from ciliate.net.address import IPv4Address, prefix_bits, to_octets
from ciliate.node.maps import ENDPOINTS, INTERFACES

MAC = bytes.fromhex("ee0a00000001")
NOBODY = 65534


def address(number: int) -> bytes:
    return to_octets(IPv4Address(0x0AF40000 + number))


def endpoint(number: int) -> Endpoint:
    return Endpoint(
        ifindex=number + 1, identity=8066, endpoint_id=7, flags=0, mac=MAC, node_mac=MAC
    )


def flow(number: int) -> Tuple:
    return Tuple(
        source=address(1),
        destination=address(2),
        source_port=number % 60000 + 1,
        destination_port=80,
        protocol=6 + number // 60000,
        direction=TupleDirection.TUPLE_OUT,
    )


def mapping(number: int) -> ConnectionRef:
    return ConnectionRef(place=number, state=number + 1)


@pytest.fixture
def datapath(bpf_root: Path, state_dir: Path, counter_objects: Path) -> Iterator[Datapath]:
    settings = DatapathSettings()
    capacities = {"masquerade_addresses": 4, "ipcache": 2000, "endpoints": 5000}
    with Datapath.open(
        bpf_root=bpf_root,
        state_dir=state_dir,
        settings=settings,
        capacities=capacities,
        objects=counter_objects,
    ) as opened:
        yield opened


def test_what_was_put_is_read_back_and_removed_once(datapath: Datapath) -> None:
    with datapath.opened(ENDPOINTS) as endpoints:
        assert endpoints.get(address(1)) is None

        endpoints.put(address(1), endpoint(1))
        endpoints.put(address(1), endpoint(2))

        assert endpoints.get(address(1)) == endpoint(2)
        assert endpoints.remove(address(1)) is True
        assert endpoints.remove(address(1)) is False


def test_ports_are_in_network_order_in_the_kernel(datapath: Datapath) -> None:
    with datapath.opened(CONNTRACK) as conntrack:
        conntrack.put(flow(0x1233), mapping(1))

        octets = flow(0x1233).pack()
        assert octets[32:36] == bytes.fromhex("12340050")
        assert dict(conntrack.items()) == {flow(0x1233): mapping(1)}


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 4000])
def test_many_entries_go_in_and_come_out_the_same(datapath: Datapath, count: int) -> None:
    wanted = {address(n): endpoint(n) for n in range(count)}
    with datapath.opened(ENDPOINTS) as endpoints:
        endpoints.put_many(wanted)

        assert dict(endpoints.items()) == wanted
        assert endpoints.count() == count
        assert endpoints.remove_many([*wanted, address(70000)]) == count
        assert dict(endpoints.items()) == {}


def test_removing_many_goes_on_behind_absent_keys(datapath: Datapath) -> None:
    wanted = {address(n): endpoint(n) for n in range(0, 3000, 3)}
    with datapath.opened(ENDPOINTS) as endpoints:
        endpoints.put_many(wanted)

        assert endpoints.remove_many(address(n) for n in range(3000)) == 1000
        assert endpoints.count() == 0


def test_entries_that_an_octet_tells_are_read_without_the_others(datapath: Datapath) -> None:
    wanted = {n: Connection.unpack(bytes(Connection.SIZE))._replace(state=n) for n in range(5000)}
    threes = OctetTest.of_lowest(Connection, "state", lambda octet: octet & 0x0F == 3)
    with datapath.opened(CONNECTIONS) as connections:
        connections.put_many(wanted)

        read = dict(connections.items(threes))

    assert read == {n: each for n, each in wanted.items() if n % 16 == 3}


def test_clear_empties_a_map(datapath: Datapath) -> None:
    with datapath.opened(CONNTRACK) as conntrack:
        conntrack.put_many({flow(n): mapping(n) for n in range(5000)})

        assert conntrack.clear() == 5000
        assert conntrack.clear() == 0


def test_a_trie_is_walked_filled_and_matched_by_prefix(datapath: Datapath) -> None:
    networks = [ip_network(f"10.{n}.0.0/16") for n in range(200)] + [ip_network("10.7.8.0/24")]
    wanted = {
        PrefixKey(prefix_bits(each), to_octets(each.network_address)): IpcacheEntry(
            identity=number, flags=0, node=bytes(16)
        )
        for number, each in enumerate(networks)
    }
    with datapath.opened(IPCACHE) as ipcache:
        ipcache.put_many(wanted)

        assert dict(ipcache.items()) == wanted
        found = ipcache.get(PrefixKey(128, to_octets(IPv4Address("10.7.8.9"))))
        assert found is not None
        assert found.identity == 200
        found = ipcache.get(PrefixKey(128, to_octets(IPv4Address("10.7.9.9"))))
        assert found is not None
        assert found.identity == 7
        assert ipcache.remove_many(wanted) == len(wanted)


def test_a_full_map_is_named_with_its_capacity(datapath: Datapath) -> None:
    value = MasqueradeAddress(ipv4=address(1), ipv6=bytes(16))
    with datapath.opened(MASQUERADE_ADDRESSES) as addresses:
        for ifindex in range(1, 5):
            addresses.put(ifindex, value)

        with pytest.raises(
            MapFullError, match=r"masquerade_addresses: .* all 4 entries"
        ) as caught:
            addresses.put(5, value)
        assert (caught.value.name, caught.value.capacity) == ("masquerade_addresses", 4)
        addresses.put(4, value)  # A key that is there needs no room.


def test_a_full_trie_is_named_too(datapath: Datapath) -> None:
    entries = {
        PrefixKey(128, address(n)): IpcacheEntry(identity=n, flags=0, node=bytes(16))
        for n in range(2001)
    }
    with datapath.opened(IPCACHE) as ipcache, pytest.raises(MapFullError, match="ipcache"):
        ipcache.put_many(entries)


def test_a_map_of_counters_is_summed_and_never_written(datapath: Datapath) -> None:
    with datapath.opened(METRICS) as metrics:
        assert len(list(metrics.items())) == metrics.capacity
        with pytest.raises(AssertionError, match="only programs write it"):
            metrics.put(0, next(iter(metrics.items()))[1])


def test_a_reader_by_path_reads_and_cannot_write(datapath: Datapath, bpf_root: Path) -> None:
    with datapath.opened(ENDPOINTS) as endpoints:
        endpoints.put(address(1), endpoint(1))

    with open_pinned(bpf_root, ENDPOINTS) as reader:
        assert dict(reader.items()) == {address(1): endpoint(1)}
        assert reader.get(address(1)) == endpoint(1)
        with pytest.raises(AccessDeniedError):
            reader.put(address(2), endpoint(2))


def test_a_writer_by_path_writes(datapath: Datapath, bpf_root: Path) -> None:
    with open_pinned(bpf_root, CONNTRACK, writable=True) as conntrack:
        conntrack.put(flow(1), mapping(1))
        assert conntrack.clear() == 1


def test_a_missing_map_is_said_by_path(bpf_root: Path) -> None:
    with pytest.raises(MapMissingError, match=r"tc/globals/conntrack: .* is the agent running"):
        open_pinned(bpf_root, CONNTRACK)


def test_another_user_is_refused_by_name(datapath: Datapath, bpf_root: Path) -> None:
    os.chmod(bpf_root.parent, 0o755)
    child = os.fork()
    if not child:  # In a child: rights once given up do not come back.
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            open_pinned(bpf_root, CONNTRACK)
        except AccessDeniedError:
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_map_of_another_layout_is_refused(datapath: Datapath, bpf_root: Path) -> None:
    with datapath.opened(INTERFACES) as interfaces:
        pins.replace_pin(interfaces.fd, pins.map_path(bpf_root, "conntrack"))

    with pytest.raises(MapMismatchError, match=r"key 4 bytes.*expects hash of .* key 40"):
        open_pinned(bpf_root, CONNTRACK)


def test_a_descriptor_that_is_no_map_of_ours_is_refused(datapath: Datapath) -> None:
    other: BpfMap[Any, Any] = BpfMap("endpoints", key=U32, value=Endpoint)
    with datapath.opened(CONNTRACK) as conntrack, pytest.raises(MapMismatchError):
        type(conntrack)(other, os.dup(conntrack.fd))


async def test_a_target_puts_and_removes_in_batches_and_sees_what_the_kernel_has(
    datapath: Datapath,
) -> None:
    endpoints = datapath.opened(ENDPOINTS)
    target = MapTarget("endpoints", endpoints)
    entries = {address(number): endpoint(number) for number in range(1, 4)}

    assert await target.put(entries) == {}
    assert await target.put({address(1): endpoint(1)}) == {}
    assert await target.observe() == entries

    assert await target.remove([address(9), *entries]) == {}
    assert await target.observe() == {}
    endpoints.close()


async def test_a_key_that_finds_no_room_does_not_stop_the_others(datapath: Datapath) -> None:
    addresses = datapath.opened(MASQUERADE_ADDRESSES)
    target = MapTarget("masquerade-addresses", addresses)
    one = MasqueradeAddress(ipv4=bytes(16), ipv6=bytes(16))
    full = dict.fromkeys(range(1, addresses.capacity + 1), one)
    assert await target.put(full) == {}

    failures = await target.put({1: one._replace(ipv4=bytes(15) + b"\x01"), 9999: one, 2: one})

    assert failures.keys() == {9999}
    assert isinstance(failures[9999], MapFullError)
    assert addresses.get(1) == one._replace(ipv4=bytes(15) + b"\x01")
    assert await target.remove(list(full)) == {}
    addresses.close()
