"""`endpoint/report.py`: what `dbg endpoint list` and `get` are answered."""

from ipaddress import ip_address

from tests.unit.node.endpoint_samples import MAC, endpoint

from ciliate.api import agent
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.endpoint.report import endpoint_list, endpoint_model
from ciliate.net.address import Mac
from ciliate.node.endpoint import ENDPOINT_ID_MAX

POD_MAC = Mac("ee:0a:00:00:00:02")


def test_endpoint_is_told_with_what_others_call_it_and_how_it_is_attached() -> None:
    made = endpoint(
        7,
        ifindex=17,
        identity=8066,
        labels=("k8s:app=web",),
        addresses=(ip_address("fd00::7"), ip_address("10.244.0.7")),
        pod_mac=POD_MAC,
        state=EndpointState.WAITING_FOR_IDENTITY,
    )

    model = endpoint_model(made)

    assert model == agent.EndpointModel(
        id=7,
        status=agent.EndpointStatus(
            state="waiting-for-identity",
            identity=agent.IdentityModel(id=8066, labels=("k8s:app=web",)),
            labels=agent.EndpointLabels(security_relevant=("k8s:app=web",)),
            networking=agent.EndpointNetworking(
                addressing=(agent.AddressPair(ipv4="10.244.0.7", ipv6="fd00::7"),),
                interface_name="lxc7",
                interface_index=17,
                mac=POD_MAC,
                host_mac=MAC,
                container_interface_name="eth0",
                netns="/run/netns/x",
            ),
            external_identifiers=agent.ExternalIdentifiers(
                cni_attachment_id="c7:eth0",
                container_id="c7",
                k8s_namespace="default",
                k8s_pod_name="pod-7",
                pod_name="default/pod-7",
            ),
            policy=agent.POLICY_NOT_ENFORCED,
            created=made.created,
        ),
    )


def test_family_that_an_endpoint_has_no_address_of_is_empty() -> None:
    networking = endpoint_model(endpoint(7)).status.networking

    assert networking.addressing == (agent.AddressPair(ipv4="10.244.0.7", ipv6=""),)


def test_list_is_in_the_order_of_numbers_and_the_host_has_the_highest_free_one() -> None:
    listed = endpoint_list([endpoint(2, id=ENDPOINT_ID_MAX), endpoint(7), endpoint(1)])

    assert [model.id for model in listed] == [1, 7, ENDPOINT_ID_MAX - 1, ENDPOINT_ID_MAX]
    host = listed[2].status
    assert host.state == "ready"
    assert host.identity == agent.IdentityModel(id=1, labels=("reserved:host",))
    assert host.labels.security_relevant == ("reserved:host",)
    assert host.networking.addressing == (agent.AddressPair(),)
    assert host.policy == agent.POLICY_NOT_ENFORCED


def test_host_alone_has_the_highest_number() -> None:
    assert [model.id for model in endpoint_list([])] == [ENDPOINT_ID_MAX]
