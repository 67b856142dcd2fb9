"""The lab's wires: every machine's links, addresses, routes and kernel settings, as words of ip(8).

The plan is text that could be typed by hand (`ip -batch`), which makes it easy to read and to try;
one process per machine runs it, in some 3 ms. A veth pair is made in its two namespaces at once:
moving a device into one later waits 16 ms for the kernel.

The internet machine is the odd one: all its neighbours have the address 10.0.2.15, so an answer
has to leave by the link its question came on. Sockets are bound to links (see `web_server`); what
the kernel answers itself (echo, resets, ICMP errors) reflects a mark that nftables sets by link,
and a rule per mark chooses a table that knows only that link.
"""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ciliate.lab import topology
from ciliate.lab.errors import LabError
from ciliate.lab.topology import Interface, Machine, Role

BRIDGE: Final = "br0"

#: Devices that need no other one, for loop1 and loop2: the first the kernel has is taken.
_UNATTACHED_KINDS: Final = ("dummy", "ifb", "bridge")

#: The number of eth0; lo is 1.
_FIRST_DEVICE: Final = 2

#: Far ends, marks and routing tables of the internet machine: this and the machine's number.
_FIRST_TABLE: Final = 1000

_TIMEOUT_S: Final = 30.0

_EVERY_MACHINE: Final = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    # Duplicate address detection would hold every IPv6 address back for a second.
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}
_FORWARDING: Final = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}
_REFLECTING: Final = {
    "net/ipv4/fwmark_reflect": "1",
    "net/ipv4/tcp_fwmark_accept": "1",
    "net/ipv6/fwmark_reflect": "1",
}

#: Types of ICMP messages that the kernel sends one a second to each destination, without those that
#: say "unreachable": a look-up of a name by a pod is eight of them.
_REFUSING: Final = {"net/ipv4/icmp_ratemask": "6160", "net/ipv6/icmp/ratemask": "0,3-127"}

#: The internet machine's packet filter: a mark per incoming link, filled by `internet_marks`.
INTERNET_RULESET: Final = """\
table inet links {
	map marks { type ifname : mark; }
	chain mark_by_link {
		type filter hook prerouting priority mangle;
		meta mark set iifname map @marks
	}
}
"""


class LinkError(LabError):
    """A tool that sets up links refused."""

    def __init__(self, *, machine: str, tool: str, problem: str) -> None:
        self.machine = machine
        super().__init__(f"links of {machine}: {tool}: {problem}")


def settings(machine: Machine) -> dict[str, str]:
    """Kernel settings of a machine, by path below /proc/sys."""
    wanted = dict(_EVERY_MACHINE)
    if machine.role.is_node or machine.role is Role.ROUTER:
        wanted |= _FORWARDING
    if machine.role.is_node:
        wanted |= _REFUSING
    if machine.role is Role.INTERNET:
        wanted |= _REFLECTING
    return wanted


def machine_words(machine: Machine, *, dual_stack: bool, pins: Path) -> list[str]:
    """What a machine itself runs. `pins` is the lab's folder: the other ends live there."""
    if machine.role is Role.SWITCH:
        return [
            "link set lo up",
            # No spanning tree and no snooping: a port forwards as soon as it is up.
            f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {BRIDGE} up",
        ]
    if machine.role is Role.INTERNET:
        addresses = topology.internet_addresses(dual_stack=dual_stack)
        return ["link set lo up", *_addresses("lo", addresses)]
    words = ["link set lo up"]
    peer = f"peer name {machine.name} index {_FIRST_TABLE + machine.index}"
    for number, other in enumerate((topology.INTERNET, topology.SWITCH)):
        far_end = pins / other / "ns" / "net"
        words += [
            # Both ends' numbers are given, and differ: the kernel takes an interface whose peer
            # has its own number for no veth, and reports a change of its carrier up to a second late
            # (net/core/link_watch.c, linkwatch_urgent_event).
            f"link add eth{number} index {_FIRST_DEVICE + number} type veth {peer} netns {far_end}",
            f"link set eth{number} up",
        ]
    words += _addresses("eth0", topology.uplink_addresses(dual_stack=dual_stack), metric=100)
    words += _addresses("eth1", topology.cluster_addresses(machine, dual_stack=dual_stack))
    return [
        *words,
        *_uplink_routes(dual_stack=dual_stack),
        *_company_routes(machine, dual_stack),
        *_service_routes(machine, dual_stack),
    ]


def restoring_words(machine: Machine, device: str, *, dual_stack: bool) -> list[str]:
    """What brings back what the kernel took when eth0 or eth1 went down: words that may fail.

    Routes by the device are gone, and of addresses those of IPv6. What is there by now stays.
    """
    if device == "eth0":
        addresses = topology.uplink_addresses(dual_stack=dual_stack)
        routes = _uplink_routes(dual_stack=dual_stack)
    else:
        addresses = topology.cluster_addresses(machine, dual_stack=dual_stack)
        routes = _company_routes(machine, dual_stack)
    return [*_addresses(device, [each for each in addresses if each.version == 6]), *routes]


def _company_routes(machine: Machine, dual_stack: bool) -> list[str]:  # noqa: FBT001 - private.
    """A node's way to what is behind the router."""
    if not machine.role.is_node:
        return []
    hops = topology.cluster_addresses(topology.default_machines(1)[2], dual_stack=dual_stack)
    networks = topology.company_networks(dual_stack=dual_stack)
    return [
        f"route add {network} via {hop.ip} dev eth1 proto static"
        for network, hop in zip(networks, hops, strict=True)
    ]


