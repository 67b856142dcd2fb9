"""`endpoint/plan.py`: what the programs are told of an endpoint."""

from dataclasses import replace
from ipaddress import ip_address

from tests.unit.agent import endpoint_samples

from ciliate.datapath import layout
from ciliate.endpoint.model import Endpoint
from ciliate.endpoint.plan import endpoint_entries, interface_entries
from ciliate.net.address import Mac, mac_octets, to_octets

POD = (ip_address("fd00::7"), ip_address("10.244.0.7"))


def endpoint() -> Endpoint:
    """Return one whose every number and MAC is its own."""
    return endpoint_samples.endpoint(
        7, addresses=POD, identity=8066, host_mac=Mac("96:eb:00:00:00:01"), ifindex=12
    )


def test_interface_says_who_may_send_from_it_and_under_which_name() -> None:
    made = endpoint()

    assert interface_entries([made]) == {
        made.ifindex: layout.Interface(
            ipv4=to_octets(POD[1]),
            ipv6=to_octets(POD[0]),
            identity=made.identity,
            endpoint_id=made.id,
            node_mac=mac_octets(made.host_mac),
            flags=layout.InterfaceFlag(0),
        )
    }


def test_family_that_a_pod_has_not_is_no_address() -> None:
    (only_ipv4,) = interface_entries([replace(endpoint(), addresses=POD[1:])]).values()
    (only_ipv6,) = interface_entries([replace(endpoint(), addresses=POD[:1])]).values()

    assert (only_ipv4.ipv4, only_ipv4.ipv6) == (to_octets(POD[1]), bytes(16))
    assert (only_ipv6.ipv4, only_ipv6.ipv6) == (bytes(16), to_octets(POD[0]))


def test_every_address_leads_to_the_pods_interface_and_macs() -> None:
    made = endpoint()
    entry = layout.Endpoint(
        ifindex=made.ifindex,
        identity=made.identity,
        endpoint_id=made.id,
        flags=layout.EndpointFlag(0),
        mac=mac_octets(made.pod_mac),
        node_mac=mac_octets(made.host_mac),
    )

    assert endpoint_entries([made], []) == {to_octets(address): entry for address in POD}


def test_address_of_the_node_is_the_hosts_also_when_a_pod_claims_it() -> None:
    host = layout.Endpoint(
        ifindex=0,
        identity=1,
        endpoint_id=0,
        flags=layout.EndpointFlag.ENDPOINT_HOST,
        mac=bytes(6),
        node_mac=bytes(6),
    )

    assert endpoint_entries([endpoint()], POD) == {to_octets(address): host for address in POD}
