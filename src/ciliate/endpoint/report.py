"""What `dbg endpoint list` and `dbg endpoint get` are answered. Pure."""

from collections.abc import Container, Iterable

from ciliate.api import agent
from ciliate.net.identity import ReservedIdentity
from ciliate.node.endpoint import ENDPOINT_ID_MAX, Endpoint


def endpoint_list(endpoints: Iterable[Endpoint]) -> list[agent.EndpointModel]:
    """Return the endpoints of this node by number, the host among them."""
    models = list(map(endpoint_model, endpoints))
    models.append(_host(_host_id({model.id for model in models})))
    return sorted(models, key=lambda model: model.id)


def _host(number: int) -> agent.EndpointModel:
    return agent.EndpointModel(
        id=number,
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


def _host_id(taken: Container[int]) -> int:
    """Return a number for the host that no pod has: the highest free one stays the same."""
    number = ENDPOINT_ID_MAX
    while number in taken:
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
