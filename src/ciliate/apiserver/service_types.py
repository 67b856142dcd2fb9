"""What the type of a Service needs, and what goes when the type changes to one that does not.

Source: kubernetes `pkg/registry/core/service` (dropTypeDependentFields). A field that a client
changes in the same write stays, to be refused by its name (`service_checks`).
"""

from collections.abc import Callable
from typing import Any, Final

from ciliate.apiserver.store import JsonObject


def needs_cluster_ip(spec: JsonObject) -> bool:
    """Whether a Service of the type has a cluster IP, or says that it wants none."""
    return spec.get("type") != "ExternalName"


def needs_node_ports(spec: JsonObject) -> bool:
    """Whether it has node ports, or may do without."""
    return spec.get("type") in {"NodePort", "LoadBalancer"}


def is_load_balancer(spec: JsonObject) -> bool:
    """Whether something outside is to give it an address."""
    return spec.get("type") == "LoadBalancer"


def needs_health_port(spec: JsonObject) -> bool:
    """Whether every node says by HTTP whether it has an endpoint."""
    return is_load_balancer(spec) and spec.get("externalTrafficPolicy") == "Local"


def is_externally_accessible(spec: JsonObject) -> bool:
    """Whether packets come from outside by an address of its own or of a node."""
    by_address = spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))
    return needs_node_ports(spec) or by_address


#: Who needs which fields.
_FIELDS: Final[tuple[tuple[Callable[[JsonObject], bool], tuple[str, ...]], ...]] = (
    (needs_cluster_ip, ("clusterIP", "clusterIPs")),
    (needs_cluster_ip, ("ipFamilies",)),
    (needs_cluster_ip, ("ipFamilyPolicy",)),
    (needs_cluster_ip, ("internalTrafficPolicy",)),
    (needs_health_port, ("healthCheckNodePort",)),
    (is_load_balancer, ("allocateLoadBalancerNodePorts",)),
    (is_load_balancer, ("loadBalancerClass",)),
    (is_externally_accessible, ("externalTrafficPolicy",)),
)


def drop_what_the_type_needs_no_more(new: JsonObject, old: JsonObject) -> None:
    """Take out of a changed Service what its former type had and nobody changed."""
    spec, was = new["spec"], old["spec"]
    # Two steps: whether a health port is needed depends on a policy that may go.
    gone = [
        name
        for needs, names in _FIELDS
        if needs(was) and not needs(spec) and all(_same(spec, was, name) for name in names)
        for name in names
    ]
    if needs_node_ports(was) and not needs_node_ports(spec) and _same_node_ports(spec, was):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    for name in gone:
        spec.pop(name, None)
    if not is_load_balancer(spec):
        new.setdefault("status", {})["loadBalancer"] = {}


def _same(spec: JsonObject, was: JsonObject, name: str) -> bool:
    value = spec.get(name)
    return value is None or value == was.get(name)


def _same_node_ports(spec: JsonObject, was: JsonObject) -> bool:
    def numbers(ports: Any) -> set[int]:
        return {port["nodePort"] for port in ports or () if port.get("nodePort")}

    return numbers(spec.get("ports")) <= numbers(was.get("ports"))
