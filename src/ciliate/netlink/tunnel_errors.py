"""Why a node has no tunnel device, with the facts as attributes and the remedy in words."""

from ciliate.errors import CiliateError
from ciliate.net.tunnel import TunnelProtocol
from ciliate.netlink.errors import NetlinkError


class TunnelDeviceMissingError(CiliateError):
    """This kernel makes no devices of the tunnel's protocol; `kind` is the kernel's word for them."""

    def __init__(self, kind: TunnelProtocol, cause: NetlinkError) -> None:
        self.kind = kind
        (other,) = set(TunnelProtocol) - {kind}
        super().__init__(
            f"the kernel has no {kind} device: load the module {kind} (CONFIG_{kind.upper()}),"
            f" or set tunnel-protocol: {other} ({cause})"
        )


class TunnelPortInUseError(CiliateError):
    """Something else has the tunnel's UDP port; `holder` names its device, empty when unknown."""

    def __init__(self, port: int, holder: str, cause: NetlinkError) -> None:
        self.port = port
        self.holder = holder
        by, remedy = (
            (f"the device {holder}", "remove that device")
            if holder
            else ("another socket", f"stop its owner (`ss -ulnp sport = {port}`)")
        )
        super().__init__(
            f"UDP port {port} of the tunnel is in use by {by}: {remedy}, or set tunnel-port, "
            f"on every node, to a free one ({cause})"
        )


class TunnelSourcePortsError(CiliateError):
    """This kernel does not take a range of source ports for devices of the tunnel's protocol."""

    def __init__(self, kind: TunnelProtocol, source_ports: tuple[int, int]) -> None:
        self.kind = kind
        self.source_ports = source_ports
        low, high = source_ports
        super().__init__(
            f"tunnel-source-port-range: {low}-{high}: this kernel's {kind} device takes no range: "
            "set it to 0-0, which leaves source ports to the kernel"
        )


class TunnelNameTakenError(CiliateError):
    """A device that is none of a tunnel has a tunnel device's name, and stays; `kind` is its own."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        what = f"of kind {kind}" if kind else "hardware"
        super().__init__(
            f"the device {name} is {what}, not a tunnel, and was left as it is: rename it"
        )
