"""A node whose kernel and disk are in memory, for tests of `PodAttachments`."""

import asyncio
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from tests.unit.endpoint.pod_links import MemoryLinks, MemoryMap, until
from tests.unit.node.cluster_tables import new_cluster

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Add, Attachment, Check, Del, Gc, PodReference
from ciliate.cni.version import CniVersion
from ciliate.datapath import layout
from ciliate.datapath.programs import Programs
from ciliate.endpoint.attachments import PodAttachments, PodNetwork, Wiring
from ciliate.endpoint.records import EndpointRecords
from ciliate.ipam.agent.address_source import OwnAddresses
from ciliate.ipam.agent.pod_cidrs import PodCIDRs
from ciliate.ipam.node import NodeAddresses
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.pod_link import host_name
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable

VERSION = CniVersion("1.1.0")
GATEWAYS = (ip_address("10.244.0.93"),)


class KnownIdentities:
    """What an ADD asks the `IdentityResolver`."""

    def __init__(self) -> None:
        self.of_pods: dict[tuple[str, str, str], tuple[int, tuple[str, ...]]] = {}

    def known(self, namespace: str, name: str, uid: str) -> tuple[int, tuple[str, ...]] | None:
        return self.of_pods.get((namespace, name, uid))


class Node:
    """A node with `usable` addresses; what a kernel and a disk would hold is in memory."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup, *, cidr: str) -> None:
        self.folder = folder
        self.links = MemoryLinks()
        self.interfaces: MemoryMap[int, layout.Interface] = MemoryMap()
        self.endpoints: MemoryMap[bytes, layout.Endpoint] = MemoryMap()
        self.addresses = NodeAddresses((4,))
        self.addresses.set_current({"default": [ip_network(cidr)]})
        self.table = EndpointTable()
        self.store = EndpointStore(folder)
        self.identities = KnownIdentities()
        self.source = self._source()
        self.wiring = Wiring(
            addresses=self.source,
            records=EndpointRecords(
                table=self.table,
                store=self.store,
                interfaces=self.interfaces.as_open_map,
                endpoints=self.endpoints.as_open_map,
                stack_routed=lambda _endpoint: False,
            ),
            links=self.links.as_pod_links,
            programs=Programs(3, 4, 5, 6, 7, 8, 9, 10, {}),
            identity=self.identities.known,
            versions=(4,),
            forget_leavers=self._forget_leavers,
            admit=self._admit,
        )
        #: Set while new pods are admitted; cleared, their ADDs wait. `unfit` refuses them.
        self.admits = asyncio.Event()
        self.admits.set()
        self.unfit = ""
        #: Who had addresses, and which were in the maps, each time connections were ended.
        self.forgotten: list[tuple[dict[str, str], list[bytes]]] = []
        self.attachments = PodAttachments(
            self.wiring,
            lambda: PodNetwork(gateways=GATEWAYS, mtu=1500, route_mtu=1500),
            tasks,
        )

    async def _forget_leavers(self) -> None:
        self.forgotten.append((self.owners(), list(self.endpoints.held)))

    async def _admit(self, endpoint: Endpoint) -> None:
        assert self.table.get(endpoint.id) == endpoint
        await self.admits.wait()
        if self.unfit:
            raise CniError(CniCode.TRY_AGAIN_LATER, self.unfit)

    def _source(self) -> OwnAddresses:
        """Host scope: no pools, and the one CIDR stays the one, so nothing waits."""
        context = SimpleNamespace(cluster=new_cluster())
        return OwnAddresses(
            cast("Context", context), self.addresses, cast("PodCIDRs", None), demand=None
        )

    async def add(self, request: Add) -> PodInterface:
        """An ADD that is not chained."""
        answer = await self.attachments.add(request)
        assert isinstance(answer, PodInterface)
        return answer

    def owners(self) -> dict[str, str]:
        return {str(address): owner for address, owner, _ in self.addresses.allocations()}

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def assert_empty(self) -> None:
        """Nothing of any pod is left anywhere."""
        assert self.links.standing == {}
        assert (self.interfaces.held, self.endpoints.held) == ({}, {})
        assert (self.owners(), self.files(), list(self.table)) == ({}, [], [])

    async def removals_end(self) -> None:
        await until(lambda: not self.attachments._removals.under_way)

    def endpoint(self, name: str) -> Endpoint:
        found = self.table.find(f"c-{name}", "eth0")
        assert found is not None
        return found


def add(name: str, *, netns: str = "/run/netns/x") -> Add:
    return Add(VERSION, "cilium", attachment(name), netns, reference(name))


def delete(name: str) -> Del:
    return Del(VERSION, "cilium", attachment(name), None, None)


def check(name: str) -> Check:
    return Check(VERSION, "cilium", attachment(name), "/run/netns/x", reference(name), None)


def gc(*valid: str, network: str = "cilium") -> Gc:
    return Gc(VERSION, network, frozenset(map(attachment, valid)))


def reference(name: str) -> PodReference:
    return PodReference("default", name, f"uid-{name}")


def attachment(name: str) -> Attachment:
    return Attachment(f"c-{name}", "eth0")


def link_of(name: str) -> str:
    return host_name(f"c-{name}", "eth0")