def _service_routes(machine: Machine, dual_stack: bool) -> list[str]:  # noqa: FBT001 - private.
    """Have no packet to a Service's address leave, were it one that no Service has.

    By the default route it would go to the internet, and its sender wait in vain.
    """
    if not machine.role.is_node:
        return []
    ranges = topology.service_cidrs(dual_stack=dual_stack)
    return [f"route add unreachable {each} proto static" for each in ranges]


def _uplink_routes(*, dual_stack: bool) -> list[str]:
    own = topology.uplink_addresses(dual_stack=dual_stack)
    gateways = topology.gateway_addresses(dual_stack=dual_stack)
    words = []
    for address, gateway in zip(own, gateways, strict=True):
        words.append(
            f"route add default via {gateway.ip} dev eth0 proto dhcp src {address.ip} metric 100"
        )
    return words


def loop_words(number: int, kind: str, *, dual_stack: bool) -> list[str]:
    """The router's loop1 or loop2, as a device of this kind."""
    device = f"loop{number}"
    return [
        f"link add {device} type {kind}",
        f"link set {device} up",
        *_addresses(device, topology.loop_addresses(number, dual_stack=dual_stack)),
    ]


def switch_words(machine: Machine) -> list[str]:
    """What the switch runs when a machine has been plugged in."""
    return [f"link set {machine.name} master {BRIDGE} up"]


def unplugging_words(machine: Machine) -> list[str]:
    """What the switch and the internet machine run to lose their links to a machine."""
    return [f"link delete {machine.name}"]


def internet_words(machine: Machine, *, dual_stack: bool) -> list[str]:
    """What the internet machine runs for its link to a machine, besides `internet_rules`."""
    table = _FIRST_TABLE + machine.index
    words = [f"link set {machine.name} up"]
    for gateway in topology.gateway_addresses(dual_stack=dual_stack):
        words += [
            *_addresses(machine.name, [gateway]),
            f"route add {gateway.network} dev {machine.name} src {gateway.ip} table {table}",
        ]
    return words


def internet_rules(machine: Machine, *, add: bool) -> list[str]:
    """The internet machine's rule for a machine's mark, to be run once per address family."""
    table = _FIRST_TABLE + machine.index
    verb = "add" if add else "del"
    return [f"rule {verb} fwmark {table} table {table} priority {table}"]


def internet_marks(machines: Sequence[Machine], *, verb: str = "add") -> str:
    """The packet filter's elements for the links of these machines, as words of nft(8)."""
    marks = ", ".join(f'"{machine.name}" : {_FIRST_TABLE + machine.index}' for machine in machines)
    return f"{verb} element inet links marks {{ {marks} }}\n"


def _addresses(
    device: str, addresses: Sequence[Interface], *, metric: int | None = None
) -> list[str]:
    tail = "" if metric is None else f" metric {metric}"
    return [
        f"addr add {address} dev {device}{tail}{' nodad' if address.version == 6 else ''}"
        for address in addresses
    ]


def run_ip(machine: str, words: Sequence[str], *, family: int = 4) -> None:
    """Run words of ip(8) in the calling thread's network namespace.

    `family` counts only for words that name no address.

    Raises:
        LinkError: `ip` is missing or refuses a line.
    """
    _run(
        machine,
        ["ip", f"-{family}", "-batch", "-"] if family == 6 else ["ip", "-batch", "-"],
        "\n".join(words) + "\n",
    )


def run_ip_leniently(machine: str, words: Sequence[str]) -> None:
    """Run words of ip(8) of which some may be refused, in the calling thread's network namespace."""
    with contextlib.suppress(LinkError):
        _run(machine, ["ip", "-force", "-batch", "-"], "\n".join(words) + "\n")


def run_nft(machine: str, text: str) -> None:
    """Load words of nft(8) in the calling thread's network namespace.

    Raises:
        LinkError: `nft` is missing or refuses the text.
    """
    _run(machine, ["nft", "-f", "-"], text)


def make_loops(machine: str, *, dual_stack: bool) -> None:
    """Make the router's loop1 and loop2 of the first kind of device that the kernel has.

    Raises:
        LinkError: It has none of them.
    """
    for kind in _UNATTACHED_KINDS:
        try:
            run_ip(machine, loop_words(1, kind, dual_stack=dual_stack))
        except LinkError:
            if kind == _UNATTACHED_KINDS[-1]:
                raise
            continue
        run_ip(machine, loop_words(2, kind, dual_stack=dual_stack))
        return


def write_settings(values: dict[str, str]) -> None:
    """Write kernel settings of the calling thread's network namespace; absent ones are skipped.

    A kernel without IPv6 has none of its settings, and needs none.
    """
    for path, value in values.items():
        try:
            Path("/proc/sys", path).write_text(value, encoding="ascii")
        except FileNotFoundError:
            continue


def _run(machine: str, command: list[str], text: str) -> None:
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise LinkError(
            machine=machine, tool=command[0], problem=f"{error.strerror}: is it installed?"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LinkError(
            machine=machine, tool=command[0], problem=f"no end within {_TIMEOUT_S:.0f} s"
        ) from error
    if done.returncode != 0:
        raise LinkError(machine=machine, tool=command[0], problem=done.stderr.strip())
