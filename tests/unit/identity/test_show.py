"""`identity/show.py`: rows of the ipcache, as Cilium prints them."""

from ipaddress import ip_address

from ciliate.datapath.layout import IpcacheEntry, IpcacheFlag, PrefixKey
from ciliate.identity.show import ipcache_rows, tunnel_rows
from ciliate.net.address import to_octets

NO_ADDRESS = bytes(16)


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def test_ipcache_rows_stand_by_address_then_length() -> None:
    texts = [("10.244.1.0", 120), ("10.244.1.0", 128), ("10.245.0.0", 112)]
    entries = [(PrefixKey(n, octets(text)), IpcacheEntry(2, 0, NO_ADDRESS)) for text, n in texts]

    assert list(ipcache_rows(reversed(entries))) == [
        "10.244.1.0/24",
        "10.244.1.0/32",
        "10.245.0.0/16",
    ]


def test_ipcache_rows_print_ipv4_prefixes_with_their_own_lengths() -> None:
    rows = ipcache_rows(
        [
            (PrefixKey(96, octets("0.0.0.0")), IpcacheEntry(2, 0, NO_ADDRESS)),
            (
                PrefixKey(120, octets("10.244.1.0")),
                IpcacheEntry(2, 1, octets("192.168.10.101")),
            ),
            (PrefixKey(128, octets("fd00::5")), IpcacheEntry(8066, 1, NO_ADDRESS)),
        ]
    )

    assert rows == {
        "0.0.0.0/0": ["identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"],
        "10.244.1.0/24": ["identity=2 encryptkey=0 tunnelendpoint=192.168.10.101 flags=<none>"],
        "fd00::5/128": ["identity=8066 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"],
    }


def test_what_is_behind_a_tunnel_says_so_and_its_cidrs_have_a_list_of_their_own() -> None:
    way = IpcacheFlag.IPCACHE_CLUSTER | IpcacheFlag.IPCACHE_TUNNEL
    entries = [
        (PrefixKey(120, octets("10.244.1.0")), IpcacheEntry(2, way, octets("192.168.10.101"))),
        (PrefixKey(128, octets("10.244.1.7")), IpcacheEntry(8066, way, octets("fd00:10::101"))),
        (PrefixKey(120, octets("10.244.0.0")), IpcacheEntry(2, 1, octets("192.168.10.100"))),
    ]

    assert ipcache_rows(entries) == {
        "10.244.0.0/24": ["identity=2 encryptkey=0 tunnelendpoint=192.168.10.100 flags=<none>"],
        "10.244.1.0/24": ["identity=2 encryptkey=0 tunnelendpoint=192.168.10.101 flags=hastunnel"],
        "10.244.1.7/32": [
            "identity=8066 encryptkey=0 tunnelendpoint=fd00:10::101 flags=hastunnel,ipv6tunnel"
        ],
    }
    assert tunnel_rows(entries) == {"10.244.1.0:0": ["192.168.10.101:0"]}
