"""`services/backend_address.py`: whom programs noted in a socket."""

from ipaddress import ip_address

from ciliate.datapath.layout import SocketPeers
from ciliate.net.address import to_octets
from ciliate.services.backend_address import BackendAddress, sent_to


def note(**places: tuple[str, int]) -> bytes:
    """The value of `socket_peers` with backends at the places 0 to 7."""
    addresses, ports = [bytes(16)] * 8, [bytes(2)] * 8
    for name, (address, port) in places.items():
        place = int(name.removeprefix("at"))
        addresses[place] = to_octets(ip_address(address))
        ports[place] = port.to_bytes(2, "big")
    return SocketPeers(
        bytes(128), b"".join(addresses), bytes(16), b"".join(ports), bytes(32), 0
    ).pack()


def test_each_backend_that_a_socket_was_sent_to_is_found() -> None:
    octets = note(at0=("10.0.0.1", 5353), at3=("fd00::1", 53), at7=("10.0.0.2", 65535))

    assert list(sent_to(octets)) == [
        (ip_address("10.0.0.1"), 5353),
        (ip_address("fd00::1"), 53),
        (ip_address("10.0.0.2"), 65535),
    ]


def test_empty_note_names_none() -> None:
    assert list(sent_to(note())) == []


def test_backend_is_written_with_its_protocol() -> None:
    assert str(BackendAddress(ip_address("10.0.0.1"), 53, 17)) == "10.0.0.1:53/UDP"
    assert str(BackendAddress(ip_address("fd00::1"), 80, 6)) == "[fd00::1]:80/TCP"
