"""`cli/port_picture.py`: the tables of `masquerade ports`."""

from ciliate.cli.port_picture import render_cluster_ports, render_node_ports
from ciliate.masquerade.ports.report import (
    ConnectionHolder,
    PortHolder,
    PortRow,
    PortsReport,
)


def row(destination: str, used: int, **fields: object) -> PortRow:
    known = {
        "source_address": "192.168.10.100",
        "remote_address": "203.0.113.10",
        "remote_port": 80,
        "protocol": "TCP",
        "ports": 32768,
        "fill_percent": round(used / 327.68, 1),
        "failed": 0,
    }
    return PortRow(destination=destination, used=used, **{**known, **fields})  # type: ignore[arg-type]


def report(*rows: PortRow, **fields: object) -> PortsReport:
    known = {"back_end": "BPF", "used": 0, "least_listed": 1, "unlisted": 0, "left_out": 0}
    return PortsReport(destinations=rows, **{"owners": (), **known, **fields})  # type: ignore[arg-type]


def holder(name: str, ports: int) -> PortHolder:
    return PortHolder(namespace="default", name=name, ports=ports)


def test_a_node_shows_its_destinations_and_its_owners() -> None:
    full = row(
        "203.0.113.10:80/TCP",
        32768,
        failed=12,
        last_failed_seconds_ago=63,
        growth_per_second=1092.3,
        seconds_to_exhaustion=0.0,
        holders=tuple(holder(name, 9) for name in ("a", "b", "c", "d")),
    )
    half = row("[2001:db8::10]:80/TCP", 16384, growth_per_second=-2.0)
    owners = (
        ConnectionHolder(namespace="default", name="a", connections=9, evicted=1, refused=12),
        ConnectionHolder(name="the node", connections=1, evicted=0, refused=0),
    )

    assert render_node_ports(report(full, half, owners=owners)) == (
        "SOURCE           DESTINATION             USED    PORTS   FILL     GROWTH"
        "      EXHAUSTED IN   FAILED          MOST BY\n"
        "192.168.10.100   203.0.113.10:80/TCP     32768   32768   100.0%   +1092.3/s"
        "   now            12 (1m3s ago)   default/a 9, default/b 9, default/c 9\n"
        "192.168.10.100   [2001:db8::10]:80/TCP   16384   32768   50.0%    -2.0/s"
        "      -              0               -\n"
        "\n"
        "OWNER       CONNECTIONS   EVICTED   REFUSED\n"
        "default/a   9             1         12\n"
        "the node    1             0         0\n"
    )


def test_destinations_of_several_nodes_come_by_fill() -> None:
    text = render_cluster_ports(
        {"w1": report(row("a:1/TCP", 10)), "w2": report(row("b:1/TCP", 16384))}
    )

    assert [line.split()[:3] for line in text.splitlines()] == [
        ["NODE", "SOURCE", "DESTINATION"],
        ["w2", "192.168.10.100", "b:1/TCP"],
        ["w1", "192.168.10.100", "a:1/TCP"],
    ]


def test_an_empty_book_says_why_it_is_empty() -> None:
    assert render_node_ports(report()) == (
        "No ports are in use: no pod has a masqueraded connection now.\n"
    )


def test_what_is_not_shown_is_told() -> None:
    text = render_cluster_ports(
        {
            "w1": report(row("a:1/TCP", 10), left_out=3, unlisted=900, least_listed=32),
            "w2": report(back_end="iptables"),
            "w3": report(back_end="Disabled"),
        }
    )

    notes = text.split("\n\n")[1].splitlines()
    assert [line.partition(": ")[0] for line in notes] == ["w1", "w1", "w2", "w3"]
    assert notes[0].endswith("left out: 3 (--all)")
    assert "fewer than 32" in notes[1]
    assert notes[1].endswith(": 900")
    assert "conntrack -L" in notes[2]
    assert "masquerading is off" in notes[3]
