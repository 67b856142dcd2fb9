"""Who attacks: a pod, a neighbour of the node, and an outsider, each by `flood.c`.

Each sends what only it can. The pod has its own address (and tries others'); a neighbour on the
node's network and a machine of the internet forge any, also that of the server which the pods'
connections lead to: packets to masqueraded ports then say that they are of these connections.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ciliate.lab.namespaces import in_namespaces

_SOURCE: Final = Path(__file__).with_name("flood.c")

_ANY_PORT: Final = "1024-65535"
_MASQUERADED: Final = "32768-65535"

#: Hops that suffice, and so few that a packet ends between the node and the server.
_FAR: Final = 64
_SHORT: Final = 2

#: Addresses of nobody, by which outsiders look like many (RFC 2544; RFC 9637).
_MANY: Final = {4: "198.18.0.0/15", 6: "3fff:5::/64"}


#: An attacker may end so much later than its time, in seconds.
_GRACE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Targets:
    """What attacks of one family are about."""

    version: int
    server: str
    server_port: int
    node: str  # The address that the server sees pods behind.
    pods: str  # A pod's address, or a prefix of pods'.


@dataclass(frozen=True, slots=True)
class Attacker:
    """Where packets come from, and which."""

    name: str
    pins: Path
    device: str
    next_hop: str
    shapes: tuple[str, ...]


@dataclass(slots=True)
class Sent:
    """What attackers sent; filled when they have ended."""

    packets: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Packets a second, of all together."""
        return sum(self.packets.values()) / self.seconds


def build(folder: Path) -> Path:
    """Compile `flood.c`; return the program."""
    program = folder / "flood"
    words = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(_SOURCE)]
    subprocess.run(words, check=True)
    return program


def shapes_of_pod(own: str, at: Targets) -> Iterator[str]:
    """Yield what a hostile pod sends: all ports of the server's, all room, others' addresses."""
    server = f"{at.server},{_ANY_PORT},{at.server_port}"
    yield f"syn,{own},{server},{_FAR}"
    yield f"ack,{own},{server},{_SHORT}"
    yield f"rst,{own},{server},{_FAR}"
    yield f"syn,{own},{_MANY[at.version]},{_ANY_PORT},{_ANY_PORT},{_SHORT}"
    yield f"udp,{own},{at.server},{_ANY_PORT},{_ANY_PORT},{_FAR}"
    yield f"echo,{own},{at.server},0-65535,0-65535,{_FAR}"
    yield f"rst,{at.pods},{server},{_FAR}"


def shapes_of_outsider(at: Targets) -> Iterator[str]:
    """Yield what comes to the node and to pods: forged answers, and openings by nobody."""
    answers = f"{at.server},{at.node},{at.server_port},{_MASQUERADED}"
    yield f"ack,{answers},{_FAR}"
    yield f"rst,{answers},{_FAR}"
    many = _MANY[at.version]
    for kind in ("syn", "ack", "udp", "echo"):
        yield f"{kind},{many},{at.pods},{_ANY_PORT},{_ANY_PORT},{_FAR}"
        yield f"{kind},{many},{at.node},{_ANY_PORT},{_MASQUERADED},{_FAR}"


async def attack(program: Path, attackers: Sequence[Attacker], *, rate: int, seconds: int) -> Sent:
    """Let all attack at once, with `rate` packets a second together; return what was sent."""
    sent = Sent()
    processes = [_start(program, each, rate // len(attackers), seconds) for each in attackers]
    try:
        for each, process in zip(attackers, processes, strict=True):
            out, err = await asyncio.to_thread(process.communicate, None, seconds + _GRACE_S)
            assert process.returncode == 0, f"{each.name}: {err}"
            packets, refused, nanoseconds = (int(word) for word in out.split())
            sent.packets[each.name], sent.refused[each.name] = packets, refused
            sent.seconds = max(sent.seconds, nanoseconds / 1e9)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return sent


def _start(program: Path, attacker: Attacker, rate: int, seconds: int) -> subprocess.Popen[str]:
    words = [str(program), attacker.device, attacker.next_hop, str(rate), str(seconds)]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*words, *attacker.shapes], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return in_namespaces(attacker.pins, start, ["net"])


def ip(pins: Path, *words: str) -> Any:
    """Return what `ip -json WORDS` prints in a network namespace."""

    def ask() -> str:
        return subprocess.run(
            ["ip", "-json", *words], stdout=subprocess.PIPE, check=True, text=True, env=os.environ
        ).stdout

    return json.loads(in_namespaces(pins, ask, ["net"]))


def mac(pins: Path, device: str) -> str:
    """Return a device's MAC address."""
    return str(ip(pins, "link", "show", "dev", device)[0]["address"])


def next_hop(pins: Path) -> str:
    """Return the MAC address that a pod sends to: a neighbour that stands from the beginning."""
    neighbours = ip(pins, "neigh", "show", "dev", "eth0", "nud", "permanent")
    return str(next(each["lladdr"] for each in neighbours if "lladdr" in each))
