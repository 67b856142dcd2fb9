"""The agent's endpoints against the kernel: interfaces, routes, maps, pods' namespaces. Pure."""

from collections.abc import Iterable, Iterator

from ciliate.api.ipam_audit import Finding, Severity
from ciliate.ipam.audit.evidence import evidence, finding, listed, settled
from ciliate.ipam.audit.node_snapshot import NodeSnapshot
from ciliate.net.address import IPAddress


def interface_findings(seen: NodeSnapshot) -> Iterator[Finding]:
    """Yield interfaces without an endpoint, and endpoints whose interface was changed."""
    links = {link.name: link for link in seen.interfaces}
    known = {endpoint.interface for endpoint in seen.endpoints}
    for name in links.keys() - known:
        yield finding(
            "interface-without-endpoint",
            name,
            evidence(
                kernel=f"interface {links[name].ifindex}" + _routes(links[name].routed),
                agent="no endpoint has it",
            ),
            "give the node a new agent pod: it removes interfaces that nobody answers for",
            severity=Severity.WARNING,
            node=seen.node,
        )
    for endpoint in settled(seen):
        link = links.get(endpoint.interface)
        if link is None or link.ifindex != endpoint.ifindex:
            yield finding(
                "endpoint-without-interface",
                endpoint.label,
                evidence(
                    agent=f"its interface is {endpoint.interface} ({endpoint.ifindex})",
                    kernel=f"that is number {link.ifindex}"
                    if link
                    else "there is no such interface",
                ),
                f"the agent forgets it within a minute; delete Pod {'/'.join(endpoint.pod)}",
                node=seen.node,
            )
            continue
        missing = [str(a) for a in endpoint.addresses if a not in link.routed]
        if missing or not link.is_up:
            problem = f"no route to {', '.join(missing)}" if missing else "it is down"
            yield finding(
                "interface-incomplete",
                endpoint.label,
                evidence(agent=f"its interface is {link.name}", kernel=problem),
                f"delete Pod {'/'.join(endpoint.pod)}, if it does not come back by itself",
                node=seen.node,
            )
        inside = seen.inside.get(endpoint.number)
        if inside:
            yield finding(
                "pod-side-differs",
                endpoint.label,
                evidence(
                    agent=f"it bears {listed(endpoint.addresses)}", kernel=f"in the pod: {inside}"
                ),
                f"delete Pod {'/'.join(endpoint.pod)}: somebody changed its network from inside",
                node=seen.node,
            )


def _routes(addresses: Iterable[IPAddress]) -> str:
    text = listed(addresses)
    return f" with routes to {text}" if text else ""


def map_findings(seen: NodeSnapshot) -> Iterator[Finding]:
    """Yield entries of the maps `endpoints` and `interfaces` that are left over or wrong."""
    owners = {a: endpoint for endpoint in seen.endpoints for a in endpoint.addresses}
    indexes = {endpoint.ifindex for endpoint in seen.endpoints}
    remedy = "the agent corrects its maps within a minute; `cilium-dbg bpf endpoint list` shows it"
    for address, entry in seen.delivered.items():
        if address not in owners:
            yield finding(
                "map-entry-without-endpoint",
                address,
                evidence(
                    kernel=f"the map endpoints delivers it to interface {entry.ifindex}",
                    agent="no endpoint has it",
                ),
                remedy,
                node=seen.node,
            )
    for index in seen.sources.keys() - indexes:
        yield finding(
            "map-entry-without-endpoint",
            f"interface {index}",
            evidence(
                kernel=f"the map interfaces has it{_routes(seen.sources[index])}",
                agent="no endpoint has it",
            ),
            remedy,
            severity=Severity.WARNING,
            node=seen.node,
        )
    for endpoint in settled(seen, ours=False):
        for address in endpoint.addresses:
            found = seen.delivered.get(address)
            right = found is not None and found.ifindex == endpoint.ifindex
            if not right or address not in seen.sources.get(endpoint.ifindex, ()):
                delivery = (
                    "no entry" if found is None else f"delivered to interface {found.ifindex}"
                )
                yield finding(
                    "map-entry-wrong",
                    address,
                    evidence(
                        agent=f"{endpoint.label}, interface {endpoint.ifindex}",
                        kernel=delivery if not right else "the pod may not send from it",
                    ),
                    remedy,
                    node=seen.node,
                )
