"""Which CIDRs this node gives addresses out of: read from the cluster, by IPAM mode.

    kubernetes      Node.spec.podCIDRs
    cluster-pool    CiliumNode.spec.ipam.podCIDRs, which the operator fills
    multi-pool      CiliumNode.spec.ipam.pools.allocated, as far as the pools still list them

A CIDR that the node had before, in this mode or another, is held while pods have addresses in it
(`ipam.node`): no pod loses its address by a restart in another mode, a deleted or edited
CiliumNode, or a shrunk pool. Held CIDRs are kept in a file: the addresses in use do not show which
CIDR they are of.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.pod_ip_pool import CiliumPodIPPool
from ciliate.config.settings import IPAMSettings
from ciliate.ipam.node import DEFAULT_POOL, NodeAddresses
from ciliate.net.address import IPNetwork, ip_network
from ciliate.node.cluster import Cluster
from ciliate.node.progress import Progress
from ciliate.system.atomic_file import replace_file

_log = logging.getLogger(__name__)

#: How often a node that waits for its first CIDR says so in its log.
_WAIT_REMINDER_S: Final = 5.0

CIDRs = dict[str, list[IPNetwork]]


class HeldCIDR(msgspec.Struct, frozen=True):
    """A CIDR in the file, with its pool, and whether new addresses came out of it."""

    pool: str
    cidr: str
    current: bool = False


class CIDRFile:
    """The CIDRs a node holds, as JSON in the agent's state directory; written atomically, 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[HeldCIDR, ...]:
        """Return what was saved, without entries that cannot be read; nothing without a file."""
        try:
            entries = msgspec.json.decode(self._path.read_bytes(), type=tuple[msgspec.Raw, ...])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self._warn("not read", error)
            return ()
        found = []
        for number, entry in enumerate(entries):
            try:
                found.append(msgspec.json.decode(entry, type=HeldCIDR))
            except (ValueError, msgspec.MsgspecError) as error:
                self._warn(f"entry {number} is not read", error)
        return tuple(found)

    def _warn(self, what: str, error: Exception) -> None:
        _log.warning(
            "%s: %s: %s: pods' addresses are held one by one instead", self._path, what, error
        )

    def save(self, held: Iterable[HeldCIDR]) -> None:
        """Replace the file; a failure is logged and has no other effect."""
        content = msgspec.json.encode(tuple(held)) + b"\n"
        try:
            replace_file(self._path, content, mode=0o600, durable=False)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error)


