"""Rows of the datapath's maps, as Cilium prints them."""

from ipaddress import ip_address

import msgspec

from ciliate.cli.map_list import (
    Count,
    TrackedConnection,
    Translation,
    endpoint_rows,
    fragment_rows,
    interface_rows,
    ipcache_rows,
    masquerade_rows,
    metric_rows,
)
from ciliate.datapath.layout import (
    AttachPoint,
    Connection,
    ConnectionFlag,
    Endpoint,
    EndpointFlag,
    FragmentKey,
    FragmentPorts,
    Interface,
    IpcacheEntry,
    IpcacheKey,
    MasqueradeAddress,
    Metric,
    NatEntry,
    Tuple,
)
from ciliate.net.address import Mac, mac_octets, to_octets

SECOND = 1_000_000_000
NO_ADDRESS = bytes(16)
POD_MAC = mac_octets(Mac("ee:0a:00:00:00:01"))
NODE_MAC = mac_octets(Mac("96:eb:00:00:00:02"))


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def flow(source: str, destination: str, ports: tuple[int, int], **changes: int) -> Tuple:
    fields = {"protocol": 6, "direction": 0, **changes}
    return Tuple(octets(source), octets(destination), *ports, **fields)


def test_translation_reads_as_in_cilium_for_both_directions() -> None:
    out = flow("10.184.1.251", "10.178.16.166", (34490, 443))
    back = flow("10.178.16.166", "10.178.69.14", (443, 62218), direction=1)
    times = {"flags": 0, "created_ns": 6 * SECOND, "expires_ns": 70 * SECOND}
    to_node = NatEntry(to_address=octets("10.178.69.14"), to_port=62218, **times)
    to_pod = NatEntry(to_address=octets("10.184.1.251"), to_port=34490, **times)

    assert str(Translation.read(out, to_node, now_ns=10 * SECOND)) == (
        "TCP OUT 10.184.1.251:34490 -> 10.178.16.166:443 "
        "XLATE_SRC 10.178.69.14:62218 Created=4sec ago NeedsCT=0"
    )
    assert str(Translation.read(back, to_pod, now_ns=10 * SECOND)) == (
        "TCP IN 10.178.16.166:443 -> 10.178.69.14:62218 "
        "XLATE_DST 10.184.1.251:34490 Created=4sec ago NeedsCT=0"
    )


def test_ipv6_addresses_stand_in_brackets() -> None:
    key = flow("fd00::1", "fd00::2", (7, 7), protocol=58)
    entry = NatEntry(octets("fd00::3"), 9, 0, 0, 0)

    assert str(Translation.read(key, entry, now_ns=0)).startswith(
        "ICMPv6 OUT [fd00::1]:7 -> [fd00::2]:7 XLATE_SRC [fd00::3]:9 "
    )


def test_connection_shows_cilium_s_flag_numbers_and_what_is_left() -> None:
    key = flow("10.4.166.193", "10.4.34.6", (52628, 4143), direction=1)
    flags = ConnectionFlag.CONNECTION_SEEN_NON_SYN | ConnectionFlag.CONNECTION_CLOSING_REPLY
    connection = Connection(
        created_ns=0,
        expires_ns=277365 * SECOND,
        packets=5,
        bytes=452,
        flags=flags,
        source_identity=2,
    )

    row = TrackedConnection.read(key, connection, now_ns=277355 * SECOND)

    assert row.text(time_diff=False) == (
        "TCP IN 10.4.166.193:52628 -> 10.4.34.6:4143 expires=277365 Packets=5 Bytes=452 "
        "Flags=0x0012 [ TxClosing SeenNonSyn ] RevNAT=0 SourceSecurityID=2 BackendID=0"
    )
    assert "expires=277365 (remaining: 10 sec(s)) Packets=5" in row.text(time_diff=True)
    assert msgspec.to_builtins(row)["Key"]["SourceAddr"] == "10.4.166.193"


def test_endpoint_rows_distinguish_pods_from_the_host() -> None:
    pod = Endpoint(
        ifindex=12, identity=8066, endpoint_id=361, flags=0, mac=POD_MAC, node_mac=NODE_MAC
    )
    host = Endpoint(0, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))

    rows = endpoint_rows([(octets("172.20.1.218"), pod), (octets("10.0.2.15"), host)])

    text = (
        "id=361   sec_id=8066  flags=0x0000 ifindex=12  mac=EE:0A:00:00:00:01 "
        "nodemac=96:EB:00:00:00:02 parent_ifindex=0"
    )
    assert rows == {"10.0.2.15:0": ["(localhost)"], "172.20.1.218:0": [text]}


def test_ipcache_rows_print_ipv4_prefixes_with_their_own_lengths() -> None:
    rows = ipcache_rows(
        [
            (IpcacheKey(96, octets("0.0.0.0")), IpcacheEntry(2, 0, NO_ADDRESS)),
            (
                IpcacheKey(120, octets("10.244.1.0")),
                IpcacheEntry(2, 1, octets("192.168.10.101")),
            ),
            (IpcacheKey(128, octets("fd00::5")), IpcacheEntry(8066, 1, NO_ADDRESS)),
        ]
    )

    assert rows == {
        "0.0.0.0/0": ["identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"],
        "10.244.1.0/24": ["identity=2 encryptkey=0 tunnelendpoint=192.168.10.101 flags=<none>"],
        "fd00::5/128": ["identity=8066 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"],
    }


def test_metrics_name_reason_and_direction_and_leave_zeros_out() -> None:
    rows = metric_rows(
        {
            (0, AttachPoint.FROM_POD): Metric(packets=10, bytes=840),
            (132, AttachPoint.FROM_POD): Metric(packets=1, bytes=98),
            (0, AttachPoint.TO_POD): Metric(packets=0, bytes=0),
            (0, AttachPoint.FROM_UPLINK): Metric(packets=3, bytes=300),
        }
    )

    assert rows == [
        Count("Invalid source ip", "EGRESS", 1, 98, "from_pod.bpf.c"),
        Count("Success", "EGRESS", 10, 840, "from_pod.bpf.c"),
        Count("Success", "INGRESS", 3, 300, "from_uplink.bpf.c"),
    ]


def test_every_other_map_has_rows() -> None:
    interface = Interface(octets("10.244.0.5"), NO_ADDRESS, 8066, 361, NODE_MAC, 0)
    masquerade = MasqueradeAddress(octets("192.168.10.100"), NO_ADDRESS)
    datagram = FragmentKey(octets("10.0.0.1"), octets("10.0.0.2"), 77, 17)

    assert interface_rows([(12, interface)]) == {
        "12": ["id=361   sec_id=8066  ipv4=10.244.0.5 ipv6= nodemac=96:EB:00:00:00:02"]
    }
    assert masquerade_rows([(3, masquerade)]) == {"3": ["ipv4=192.168.10.100 ipv6="]}
    assert fragment_rows([(datagram, FragmentPorts(53, 40000))]) == {
        "10.0.0.1 -> 10.0.0.2 id=77 proto=17": ["sport=53 dport=40000"]
    }
