"""The texts of `dbg endpoint list`, `dbg ip list` and `dbg node list`, and an endpoint's names.

Columns, words and the order of rows are Cilium's. An endpoint's labels stand one a line, the first
beside the endpoint. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ciliate.api.agent import (
    ClusterNodes,
    EndpointModel,
    IdentityModel,
    IpListEntry,
    PolicyEnabled,
    reserved_label,
)
from ciliate.console.table import align

_LABELS: Final = "LABELS (source:key[=value])"
_HEADER: Final = (
    f"ENDPOINT\tPOLICY (ingress)\tPOLICY (egress)\tIDENTITY\t{_LABELS}\tIPv6\tIPv4\tSTATUS\t",
    "\tENFORCEMENT\tENFORCEMENT\t\t\t\t\t\t",
)

#: Ingress and egress column of each policy state.
_POLICY: Final[Mapping[PolicyEnabled, tuple[str, str]]] = {
    "none": ("Disabled", "Disabled"),
    "ingress": ("Enabled", "Disabled"),
    "egress": ("Disabled", "Enabled"),
    "both": ("Enabled", "Enabled"),
    "audit-ingress": ("Disabled (Audit)", "Disabled"),
    "audit-egress": ("Disabled", "Disabled (Audit)"),
    "audit-both": ("Disabled (Audit)", "Disabled (Audit)"),
}


def render_endpoints(endpoints: Iterable[EndpointModel], *, headers: bool) -> str:
    """Return the table of this node's endpoints, by endpoint number."""
    lines = list(_HEADER) if headers else []
    for endpoint in sorted(endpoints, key=lambda endpoint: endpoint.id):
        lines.extend(_endpoint_lines(endpoint))
    return align(lines, width_min=5, padding=3)


def names_of(model: EndpointModel) -> set[str]:
    """Return all the names by which commands find an endpoint: Cilium's, and a pod's plain ones."""
    external = model.status.external_identifiers
    pod = external.pod_name or f"{external.k8s_namespace}/{external.k8s_pod_name}".strip("/")
    names = {
        "cilium-local": str(model.id),
        "container-id": external.container_id,
        "cni-attachment-id": external.cni_attachment_id,
        "pod-name": pod,
        "cep-name": pod,
    }
    found = {f"{prefix}:{name}" for prefix, name in names.items() if name}
    if pod:
        found |= {pod, f"po/{pod}", f"po/{pod.rpartition('/')[2]}"}
    for address in model.status.networking.addressing:
        found |= {f"ipv4:{address.ipv4}", f"ipv6:{address.ipv6}"} - {"ipv4:", "ipv6:"}
    return found | {str(model.id)}


def _endpoint_lines(endpoint: EndpointModel) -> Iterator[str]:
    status = endpoint.status
    labels = sorted(status.labels.security_relevant) or ["no labels"]
    ingress, egress = _POLICY[status.policy.realized.policy_enabled]
    identity = str(status.identity.id) if status.identity else "<no label id>"
    ipv6 = ipv4 = "No address"
    if status.networking.addressing:
        ipv6 = status.networking.addressing[0].ipv6
        ipv4 = status.networking.addressing[0].ipv4
    yield "\t".join(
        (str(endpoint.id), ingress, egress, identity, labels[0], ipv6, ipv4, status.state, "")
    )
    yield from (f"\t\t\t\t{label}\t\t\t\t" for label in labels[1:])


def render_ips(
    entries: Iterable[IpListEntry],
    labels: Mapping[int, tuple[str, ...]],
    *,
    numeric: bool,
    verbose: bool,
) -> str:
    """Return the table of the ipcache; `labels` are those of each identity that has any."""
    lines = ["IP\tIDENTITY\tSOURCE" + ("\tHOST\tENCRYPT_KEY" if verbose else "")]
    for entry in entries:
        names = _identity_names(entry.identity, labels, numeric=numeric)
        more = f"\t{entry.host_ip}\t{entry.encrypt_key}" if verbose else ""
        lines.append(f"{entry.cidr}\t{names[0]}\t{entry.metadata.source}{more}")
        lines.extend(f"\t{name}\t" for name in names[1:])
    return align(lines, width_min=5, padding=3)


def _identity_names(
    identity: int, labels: Mapping[int, tuple[str, ...]], *, numeric: bool
) -> tuple[str, ...]:
    """Return the number, the reserved identity's name, or the labels one by one."""
    if numeric:
        return (str(identity),)
    reserved = reserved_label(identity)
    if reserved is not None:
        return (reserved,)
    return tuple(sorted(labels.get(identity, ()))) or (str(identity),)


def render_nodes(nodes: ClusterNodes) -> str:
    """Return the table of the nodes that the agent knows, by name."""
    lines = ["Name\tIPv4 Address\tEndpoint CIDR\tIPv6 Address\tEndpoint CIDR\tSource"]
    for node in sorted(nodes.nodes_added, key=lambda node: node.name):
        ipv4, ipv6 = node.primary_address.ipv4, node.primary_address.ipv6
        lines.append(
            f"{node.name}\t{ipv4.ip}\t{ipv4.alloc_range}\t{ipv6.ip}\t{ipv6.alloc_range}"
            f"\t{node.source}"
        )
    return align(lines, width_min=5, padding=3)


def render_identities(identities: Iterable[IdentityModel]) -> str:
    """Return the table of the identities that the agent knows, by number."""
    lines = ["ID\tLABELS"]
    for identity in sorted(identities, key=lambda identity: identity.id):
        labels = sorted(identity.labels) or [""]
        lines.append(f"{identity.id}\t{labels[0]}")
        lines.extend(f"\t{label}" for label in labels[1:])
    return align(lines, width_min=5, padding=3)
