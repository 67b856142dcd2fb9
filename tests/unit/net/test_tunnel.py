"""`net/tunnel.py`: names, ports and overhead of the tunnel between nodes."""

from ciliate.net.tunnel import DEFAULT_PORTS, OVERHEAD_BYTES, TunnelProtocol, device_name


def test_each_protocol_has_the_device_and_port_that_users_of_cilium_know() -> None:
    known = {each: (device_name(each), DEFAULT_PORTS[each]) for each in TunnelProtocol}

    assert known == {"vxlan": ("cilium_vxlan", 8472), "geneve": ("cilium_geneve", 6081)}


def test_overhead_is_that_of_all_headers_before_the_pods_ip_header() -> None:
    assert OVERHEAD_BYTES == {4: 50, 6: 70}
