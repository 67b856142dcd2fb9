"""A pod's way onto the network: sandbox and CNI ADD in, CNI DEL and removal out.

What an ADD may leave behind is recorded before the ADD, so that a kubelet killed in between can
call DEL with the right container id and configuration.
"""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import uuid
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from ciliate.lab.container.spec import ContainerSpec, Privileges
from ciliate.lab.errors import KernelCallError, SpawnError, ZygoteGoneError
from ciliate.lab.kubelet import cni, sandbox
from ciliate.lab.kubelet.account_tokens import PodTokens, request_token
from ciliate.lab.kubelet.configuration_reader import read_configuration
from ciliate.lab.kubelet.containment import fs_group, own_namespaces, pause_spec
from ciliate.lab.kubelet.downward import PodFacts
from ciliate.lab.kubelet.errors import NetworkNotReadyError, PluginFailedError
from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.node_status import capacity_of
from ciliate.lab.kubelet.pod_files import etc_files, hostname_of
from ciliate.lab.kubelet.pod_state import PodRecord, SandboxRecord
from ciliate.lab.kubelet.resolver import (
    ResolverSettings,
    fitted,
    read_resolv_conf,
    resolver_settings,
)
from ciliate.lab.kubelet.volume_files import write_volume
from ciliate.lab.kubelet.volumes import Volumes, is_made, volume_references, volumes_of
from ciliate.lab.namespaces import in_namespaces, pin_process
from ciliate.lab.objects import Pod
from ciliate.lab.spawn import Entry, SpawnRequest

#: On the node, whose search domains and servers pods take over.
_RESOLV_CONF: Final = Path("/etc/resolv.conf")

_log = logging.getLogger(__name__)