class PodCIDRs:
    """Keeps the blocks of `addresses` at what the cluster says are this node's CIDRs."""

    def __init__(
        self,
        settings: IPAMSettings,
        cluster: Cluster,
        addresses: NodeAddresses,
        file: CIDRFile,
    ) -> None:
        self._settings = settings
        self._own = cluster.own.current  # As it was at start.
        self._cluster = cluster
        self._addresses = addresses
        self._file = file
        self._changed = asyncio.Event()
        self._reported: set[str] = set()
        self._yields = False  # A CIDR is not used since another node claims it.
        self._was_current: set[IPNetwork] = set()  # Before the restart; empty after `follow`.
        #: CIDRs that are being given back: not used, though the CiliumNode may still list them.
        self.closing: set[IPNetwork] = set()
        self._sources: Mapping[str, Callable[[], CIDRs]] = {
            "kubernetes": lambda: {DEFAULT_POOL: list(self.of_node())},
            "cluster-pool": self._of_cilium_node,
            "multi-pool": self._of_pools,
            "delegated-plugin": dict,
        }

    # Start

    def load(self) -> None:
        """Hold every CIDR that may have pods in it; endpoints are restored, then `follow`."""
        for saved in self._file.load():
            cidrs = self._read((saved.cidr,), "the state file")
            self._addresses.hold(saved.pool, cidrs)
            self._was_current.update(cidrs if saved.current else ())
        self._addresses.hold(DEFAULT_POOL, self._enabled(self._own.pod_cidrs))
        found = self._cilium_node()
        if found is None:
            return
        ipam, where = found.spec.ipam, f"CiliumNode {self._own.name}"
        self._addresses.hold(DEFAULT_POOL, self._read(ipam.pod_cidrs, where))
        for allocated in ipam.pools.allocated:
            self._addresses.hold(allocated.pool, self._read(allocated.cidrs, where))
        self._addresses.hold(DEFAULT_POOL, self._read(found.draining_cidrs, where))

    def follow(self) -> None:
        """Use the CIDRs that the cluster says now, and follow its changes."""
        self._addresses.listen(self._save)
        self._cluster.own_node.add_listener(lambda _old, _new: self.refresh())
        self._cluster.nodes.add_listener(self._cilium_node_changed)
        if self._cluster.pools is not None:
            self._cluster.pools.add_listener(lambda _old, _new: self.refresh())
        self._cluster.known_nodes.add_listener(lambda _old, _new: self._other_changed())
        self.refresh()
        self._was_current.clear()
        self._save()

    async def ready(self, progress: Progress) -> None:
        """Wait until the node has an address to give, or pods that need no new one.

        A node that holds former CIDRs goes on serving their pods at once; what is missing then is
        waited for by the pods that come.
        """
        while True:
            missing = self.missing()
            if not missing or self._addresses.draining:
                return
            progress.say(missing)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_REMINDER_S):
                    await self._changed.wait()

    def missing(self) -> str:
        """Return what keeps the node from giving addresses, empty when nothing does."""
        if self._settings.mode == "delegated-plugin":
            return ""
        pools = {self._settings.own_pool}
        if self._settings.mode == "multi-pool":
            pools |= {name for name, count in self._settings.pre_allocation.items() if count}
        for pool in sorted(pools):
            missing = self.missing_of(dict.fromkeys(self._addresses.versions, pool))
            if missing:
                return missing
        return ""

    def missing_of(self, pools: Mapping[int, str]) -> str:
        """Return what keeps pods of these pools, by IP version, from addresses; empty: nothing."""
        for version, pool in sorted(pools.items()):
            if not self._addresses.usage(pool, version).usable:
                return self._missing(pool, version)
        return ""

    @property
    def refusal(self) -> str:
        """The error of the operator about this node; empty: none."""
        found = self._cilium_node()
        return found.status.ipam.operator_status.error if found is not None else ""

    def _missing(self, pool: str, version: int) -> str:
        name = self._own.name
        if self._settings.mode == "kubernetes":
            return (
                f"waiting for k8s node information of {name}:"
                f" required IPv{version} PodCIDR not available"
            )
        said = self.refusal
        hint = f": the operator says: {said}" if said else ": does the operator run?"
        if self._settings.mode == "multi-pool":
            return (
                "Waiting for cidr pool to become available:"
                f' no IPv{version} CIDR of pool "{pool}" in CiliumNode {name}{hint}'
            )
        return f"waiting for an IPv{version} CIDR in CiliumNode {name}{hint}"

    # While the agent runs

    def refresh(self) -> None:
        """Make the CIDRs that the cluster says now the current ones."""
        self._yields = False
        wanted = self._sources[self._settings.mode]()
        current: CIDRs = {}
        listed: set[IPNetwork] = set()
        for pool, cidrs in wanted.items():
            listed.update(cidrs)
            allowed = [cidr for cidr in cidrs if self._may_hold(cidr)]
            current.setdefault(pool, []).extend(allowed)
        self.closing &= listed
        self._addresses.set_current(current)
        self._changed.set()

    def close(self, cidrs: Iterable[IPNetwork]) -> None:
        """Give these CIDRs back: no new address comes out of them, and the CiliumNode says so."""
        self.closing.update(cidrs)
        self.refresh()

    def _cilium_node_changed(self, old: CiliumNode | None, new: CiliumNode | None) -> None:
        names = {node.metadata.name for node in (old, new) if node is not None}
        if self._own.name in names:
            self.refresh()

    def _other_changed(self) -> None:
        if self._yields:  # That change may have ended the other claim.
            self.refresh()

    def _may_hold(self, cidr: IPNetwork) -> bool:
        """Whether the CIDR may be taken: two nodes must never give addresses out of one.

        A CIDR that this node gave addresses out of already is kept; the later node yields.
        """
        if cidr in self.closing:
            return False
        if self._addresses.is_current(cidr) or cidr in self._was_current:
            return True
        for node in self._cluster.known_nodes:
            if node.is_local:
                continue
            for theirs in node.pod_cidrs:
                if theirs.version == cidr.version and theirs.overlaps(cidr):
                    self._report(
                        f"CIDR {cidr} is not used: CiliumNode {node.name} claims {theirs}:"
                        " delete the CiliumNode that has it by mistake"
                    )
                    self._yields = True
                    return False
        return True

    def _report(self, message: str) -> None:
        if message not in self._reported:  # Once: it is checked again with every change of a node.
            self._reported.add(message)
            _log.error("%s", message)

    # Sources

    def of_node(self) -> tuple[IPNetwork, ...]:
        """Return the CIDRs that Kubernetes gave the node, of the families in use."""
        latest = self._cluster.own.current
        return self._enabled(latest.pod_cidrs) or self._enabled(self._own.pod_cidrs)

    def _enabled(self, cidrs: Iterable[IPNetwork]) -> tuple[IPNetwork, ...]:
        return tuple(cidr for cidr in cidrs if cidr.version in self._addresses.versions)

    def _of_cilium_node(self) -> CIDRs:
        found = self._cilium_node()
        if found is None:
            return {}
        return {
            DEFAULT_POOL: self._read(found.spec.ipam.pod_cidrs, f"CiliumNode {self._own.name}")
        }

    def _of_pools(self) -> CIDRs:
        found, pools = self._cilium_node(), self._cluster.pools
        if found is None or pools is None:
            return {}
        cidrs: CIDRs = {}
        for allocated in found.spec.ipam.pools.allocated:
            pool = pools.get(allocated.pool)
            ranges = self._ranges(pool)
            cidrs.setdefault(allocated.pool, []).extend(
                cidr
                for cidr in self._read(allocated.cidrs, f"CiliumNode {self._own.name}")
                if any(r.version == cidr.version and cidr.subnet_of(r) for r in ranges)  # type: ignore[arg-type]
            )
        return cidrs

    def _ranges(self, pool: CiliumPodIPPool | None) -> list[IPNetwork]:
        if pool is None:
            return []
        families = (pool.spec.ipv4, pool.spec.ipv6)
        where = f"CiliumPodIPPool {pool.metadata.name}"
        return [c for f in families if f is not None for c in self._read(f.cidrs, where)]

    def _cilium_node(self) -> CiliumNode | None:
        return self._cluster.nodes.get(self._own.name)

    def _read(self, texts: Iterable[str], where: str) -> list[IPNetwork]:
        """Return the CIDRs; one that cannot be read, or whose family is off, is left out."""
        found = []
        for text in texts:
            try:
                cidr = ip_network(text)
            except ValueError as error:
                self._report(f"{where}: {error}: the CIDR is ignored")
                continue
            found.append(cidr)
        return list(self._enabled(found))

    def _save(self) -> None:
        self._file.save(
            HeldCIDR(held.pool, str(held.cidr), current=not held.draining)
            for held in self._addresses.held
        )
