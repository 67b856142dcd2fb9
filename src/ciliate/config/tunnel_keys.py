"""The keys of the tunnel between nodes."""

from typing import Final

from ciliate.config.key import Key, Kind

TUNNEL_KEYS: Final = (
    Key(
        name="tunnel-protocol",
        kind=Kind.CHOICE,
        default="vxlan",
        helm="tunnelProtocol",
        choices=("vxlan", "geneve"),
        meaning="What carries pods' packets between nodes; of no effect with native routing.",
    ),
    Key(
        name="tunnel-port",
        kind=Kind.INT,
        default="0",
        helm="tunnelPort",
        meaning="UDP port of the tunnel on every node; 0: 8472 for VXLAN, 6081 for Geneve.",
    ),
    Key(
        name="tunnel-source-port-range",
        kind=Kind.PORT_RANGE,
        default="0-0",
        helm="tunnelSourcePortRange",
        meaning="UDP ports that the tunnel sends from; `0-0`: the kernel's choice.",
    ),
    Key(
        name="underlay-protocol",
        kind=Kind.CHOICE,
        default="auto",
        helm="underlayProtocol",
        choices=("auto", "ipv4", "ipv6"),
        meaning="Which of the nodes' addresses the tunnel goes between; `auto`: IPv4 where pods"
        " have it, else IPv6.",
    ),
)
