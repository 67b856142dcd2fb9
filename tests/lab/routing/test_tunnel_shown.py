"""What the tools show of the tunnel: flows by name on both nodes, and no drops."""

import json
from typing import Any

from tests.lab.cluster import eventually
from tests.lab.routing.facts import NODES, counters, identity
from tests.lab.routing.far import FAR, far_ips, service_ips
from tests.lab.walkthrough.exchange import ECHO_PORT, ask, echo
from tests.lab.walkthrough.place import CONTROL_PLANE, WORKER, Place

#: Why kernels' reports of their multicast groups, which pods send as they start, go no further.
CHATTER = {
    "Forbidden ICMPv6 message",
    "Invalid source ip",
    "No configuration available to perform policy decision",
    "Stale or unroutable IP",
}


def flows(place: Place, node: str, *words: str) -> list[dict[str, Any]]:
    """What `hubble observe` shows on a node, the latest last."""
    printed = place.inside(node, "hubble", "observe", "-o", "json", "--last", "200", *words)
    lines = (json.loads(line) for line in printed.splitlines())
    return [line["flow"] for line in lines if "flow" in line]


def drops(place: Place) -> set[tuple[str, str, int]]:
    """What both nodes have dropped so far: node, reason and number of packets."""
    return {
        (node, row["reason"], row["packets"])
        for node in NODES
        for row in counters(place, node)
        if row["reason"] not in {"Success", *CHATTER}
    }


def echoes(place: Place, node: str) -> dict[tuple[str, str, str, int], set[str]]:
    """Where echo messages of curl-pod were seen, by message, names and the sender's identity."""
    found: dict[tuple[str, str, str, int], set[str]] = {}
    for flow in flows(place, node, "--protocol", "icmp", "--pod", "default/curl-pod"):
        one, two = flow["source"], flow["destination"]
        names = one.get("pod_name", ""), two.get("pod_name", "")
        key = (flow["Summary"], *names, one.get("identity", 0))
        found.setdefault(key, set()).add(flow.get("trace_observation_point", ""))
    return found


def test_both_nodes_show_both_pods_by_name_and_the_way_they_took(tunnel: Place) -> None:
    there = ("ICMPv4 EchoRequest", "curl-pod", FAR, identity(tunnel, "curl-pod"))
    back = ("ICMPv4 EchoReply", FAR, "curl-pod", identity(tunnel, FAR))

    tunnel.in_pod(f"ping -c 1 -W 3 {far_ips(tunnel)[0]}")
    for node in NODES:
        eventually(
            lambda node=node: {there, back} <= echoes(tunnel, node).keys(),  # type: ignore[misc]
            what=f"the pings on {node}",
        )
    here, away = (echoes(tunnel, node) for node in NODES)

    assert (here[there], here[back]) == ({"TO_OVERLAY"}, {"TO_ENDPOINT"})
    assert (away[there], away[back]) == ({"TO_ENDPOINT"}, {"TO_OVERLAY"})


def test_line_of_a_flow_says_to_overlay(tunnel: Place) -> None:
    tunnel.in_pod(f"ping -c 1 -W 3 {far_ips(tunnel)[0]}")

    def shown() -> bool:
        printed = tunnel.on(CONTROL_PLANE, "hubble observe --protocol icmp --pod curl-pod")
        ids = identity(tunnel, "curl-pod"), identity(tunnel, FAR)
        said = (
            f"default/curl-pod (ID:{ids[0]}) -> default/{FAR} (ID:{ids[1]}) to-overlay FORWARDED"
        )
        return said in printed

    eventually(shown, what="the line")


def test_node_is_host_here_and_remote_node_there(tunnel: Place) -> None:
    address = far_ips(tunnel)[0]
    tunnel.inside(CONTROL_PLANE, "ping", "-c", "1", "-W", "3", address)

    def labels(node: str) -> set[tuple[str, ...]]:
        found = flows(tunnel, node, "--protocol", "icmp", "--to-ip", address)
        return {tuple(flow["source"].get("labels", ())) for flow in found}

    eventually(lambda: ("reserved:host",) in labels(CONTROL_PLANE), what="the host's flow")
    eventually(
        lambda: any("reserved:remote-node" in each for each in labels(WORKER)),
        what="the flow of another node",
    )


def test_traffic_counts_at_the_programs_of_the_tunnel(tunnel: Place) -> None:
    def counted(node: str, file: str) -> int:
        rows = counters(tunnel, node)
        return sum(r["packets"] for r in rows if (r["reason"], r["file"]) == ("Success", file))

    programs = [(CONTROL_PLANE, "from_host.bpf.c"), (WORKER, "from_tunnel.bpf.c")]
    before = [counted(*each) for each in programs]
    tunnel.inside(CONTROL_PLANE, "ping", "-c", "3", "-i", "0.1", "-W", "3", far_ips(tunnel)[0])

    more = [counted(*each) - b for each, b in zip(programs, before, strict=True)]
    assert all(count >= 3 for count in more), more


def test_ordinary_traffic_is_not_dropped(tunnel: Place) -> None:
    """Reports of multicast groups are, which pods' kernels send in between."""
    before = drops(tunnel)

    for family in (0, 1):
        there = far_ips(tunnel)[family]
        tunnel.in_pod(f"ping -c 2 -i 0.1 -W 3 {there}")
        tunnel.inside(CONTROL_PLANE, "ping", "-c", "1", "-W", "3", there)
        assert tunnel.client_of(there)
        assert tunnel.client_of(service_ips(tunnel)[family])
        with echo(tunnel, FAR):
            assert "answer" in ask(tunnel, "curl-pod", there, ECHO_PORT, size=4000)

    assert drops(tunnel) == before