class SandboxNetwork:
    """Attaches and detaches the pods of one node."""

    def __init__(self, node: KubeletNode) -> None:
        self._node = node
        self.tokens = PodTokens(partial(request_token, node.client))
        self._plugins = cni.Plugins(node.identity.pins)

    async def volumes_of(self, pod: Pod) -> Volumes:
        """Return what the pod's volumes are to hold now.

        Raises:
            VolumeError: What one is to show is not there.
            KubeError: The API server does not answer.
        """
        node = self._node
        configuration, tokens = await asyncio.gather(
            read_configuration(node.client, pod.metadata.namespace, volume_references(pod)),
            self.tokens.read(pod),
        )
        facts = PodFacts(
            pod=pod, node_ips=node.ips(), ips=(), allocatable=capacity_of(node.identity)
        )
        return volumes_of(facts, configuration, tokens)

    async def refresh_volumes(self, pod: Pod, record: PodRecord) -> None:
        """Write anew what the pod's volumes hold, where that has changed.

        Raises:
            VolumeError: What one is to show is not there; it stays as it was.
            KubeError: The API server does not answer.
            OSError: A file could not be written.
        """
        if record.sandbox is None or not any(map(is_made, pod.spec.volumes)):
            return
        folder = self._paths(record, record.sandbox).volumes
        volumes = await self.volumes_of(pod)

        def work() -> None:
            for name, files in volumes.items():
                if files is not None:
                    write_volume(folder / name, files, group=fs_group(pod))

        await self._node.blocking(work)

    def _resolver(self, pod: Pod) -> tuple[ResolverSettings, list[str]]:
        """Return how the pod looks names up, and what of it was left out; blocking."""
        node = self._node
        of_node = in_namespaces(node.identity.pins, _resolv_conf, ["mnt"])
        wanted = resolver_settings(
            pod,
            read_resolv_conf(of_node),
            domain=node.names.domain,
            cluster_servers=node.names.dns_servers,
        )
        return fitted(wanted)

    async def attach(self, pod: Pod, record: PodRecord) -> list[str]:
        """Make a fresh sandbox and have the plugins connect it; the record holds the result.

        Returned is what was left out of its resolver's settings.

        A pod on its node's network is connected by nobody.

        Raises:
            NetworkNotReadyError: The node has no CNI configuration.
            PluginFailedError: A plugin failed; what it left was removed, or will be at the next try.
            KernelCallError: A namespace could not be made.
            VolumeError: What a volume is to show is not there.
            KubeError: A ConfigMap or Secret of the pod could not be read.
        """
        node = self._node
        await self.detach(record)
        volumes = await self.volumes_of(pod)
        network = None
        if not record.host_network:
            network = await node.blocking(lambda: cni.load_network_list(node.identity.pins))
        record.sandbox = made = _new_sandbox(network, cni.capabilities(pod))
        node.store.save(record)
        paths = self._paths(record, made)

        problems: list[str] = []

        def work() -> None:
            sandbox.make_sandbox(
                paths,
                hostname=hostname_of(pod, node.name),
                volumes=volumes,
                own=own_namespaces(pod),
                fs_group=fs_group(pod),
            )
            result: dict[str, Any] = {}
            if network is not None:
                result = self._plugins.add(network, _attachment(record, made, paths))
            ips = cni.addresses(result)
            resolver, left_out = self._resolver(pod)
            problems.extend(left_out)
            sandbox.write_files(paths, etc_files(pod, ips, node.names, resolver))
            made.result = result
            made.ips = list(ips)

        try:
            await node.blocking(work)
            if pod.spec.share_process_namespace and not pod.spec.host_pid:
                await self._start_pause(record, pause_spec(pod, paths, node.lab_paths))
        except Exception as error:
            await self._clean_up(record)
            if isinstance(error, OSError):
                raise _call_error("make the sandbox", paths, error) from error
            raise
        node.store.save(record)
        return problems

    async def _start_pause(self, record: PodRecord, spec: ContainerSpec) -> None:
        """Start the first process of the pod's PID namespace, and pin that."""
        request = SpawnRequest(
            argv=["ciliate.lab.container.pause:run"],
            entry=Entry.CALL,
            container=spec,
            privileges=Privileges(capabilities=()),
            cgroup=self._node.pause_cgroup(record),
            title="/pause",
        )
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            child = await self._node.zygote.spawn(
                request, stdin=nothing, stdout=nothing, stderr=nothing
            )
        except (SpawnError, ZygoteGoneError) as error:
            raise KernelCallError(
                action="start pause of",
                target=record.folder_name,
                error=OSError(errno.ECHILD, str(error)),
            ) from error
        finally:
            os.close(nothing)
        await self._node.blocking(
            lambda: pin_process(child.pid, "pid", Path(spec.namespaces["pid"]))
        )
        child.close()

    async def _clean_up(self, record: PodRecord) -> None:
        """Undo a failed ADD; what remains is undone before the next one."""
        try:
            await self.detach(record)
        except (PluginFailedError, KernelCallError) as error:
            _log.warning("pod %s: clean-up after a failed ADD: %s", record.folder_name, error)

    async def detach(self, record: PodRecord) -> None:
        """Have the plugins disconnect the pod and remove its sandbox; none is a success.

        Raises:
            PluginFailedError: A plugin failed: call again until it succeeds.
            KernelCallError: A namespace could not be removed.
        """
        made = record.sandbox
        if made is None:
            return
        paths = self._paths(record, made)

        def work() -> None:
            self._node.lab.remove(self._node.pause_cgroup(record))
            if not record.host_network:
                network = cni.parse_network_list(made.network, source="the pod's record")
                self._plugins.delete(network, _attachment(record, made, paths), made.result)
            sandbox.remove_sandbox(paths)

        try:
            await self._node.blocking(work)
        except OSError as error:
            raise _call_error("remove the sandbox", paths, error) from error
        record.sandbox = None
        self._node.store.save(record)

    async def collect_garbage(self, records: Iterable[PodRecord]) -> None:
        """Call the plugins' GC with the pods there are; nothing without a configuration.

        Raises:
            PluginFailedError: A plugin failed: what it keeps for gone pods stays for now.
        """
        valid = [
            _attachment(record, record.sandbox, self._paths(record, record.sandbox))
            for record in records
            if record.sandbox is not None and not record.host_network
        ]

        def work() -> None:
            with contextlib.suppress(NetworkNotReadyError):
                network = cni.load_network_list(self._node.identity.pins)
                self._plugins.collect_garbage(network, valid)

        await self._node.blocking(work)

    def _paths(self, record: PodRecord, made: SandboxRecord) -> sandbox.SandboxPaths:
        return self._node.sandbox_paths(record, made.netns_name)


def _resolv_conf() -> str:
    """Return the node's file; where there is none, nothing is taken over."""
    try:
        return _RESOLV_CONF.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _new_sandbox(network: cni.NetworkList | None, capabilities: dict[str, Any]) -> SandboxRecord:
    """Return a record of a sandbox to be made: a new identity for every attempt."""
    return SandboxRecord(
        container_id=secrets.token_hex(32),
        netns_name=f"cni-{uuid.uuid4()}",
        network=network.to_json() if network is not None else "",
        capabilities=capabilities,
    )


def _call_error(action: str, paths: sandbox.SandboxPaths, error: OSError) -> KernelCallError:
    return KernelCallError(action=action, target=str(paths.directory), error=error)


def _attachment(
    record: PodRecord, made: SandboxRecord, paths: sandbox.SandboxPaths
) -> cni.SandboxAttachment:
    return cni.SandboxAttachment(
        container_id=made.container_id,
        netns=paths.netns_in_node,
        namespace=record.namespace,
        pod=record.name,
        uid=record.uid,
        capabilities=made.capabilities,
    )
