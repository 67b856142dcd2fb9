"""`masquerade/show.py`: rows of its maps, as Cilium prints them."""

from ipaddress import ip_address, ip_network
from typing import Any

from ciliate.datapath.layout import (
    Connection,
    ConnectionFlag,
    ConnectionOwnerNumber,
    FragmentKey,
    FragmentPorts,
    MasqueradeAddress,
)
from ciliate.masquerade.compile import compile_rules
from ciliate.masquerade.rules import decision_order
from ciliate.masquerade.show import (
    TrackedConnection,
    agent_rows,
    fragment_rows,
    masquerade_rows,
    translations,
)
from ciliate.net.address import to_octets

SECOND = 1_000_000_000


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def connection(
    local: str = "10.184.1.251:34490",
    remote: str = "10.178.16.166:443",
    seen: str = "10.178.69.14:62218",
    **fields: Any,
) -> Connection:
    (local, local_port), (remote, remote_port), (seen, seen_port) = (
        each.rsplit(":", 1) for each in (local, remote, seen)
    )
    blank = Connection.unpack(bytes(Connection.SIZE))
    return blank._replace(
        local=octets(local),
        remote=octets(remote),
        seen=octets(seen),
        local_port=int(local_port),
        remote_port=int(remote_port),
        seen_port=int(seen_port),
        **{"protocol": 6, **fields},
    )


def rows(*connections: Connection, now_ns: int = 0) -> list[str]:
    return [str(row) for row in translations(connections, now_ns=now_ns)]


def test_translation_reads_as_in_cilium_for_both_directions() -> None:
    known = connection(created_ns=6 * SECOND, expires_ns=70 * SECOND)

    created = " Created=4sec ago NeedsCT=0"

    assert rows(known, now_ns=10 * SECOND) == [
        "TCP OUT 10.184.1.251:34490 -> 10.178.16.166:443 XLATE_SRC 10.178.69.14:62218" + created,
        "TCP IN 10.178.16.166:443 -> 10.178.69.14:62218 XLATE_DST 10.184.1.251:34490" + created,
    ]


def test_ipv6_addresses_stand_in_brackets() -> None:
    known = connection("fd00::1:7", "fd00::2:7", "fd00::3:9", protocol=58)

    assert rows(known)[0].startswith(
        "ICMPv6 OUT [fd00::1]:7 -> [fd00::2]:7 XLATE_SRC [fd00::3]:9 "
    )


def test_protocol_without_a_name_is_its_number() -> None:
    known = connection("10.0.0.1:0", "10.0.0.2:0", "10.0.0.3:0", protocol=47)

    assert rows(known)[0] == (
        "47 OUT 10.0.0.1:0 -> 10.0.0.2:0 XLATE_SRC 10.0.0.3:0 Created=0sec ago NeedsCT=0"
    )


def test_what_keeps_its_address_is_no_translation_but_the_nodes_own_echo_is() -> None:
    kept = connection("10.0.0.1:80", "10.0.0.2:4000", "10.0.0.1:80")
    echo = kept._replace(protocol=1, owner=ConnectionOwnerNumber.OWNER_NODE)

    assert rows(kept) == []
    assert [row.split()[:2] for row in rows(echo)] == [["ICMP", "OUT"], ["ICMP", "IN"]]


def test_connection_from_outside_shows_cilium_s_flag_numbers_and_what_is_left() -> None:
    inbound = connection(
        "10.4.34.6:4143",
        "10.4.166.193:52628",
        "10.4.34.6:4143",
        expires_ns=277365 * SECOND,
        packets=5,
        bytes=452,
        flags=ConnectionFlag.CONNECTION_SEEN_NON_SYN
        | ConnectionFlag.CONNECTION_CLOSING_REPLY
        | ConnectionFlag.CONNECTION_INBOUND,
        source_identity=2,
    )
    row = TrackedConnection.read(inbound, now_ns=277355 * SECOND)

    assert row.text(time_diff=True) == (
        "TCP IN 10.4.166.193:52628 -> 10.4.34.6:4143 expires=277365 (remaining: 10 sec(s)) "
        "Packets=5 Bytes=452 Flags=0x0012 [ TxClosing SeenNonSyn ] RevNAT=0 "
        "SourceSecurityID=2 BackendID=0"
    )


def test_connection_to_a_service_is_shown_by_the_service_and_its_id() -> None:
    asked = connection(
        "10.4.34.6:4143",
        "10.4.166.193:8080",
        "10.4.34.6:4143",
        flags=ConnectionFlag.CONNECTION_SERVICE,
        asked=octets("10.96.0.20"),
        asked_port=80,
        frontend=5,
    )
    row = TrackedConnection.read(asked, now_ns=0)

    assert str(row.key) == "TCP OUT 10.4.34.6:4143 -> 10.96.0.20:80"
    assert "RevNAT=5 " in row.text(time_diff=False)


def test_connection_of_a_pod_is_shown_as_the_pod_sees_it() -> None:
    closing = ConnectionFlag.CONNECTION_CLOSING_ORIGINAL
    row = TrackedConnection.read(connection(flags=closing), now_ns=0)

    assert str(row.key) == "TCP OUT 10.184.1.251:34490 -> 10.178.16.166:443"
    assert "Packets" not in row.text(time_diff=False), "nobody counts them"
    assert row.flag_names == ("TxClosing",)


def test_devices_addresses_and_datagrams_have_rows() -> None:
    masquerade = MasqueradeAddress(octets("192.168.10.100"), bytes(16))
    datagram = FragmentKey(octets("10.0.0.1"), octets("10.0.0.2"), 77, 17)

    assert masquerade_rows([(3, masquerade)]) == {"3": ["ipv4=192.168.10.100 ipv6="]}
    assert fragment_rows([(datagram, FragmentPorts(53, 40000))]) == {
        "10.0.0.1 -> 10.0.0.2 id=77 proto=17": ["sport=53 dport=40000"]
    }


def test_ranges_of_ip_masq_agent_stand_by_family_and_number() -> None:
    texts = ("fe80::/10", "169.254.0.0/16", "10.10.2.0/24", "10.10.1.0/24")
    rules = decision_order(native=[], excluded=[ip_network(text) for text in texts])

    assert list(agent_rows(compile_rules(rules))) == list(reversed(texts))
