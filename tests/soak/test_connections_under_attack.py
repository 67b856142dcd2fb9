"""Connections of a node's pods stand, and new ones are made, while everybody attacks.

`docs/TESTING.md`, "Soak", says what is attacked with and what was measured.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.lab.cluster import Cluster, run
from tests.soak import attackers, counts
from tests.soak.attackers import Attacker, Sent, Targets
from tests.soak.conversations import New, Pod, Server, Standing, open_many, stand
from tests.soak.counts import Owner
from tests.soak.eavesdropper import Eavesdropper
from tests.soak.scale import SCALE

from ciliate.datapath.layout import ConnectionOwnerNumber
from ciliate.lab.namespaces import in_namespaces

NODE: Final = "k8s-w1"
PORT: Final = 7000
SERVER: Final = {4: "203.0.113.10", 6: "2001:db8:113::10"}
NODE_ADDRESS: Final = {4: "10.0.2.15", 6: "fd00:10:0:2::15"}

#: Of all new connections.
SUCCEED_AT_LEAST: Final = 0.999

#: As if the server were one hop farther: packets whose hops are spent never reach it.
_ONE_HOP_MORE: Final = (
    "table inet soak { chain input { type filter hook input priority 0;"
    " ip ttl < 2 drop; ip6 hoplimit < 2 drop; }; }"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A node with pods, one of them hostile, and the machines around it."""

    lab: Cluster
    pods: tuple[Pod, ...]
    hostile: Pod

    def pins(self, machine: str) -> Path:
        """Return the folder of a machine's namespaces."""
        return self.lab.folder / machine / "ns"


def _manifest(count: int) -> str:
    def pod(name: str) -> dict[str, object]:
        # Addresses and namespaces are all that is needed of it.
        container = {"name": "idle", "image": "busybox", "command": ["sleep", "infinity"]}
        spec = {"nodeName": NODE, "terminationGracePeriodSeconds": 0, "containers": [container]}
        labels = {"soak": "attack"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
        }

    names = ["hostile", *(f"pod-{number}" for number in range(count))]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod(n) for n in names]})


@pytest.fixture(scope="module")
def place(soak_lab: Cluster) -> Iterator[Place]:
    lab = soak_lab
    internet = lab.folder / "internet" / "ns"
    lab.kubectl("apply", "-f", "-", text=_manifest(SCALE.pods))
    lab.kubectl("wait", "pod", "-l", "soak=attack", "--for=condition=Ready", "--timeout=60s")
    in_namespaces(internet, lambda: run(["nft", _ONE_HOP_MORE]), ["net"])
    try:
        items = lab.object("pods", "-l", "soak=attack")["items"]
        pods = {item["metadata"]["name"]: _pod(lab, item) for item in items}
        yield Place(lab, tuple(pods[f"pod-{n}"] for n in range(SCALE.pods)), pods["hostile"])
    finally:
        in_namespaces(internet, lambda: run(["nft", "delete table inet soak"]), ["net"])
        lab.kubectl("delete", "pod", "-l", "soak=attack", "--now")


def _pod(lab: Cluster, item: Any) -> Pod:
    name = str(item["metadata"]["name"])
    addresses = [each["ip"] for each in item["status"]["podIPs"]]
    (ipv4,) = (each for each in addresses if ":" not in each)
    (ipv6,) = (each for each in addresses if ":" in each)
    (pins,) = (lab.folder / NODE / "pods").glob(f"default_{name}/ns")
    number = int(name.rpartition("-")[2]) if name.startswith("pod-") else SCALE.pods
    return Pod(number, name, pins, ipv4, ipv6)


def _attackers(place: Place) -> list[Attacker]:
    """Return the hostile pod, the router beside the node, and a machine of the internet."""
    at = [
        Targets(version, SERVER[version], PORT, NODE_ADDRESS[version], pods)
        for pod in place.pods[:3]
        for version, pods in ((4, pod.ipv4), (6, pod.ipv6))
    ]
    hostile, router, internet = place.hostile, place.pins("router"), place.pins("internet")
    own = {4: hostile.ipv4, 6: hostile.ipv6}
    from_pod = tuple(
        shape for each in at[:2] for shape in attackers.shapes_of_pod(own[each.version], each)
    )
    from_outside = tuple(shape for each in at for shape in attackers.shapes_of_outsider(each))
    node = place.pins(NODE)
    return [
        Attacker("pod", hostile.pins, "eth0", attackers.next_hop(hostile.pins), from_pod),
        Attacker("neighbour", router, "eth1", attackers.mac(node, "eth1"), from_outside),
        Attacker("outsider", internet, NODE, attackers.mac(node, "eth0"), from_outside),
    ]


async def _all_standing(place: Place) -> list[Standing]:
    return [
        await stand(pod, number, SERVER[4 if number % 2 else 6], PORT)
        for pod in place.pods
        for number in range(SCALE.connections_each)
    ]


@dataclass(slots=True)
class Outcome:
    """What was left after an attack."""

    new: New
    sent: Sent
    faults: list[str]
    strangers: list[str]
    backlog_drops: int
    owners: dict[int, Owner]

    def __str__(self) -> str:
        rest = {number: each for number, each in self.owners.items() if each.evicted}
        return (
            f"{self.sent.rate:,.0f} packets/s for {self.sent.seconds:.0f} s"
            f" ({self.sent.packets}; no room at the device for {self.sent.refused})\n"
            f"connections lost {len(self.faults)}, messages astray {len(self.strangers)}\n"
            f"new connections {self.new.tried}, failed {len(self.new.failures)}, lost by the"
            f" backlog {self.new.lost_by_backlog}, slowest {max(self.new.seconds):.2f} s\n"
            f"frames dropped by the backlog {self.backlog_drops}; ended to make room: {rest}"
        )


async def _attacked(place: Place, program: Path) -> Outcome:
    ears, new, node = Eavesdropper((*place.pods, place.hostile)), New(), place.pins(NODE)
    backlog = counts.backlog_drops()
    where = [(address, PORT) for address in SERVER.values()]
    async with Server(place.pins("internet"), [*SERVER.values()], PORT) as server:
        standing = await _all_standing(place)
        opening = asyncio.create_task(open_many(place.pods, where, new))
        sent = await attackers.attack(
            program, _attackers(place), rate=SCALE.packets_per_second, seconds=SCALE.seconds
        )
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        faults = [
            f"{each.pod.name} {each.number}: {fault}"
            for each in standing
            if (fault := await each.fault(server))
        ]
    heard, strangers = ears.heard()
    ears.close()
    assert heard >= 3 * len(standing), "the eavesdropper is deaf"  # A greeting, and two since.
    drops = counts.backlog_drops() - backlog
    return Outcome(new, sent, faults, strangers, drops, counts.owners(node))


async def test_no_connection_is_lost_and_no_octet_goes_astray_while_all_sides_attack(
    place: Place, tmp_path: Path
) -> None:
    outcome = await _attacked(place, attackers.build(tmp_path))

    print(f"\n{SCALE.pods} pods, {SCALE.connections_each} connections each\n{outcome}")
    assert outcome.sent.rate > SCALE.packets_per_second / 4, "hardly an attack"
    assert outcome.faults == []
    assert outcome.strangers == []
    new = outcome.new
    assert len(new.failures) <= (1 - SUCCEED_AT_LEAST) * new.tried, new.failures[:10]
    hostile = place.lab.object("ciliumendpoint", "hostile")["status"]["id"]
    paid = {number for number, each in outcome.owners.items() if each.evicted or each.refused}
    assert paid == {hostile, ConnectionOwnerNumber.OWNER_OUTSIDE}
