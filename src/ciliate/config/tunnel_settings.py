"""Settings of the tunnel between nodes. Pure."""

from dataclasses import dataclass

from ciliate.config import values
from ciliate.config.texts import Texts
from ciliate.errors import SettingError
from ciliate.net.tunnel import DEFAULT_PORTS, OVERHEAD_BYTES, TunnelProtocol, tunnel_name


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """How packets to pods of other nodes are encapsulated.

    `source_ports` are the first and the last UDP port to send from, (0, 0) the kernel's choice;
    `underlay_version` is the IP version between the nodes.
    """

    protocol: TunnelProtocol
    port: int
    source_ports: tuple[int, int]
    underlay_version: int

    @property
    def name(self) -> str:
        """What nodes call the tunnel among each other."""
        return tunnel_name(self.protocol, self.port)

    @property
    def overhead(self) -> int:
        """Bytes that the tunnel adds to each packet."""
        return OVERHEAD_BYTES[self.underlay_version]


def read_tunnel_settings(texts: Texts) -> TunnelSettings | None:
    """Return the settings; None: packets are routed natively.

    Raises:
        SettingError: Native routing is asked for at the same time.
    """
    if texts.text("routing-mode") != "tunnel":
        return None
    if texts.flag("auto-direct-node-routes"):
        raise SettingError(
            key="auto-direct-node-routes",
            value="true",
            problem="cannot be used with tunneling. Packets must be routed through the tunnel"
            " device",
            remedy='set it to "false", or routing-mode to "native"',
        )
    protocol = TunnelProtocol(texts.text("tunnel-protocol"))
    return TunnelSettings(
        protocol=protocol,
        port=texts.number("tunnel-port") or DEFAULT_PORTS[protocol],
        source_ports=values.read_port_range(texts.text("tunnel-source-port-range")),
        underlay_version=_underlay_version(texts),
    )


def _underlay_version(texts: Texts) -> int:
    known = {"ipv4": 4, "ipv6": 6}
    automatic = 4 if texts.flag("enable-ipv4") else 6
    return known.get(texts.text("underlay-protocol"), automatic)
