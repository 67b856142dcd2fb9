"""`masquerade/show.py`: rows of its maps, as Cilium prints them."""

from ipaddress import ip_address

import msgspec

from ciliate.datapath.layout import (
    Connection,
    ConnectionFlag,
    FragmentKey,
    FragmentPorts,
    MasqueradeAddress,
    NatEntry,
    Tuple,
)
from ciliate.masquerade.show import (
    TrackedConnection,
    Translation,
    fragment_rows,
    masquerade_rows,
)
from ciliate.net.address import to_octets

SECOND = 1_000_000_000


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


def test_protocol_without_a_name_is_its_number() -> None:
    key = flow("10.0.0.1", "10.0.0.2", (0, 0), protocol=47)

    assert str(Translation.read(key, NatEntry(octets("10.0.0.3"), 0, 0, 0, 0), now_ns=0)) == (
        "47 OUT 10.0.0.1:0 -> 10.0.0.2:0 XLATE_SRC 10.0.0.3:0 Created=0sec ago NeedsCT=0"
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


def test_devices_addresses_and_datagrams_have_rows() -> None:
    masquerade = MasqueradeAddress(octets("192.168.10.100"), bytes(16))
    datagram = FragmentKey(octets("10.0.0.1"), octets("10.0.0.2"), 77, 17)

    assert masquerade_rows([(3, masquerade)]) == {"3": ["ipv4=192.168.10.100 ipv6="]}
    assert fragment_rows([(datagram, FragmentPorts(53, 40000))]) == {
        "10.0.0.1 -> 10.0.0.2 id=77 proto=17": ["sport=53 dport=40000"]
    }
