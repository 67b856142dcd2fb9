"""`endpoint/plan.py`: what the maps hold for an endpoint."""

from ipaddress import ip_address
from typing import Any

from tests.unit.node import endpoint_samples

from ciliate.datapath import layout
from ciliate.endpoint.plan import endpoint_entry, host_entry, interface_entry
from ciliate.net.address import Mac, mac_octets, to_octets
from ciliate.node.endpoint import Endpoint

POD = (ip_address("fd00::7"), ip_address("10.244.0.7"))


def endpoint(**changes: Any) -> Endpoint:
    """Return one whose every number and MAC is its own."""
    own = {"addresses": POD, "identity": 8066, "host_mac": Mac("96:eb:00:00:00:01"), "ifindex": 12}
    return endpoint_samples.endpoint(7, **{**own, **changes})


def test_interface_says_who_may_send_from_it_and_under_which_name() -> None:
    made = endpoint()

    assert interface_entry(made) == layout.Interface(
        ipv4=to_octets(POD[1]),
        ipv6=to_octets(POD[0]),
        identity=made.identity,
        endpoint_id=made.id,
        node_mac=mac_octets(made.interface.host_mac),
        flags=layout.InterfaceFlag(0),
    )


def test_pod_is_delivered_to_directly_unless_the_stack_is_asked_for() -> None:
    assert interface_entry(endpoint()).flags == layout.InterfaceFlag(0)
    assert endpoint_entry(endpoint()).flags == layout.EndpointFlag(0)


def test_family_that_a_pod_has_not_is_no_address() -> None:
    only_ipv4 = interface_entry(endpoint(addresses=POD[1:]))
    only_ipv6 = interface_entry(endpoint(addresses=POD[:1]))

    assert (only_ipv4.ipv4, only_ipv4.ipv6) == (to_octets(POD[1]), bytes(16))
    assert (only_ipv6.ipv4, only_ipv6.ipv6) == (bytes(16), to_octets(POD[0]))


def test_an_address_leads_to_the_pods_interface_and_macs() -> None:
    made = endpoint()

    assert endpoint_entry(made) == layout.Endpoint(
        ifindex=made.ifindex,
        identity=made.identity,
        endpoint_id=made.id,
        flags=layout.EndpointFlag(0),
        mac=mac_octets(made.interface.pod_mac),
        node_mac=mac_octets(made.interface.host_mac),
    )


def test_what_is_the_hosts_has_no_interface() -> None:
    assert (
        layout.Endpoint(
            ifindex=0,
            identity=1,
            endpoint_id=0,
            flags=layout.EndpointFlag.ENDPOINT_HOST,
            mac=bytes(6),
            node_mac=bytes(6),
        )
        == host_entry()
    )
