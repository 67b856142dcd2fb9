"""What a pod says about how far its containers are contained: privileges, namespaces, mounts. Pure.

Fields are those of `securityContext`, of the container before those of its pod; what nothing is said
of is as containerd has it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from ciliate.lab.container.spec import (
    CAPABILITIES,
    DEFAULT_NAMES,
    ContainerMount,
    ContainerSpec,
    Missing,
    Privileges,
    ProcessNumbers,
)
from ciliate.lab.kubelet.errors import ContainerConfigError
from ciliate.lab.kubelet.sandbox import (
    ETC_FILES,
    RESOLV_CONF,
    OwnNamespaces,
    SandboxPaths,
    VolumeMount,
)
from ciliate.lab.objects import Container, Pod
from ciliate.lab.paths import LabPaths

_ALL: Final = "ALL"

#: hostPath's types that have a missing source made; of others it must be there (or is made, as
#: with no type at all, by every runtime there is).
_MISSING: Final = {
    "": Missing.DIRECTORY,
    "DirectoryOrCreate": Missing.DIRECTORY,
    "FileOrCreate": Missing.FILE,
}


def own_namespaces(pod: Pod) -> OwnNamespaces:
    """Return which namespaces are the pod's own."""
    return OwnNamespaces(network=not pod.spec.host_network, ipc=not pod.spec.host_ipc)


def fs_group(pod: Pod) -> int | None:
    """Return the group that is to own the pod's volumes."""
    return pod.spec.security_context.get("fsGroup")


def privileges_of(pod: Pod, container: Container) -> Privileges:
    """Return what the container's processes may do.

    Raises:
        ContainerConfigError: A field has a value that cannot be had; names both.
    """
    said = {**pod.spec.security_context, **container.security_context}
    privileged = bool(said.get("privileged", False))
    uid = int(said.get("runAsUser") or 0)
    if said.get("runAsNonRoot") and uid == 0:
        raise ContainerConfigError(
            "container has runAsNonRoot and image will run as root"
            f' (pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})",'
            f" container: {container.name})"
        )
    groups = {int(group) for group in pod.spec.security_context.get("supplementalGroups") or ()}
    group = fs_group(pod)
    return Privileges(
        capabilities=_capabilities(said.get("capabilities") or {}, privileged=privileged),
        privileged=privileged,
        no_new_privileges=said.get("allowPrivilegeEscalation") is False,
        uid=uid,
        gid=int(said.get("runAsGroup") or 0),
        groups=tuple(sorted(groups | ({group} if group is not None else set()))),
    )


def _capabilities(said: dict[str, Any], *, privileged: bool) -> tuple[str, ...]:
    if privileged:
        return CAPABILITIES
    added = _named(said.get("add") or (), "add")
    dropped = _named(said.get("drop") or (), "drop")
    # Runtimes drop ALL first and add then, and add ALL first and drop then.
    kept = set() if _ALL in dropped else set(DEFAULT_NAMES)
    kept |= set(CAPABILITIES) if _ALL in added else added
    return tuple(sorted(kept - (dropped - {_ALL})))


def _named(names: Iterable[str], field: str) -> set[str]:
    found = {str(name).upper().removeprefix("CAP_") for name in names}
    for name in found - set(CAPABILITIES) - {_ALL}:
        raise ContainerConfigError(
            f"securityContext.capabilities.{field}: {name!r} is no capability: "
            "write one of capabilities(7), as NET_ADMIN"
        )
    return found


def container_spec(
    pod: Pod,
    container: Container,
    *,
    paths: SandboxPaths,
    volumes: Iterable[VolumeMount],
    image: Path,
    stage: Path,
) -> ContainerSpec:
    """Return what the zygote is to make around the container's first process."""
    own = own_namespaces(pod)
    pins = paths.pins if own.network else paths.node_pins
    namespaces = {kind: str(pins / kind) for kind in ("net", "uts")}
    if own.ipc:
        namespaces["ipc"] = str(paths.pins / "ipc")
    processes = ProcessNumbers.OWN
    if pod.spec.host_pid:
        processes = ProcessNumbers.MACHINE
    elif pod.spec.share_process_namespace:
        processes = ProcessNumbers.POD
        namespaces["pid"] = str(paths.pins / "pid")
    return ContainerSpec(
        image=str(image),
        stage=str(stage),
        node_pins=str(paths.node_pins),
        namespaces=namespaces,
        processes=processes,
        mounts=_mounts(paths, tuple(volumes), own=own),
        read_only_root=bool(container.security_context.get("readOnlyRootFilesystem", False)),
    )


def pause_spec(pod: Pod, paths: SandboxPaths, lab: LabPaths) -> ContainerSpec:
    """Return the surroundings of the first process of a pod that shares process numbers."""
    spec = container_spec(
        pod, Container("pause"), paths=paths, volumes=(), image=lab.image, stage=lab.stage
    )
    return structs.replace(spec, processes=ProcessNumbers.OWN, read_only_root=True)


def _mounts(
    paths: SandboxPaths, volumes: tuple[VolumeMount, ...], *, own: OwnNamespaces
) -> tuple[ContainerMount, ...]:
    """Return all mounts, outer ones first; a volume comes in place of a file of ours."""
    found = {}
    for name in ETC_FILES:
        # On its node's network a pod has its node's names, and asks whom its dnsPolicy says.
        in_node = not own.network and name != RESOLV_CONF
        source = Path("/etc", name) if in_node else paths.etc / name
        target = f"/etc/{name}"
        found[target] = ContainerMount(source=str(source), target=target, in_node=in_node)
    found["/dev/shm"] = ContainerMount(source=str(paths.shm), target="/dev/shm")  # noqa: S108
    for volume in volumes:
        found[volume.mount_path] = ContainerMount(
            source=volume.host_path or str(paths.volumes / volume.volume),
            target=volume.mount_path,
            in_node=volume.host_path is not None,
            beneath=volume.sub_path,
            missing=_MISSING.get(volume.host_path_type, Missing.REFUSED),
            read_only=volume.read_only,
            propagation=volume.propagation,
        )
    return tuple(sorted(found.values(), key=lambda entry: len(Path(entry.target).parts)))
