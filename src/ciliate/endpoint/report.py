"""What `dbg endpoint list` and `dbg endpoint get` are answered. Pure."""

from ciliate.api import agent
from ciliate.net.identity import ReservedIdentity
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable


def endpoint_list(table: EndpointTable) -> list[agent.EndpointModel]:
    """Return the endpoints of this node by number, the host among them."""
    models = [_host(table), *map(endpoint_model, table)]
    return sorted(models, key=lambda model: model.id)


def _host(table: EndpointTable) -> agent.EndpointModel:
    return agent.EndpointModel(
        id=_host_id(table),
        status=agent.EndpointStatus(
            state="ready",
            identity=agent.IdentityModel(
                id=ReservedIdentity.HOST, labels=(ReservedIdentity.HOST.label,)
            ),
            labels=agent.EndpointLabels(security_relevant=(ReservedIdentity.HOST.label,)),
            networking=agent.EndpointNetworking(addressing=(agent.AddressPair(),)),
            policy=agent.POLICY_NOT_ENFORCED,
        ),
    )


def _host_id(table: EndpointTable) -> int:
    """Return a number for the host that no pod has: the highest free one stays the same."""
    number = 65535
    while table.get(number) is not None:
        number -= 1
    return number


def endpoint_model(endpoint: Endpoint) -> agent.EndpointModel:
    """Return one endpoint."""
    interface = endpoint.interface
    return agent.EndpointModel(
        id=endpoint.id,
        status=agent.EndpointStatus(
            state=endpoint.state.value,
            identity=agent.IdentityModel(id=endpoint.identity, labels=endpoint.labels),
            labels=agent.EndpointLabels(security_relevant=endpoint.labels),
            networking=agent.EndpointNetworking(
                addressing=(
                    agent.AddressPair(
                        ipv4=str(endpoint.address(4) or ""), ipv6=str(endpoint.address(6) or "")
                    ),
                ),
                interface_name=interface.host_name,
                interface_index=endpoint.ifindex,
                mac=interface.pod_mac,
                host_mac=interface.host_mac,
                container_interface_name=interface.pod_name,
                netns=interface.netns,
            ),
            external_identifiers=agent.ExternalIdentifiers(
                cni_attachment_id=":".join(endpoint.attachment),
                container_id=endpoint.container_id,
                k8s_namespace=endpoint.namespace,
                k8s_pod_name=endpoint.pod,
                pod_name="/".join(endpoint.pod_key),
            ),
            policy=agent.POLICY_NOT_ENFORCED,
            created=endpoint.created,
        ),
    )
