"""`routing/status.py`: the Routing line of `dbg status`."""

from ciliate.routing.status import Routing, lines


def test_tunnel_is_named_where_there_is_one() -> None:
    native = Routing(inter_host_routing_mode="Native", intra_host_routing_mode="BPF")
    tunnel = Routing(
        inter_host_routing_mode="Tunnel",
        intra_host_routing_mode="Legacy",
        tunnel_protocol="vxlan",
    )

    assert list(lines(native)) == ["Routing:\tNetwork: Native\tHost: BPF"]
    assert list(lines(tunnel)) == ["Routing:\tNetwork: Tunnel [vxlan]\tHost: Legacy"]
