"""`agent/restore.py`: what a previous life left is kept or cleaned up by what the kernel has."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

from ciliate.agent.restore import plan_restoration
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.endpoint.model import Endpoint
from ciliate.net.address import Mac
from ciliate.netlink.pod_link import ObservedPodLink

MAC = Mac("ee:0a:00:00:00:01")


def endpoint(number: int, *, ifindex: int) -> Endpoint:
    return Endpoint(
        id=number,
        container_id=f"c{number}",
        ifname="eth0",
        netns="/run/netns/x",
        namespace="default",
        pod=f"pod-{number}",
        pod_uid="",
        addresses=(ip_address(f"10.244.0.{number}"),),
        gateways=(ip_address("10.244.0.93"),),
        host_name=f"lxc{number}",
        host_mac=MAC,
        pod_mac=MAC,
        ifindex=ifindex,
        mtu=1500,
        route_mtu=1500,
        created=datetime(2026, 11, 21, tzinfo=UTC),
        state=EndpointState.READY,
    )


def link(name: str, ifindex: int) -> ObservedPodLink:
    return ObservedPodLink(
        name=name,
        ifindex=ifindex,
        host_mac=MAC,
        pod_mac=MAC,
        mtu=1500,
        is_up=True,
        peer_netnsid=1,
        addresses=(),
        from_pod_program=None,
        to_pod_program=None,
    )


def test_endpoint_with_its_interface_lives_on() -> None:
    kept = endpoint(1, ifindex=12)

    found = plan_restoration([kept], [link("lxc1", 12)])

    assert (found.keep, found.forget, found.remove_links) == ((kept,), (), ())


def test_endpoint_whose_interface_went_is_forgotten() -> None:
    gone = endpoint(1, ifindex=12)

    found = plan_restoration([gone], [])

    assert (found.keep, found.forget) == ((), (gone,))


def test_interface_of_an_unanswered_add_is_removed() -> None:
    assert plan_restoration([], [link("lxcorphan", 9)]).remove_links == ("lxcorphan",)


def test_interrupted_delete_is_finished() -> None:
    leaving = replace(endpoint(1, ifindex=12), state=EndpointState.DISCONNECTING)

    found = plan_restoration([leaving], [link("lxc1", 12)])

    assert (found.keep, found.forget, found.remove_links) == ((), (leaving,), ("lxc1",))


def test_interface_that_was_made_anew_is_not_taken_for_the_old_one() -> None:
    old = endpoint(1, ifindex=12)

    found = plan_restoration([old], [link("lxc1", 40)])

    assert (found.keep, found.remove_links) == ((), ("lxc1",))
