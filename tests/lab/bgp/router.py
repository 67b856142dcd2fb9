"""FRR on a lab's machine `router`, in place of static routes: zebra and bgpd, as Debian has them."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.lab.cluster import Cluster, eventually

ADDRESS: Final = "192.168.10.200"
#: The router's and the nodes' autonomous systems.
ROUTER_ASN: Final = 65000
NODE_ASN: Final = 65001

_PROGRAMS: Final = "/usr/lib/frr"
_FOLDER: Final = "/run/frr"

#: Routers wait for the nodes, which open every session. Routes of several nodes count together.
_CONFIGURATION: Final = f"""hostname router
router bgp {ROUTER_ASN}
 bgp router-id {ADDRESS}
 no bgp ebgp-requires-policy
 neighbor nodes peer-group
 neighbor nodes remote-as {NODE_ASN}
 neighbor nodes passive
 bgp listen range 192.168.10.0/24 peer-group nodes
"""


@dataclass(frozen=True, slots=True)
class Router:
    """The daemons of one lab."""

    lab: Cluster

    def start(self) -> None:
        """Start them, and wait until they answer."""
        script = (
            f"mkdir -p {_FOLDER} && cat > {_FOLDER}/bgpd.conf && chown -R frr:frrvty {_FOLDER}"
            f" && {_PROGRAMS}/zebra -d -f /dev/null"
            f" && {_PROGRAMS}/bgpd -d -f {_FOLDER}/bgpd.conf"
        )
        with self.lab.background("router", "sh", "-c", script) as starting:
            _out, problem = starting.communicate(_CONFIGURATION, timeout=30.0)
            assert starting.returncode == 0, problem
        eventually(lambda: self.told("show bgp summary json") is not None, what="bgpd's answer")

    def told(self, command: str) -> Any:
        """What a command of vtysh shows as JSON; None: it does not answer."""
        try:
            return json.loads(self.lab.exec("router", "vtysh", "-c", command, check=False))
        except ValueError:
            return None

    def configure(self, *lines: str) -> None:
        """Change the configuration below `router bgp`."""
        words = [word for line in lines for word in ("-c", line)]
        begin = ("-c", "configure terminal", "-c", f"router bgp {ROUTER_ASN}")
        self.lab.exec("router", "vtysh", *begin, *words)

    def next_hops(self, prefix: str) -> set[str]:
        """Where the kernel sends packets of a prefix, by routes of BGP."""
        routes = json.loads(self.lab.exec("router", "ip", "-j", "route", "show", "proto", "bgp"))
        found = set()
        for route in routes:
            if route["dst"] == prefix.removesuffix("/32"):
                ways = route.get("nexthops") or [route]
                found |= {way["gateway"] for way in ways}
        return found

    def has(self, prefix: str, *gateways: str, within_s: float = 15.0) -> None:
        """Wait until a prefix leads to just these nodes."""
        wanted = set(gateways)
        eventually(
            lambda: self.next_hops(prefix) == wanted,
            within_s=within_s,
            what=f"{prefix} by {wanted or 'nobody'}",
        )

    def path(self, prefix: str) -> Any:
        """What bgpd knows of a prefix."""
        return self.told(f"show bgp ipv4 unicast {prefix} json")
