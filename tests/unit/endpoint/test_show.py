"""`endpoint/show.py`: rows of the maps of pods, as Cilium prints them."""

from ipaddress import ip_address

from ciliate.datapath.layout import Endpoint, EndpointFlag, Interface
from ciliate.endpoint.show import endpoint_rows, interface_rows
from ciliate.net.address import Mac, mac_octets, to_octets

POD_MAC = mac_octets(Mac("ee:0a:00:00:00:01"))
NODE_MAC = mac_octets(Mac("96:eb:00:00:00:02"))


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def test_endpoint_rows_distinguish_pods_from_the_host() -> None:
    pod = Endpoint(
        ifindex=12, identity=8066, endpoint_id=361, flags=0, mac=POD_MAC, node_mac=NODE_MAC
    )
    host = Endpoint(0, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))

    rows = endpoint_rows([(octets("172.20.1.218"), pod), (octets("10.0.2.15"), host)])

    text = (
        "id=361   sec_id=8066  flags=0x0000 ifindex=12  mac=EE:0A:00:00:00:01 "
        "nodemac=96:EB:00:00:00:02 parent_ifindex=0"
    )
    assert rows == {"10.0.2.15:0": ["(localhost)"], "172.20.1.218:0": [text]}


def test_endpoint_rows_stand_by_address_whatever_is_behind_it() -> None:
    entries = [
        (octets(f"10.244.0.{number}"), Endpoint(20 - number, 1, 0, 0, bytes(6), bytes(6)))
        for number in (3, 1, 2)
    ]

    assert list(endpoint_rows(entries)) == [f"10.244.0.{number}:0" for number in (1, 2, 3)]


def test_interface_rows_name_the_endpoint_behind_each() -> None:
    interface = Interface(octets("10.244.0.5"), bytes(16), 8066, 361, NODE_MAC, 0)

    assert interface_rows([(12, interface)]) == {
        "12": ["id=361   sec_id=8066  ipv4=10.244.0.5 ipv6= nodemac=96:EB:00:00:00:02"]
    }
