"""`bgp peers` and `bgp routes` in Cilium's columns. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from ciliate.bgp.report import PeerModel, RouteModel

_NS = 10**9


def peer_lines(by_node: Mapping[str, Sequence[PeerModel]]) -> Iterator[str]:
    """Yield the table of all nodes' sessions, cells ended by tabs; a further family has a row."""
    head = "Node Local\x00AS Peer\x00AS Peer\x00Address Session\x00State Uptime Family Received Advertised"
    yield "\t".join(word.replace("\0", " ") for word in head.split(" "))
    for node in sorted(by_node):
        yield from _peer_rows(node, by_node[node])


def own_peer_lines(peers: Sequence[PeerModel]) -> Iterator[str]:
    """Yield the table of one node, which is not named."""
    for line in peer_lines({"": peers}):
        yield line.partition("\t")[2]


def _peer_rows(node: str, peers: Sequence[PeerModel]) -> Iterator[str]:
    name = node
    for peer in sorted(peers, key=lambda each: (each.local_asn, each.peer_address)):
        cells = [
            name,
            str(peer.local_asn),
            str(peer.peer_asn),
            peer.peer_address,
            peer.session_state,
            go_duration(round(peer.uptime_nanoseconds / _NS)),
        ]
        for family in peer.families:
            counts = (f"{family.afi}/{family.safi}", str(family.received), str(family.advertised))
            yield "\t".join((*cells, *counts)) + "\t"
            cells = [""] * len(cells)
        name = ""


def route_lines(
    by_node: Mapping[str, Sequence[RouteModel]], *, with_peer: bool, with_node: bool = True
) -> Iterator[str]:
    """Yield the table of routes, cells ended by tabs."""
    head = ["Node"] * with_node + ["VRouter"] + ["Peer"] * with_peer
    yield "\t".join((*head, "Prefix", "NextHop", "Age", "Attrs"))
    for node in sorted(by_node):
        name = node
        ordered = sorted(by_node[node], key=lambda e: (e.router_asn, e.neighbor, e.prefix))
        for route in ordered:
            for path in route.paths:
                cells = [name] * with_node + [str(route.router_asn)]
                cells += [route.neighbor] * with_peer
                cells += [path.prefix, path.next_hop]
                cells += [go_duration(round(path.age_nanoseconds / _NS))]
                yield "\t".join((*cells, f"[{' '.join(path.attributes)}]")) + "\t"
                name = ""


def go_duration(seconds: int) -> str:
    """Return whole seconds as Go's Duration prints them: 1h2m3s."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
