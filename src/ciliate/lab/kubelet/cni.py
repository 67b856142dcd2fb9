"""The runtime's side of CNI: reads the node's network configuration list and calls its plugins.

Follows the CNI specification 1.1.0, sections 1 (configuration), 2 (execution protocol) and 3
(execution of lists); what libcni does is the reference where the text is silent. Plugins are
executed inside the node's namespaces. Everything here blocks and runs in a worker thread.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from ciliate.cni.result_shape import with_list
from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet.errors import NetworkNotReadyError, PluginFailedError
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.objects import Pod

CONF_DIRECTORY: Final = Path("/etc/cni/net.d")
PLUGIN_DIRECTORIES: Final = ("/opt/cni/bin", "/usr/lib/cni")
INTERFACE: Final = "eth0"

#: A plugin that says nothing for so long is killed; kubelets wait 2 to 4 minutes in all.
TIMEOUT_S: Final = 90.0

_CODE_DECODING: Final = 6  # CNI 1.1, section 5: failed to decode content.
_CODE_IO: Final = 5  # Likewise: I/O failure.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CniCommand(StrEnum):
    """Operations of CNI 1.1."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"


@dataclass(frozen=True, slots=True)
class NetworkList:
    """A network configuration list (CNI 1.1, section 1)."""

    name: str
    cni_version: str
    plugins: tuple[Mapping[str, Any], ...]
    disable_check: bool = False

    def to_json(self) -> str:
        """Return it as a conflist: kept with each pod, whose DEL must use the same."""
        return json.dumps(
            {"name": self.name, "cniVersion": self.cni_version, "plugins": list(self.plugins)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAttachment:
    """Which container an operation is about: the CNI_* variables.

    `capabilities` holds, by capability, what the pod asks for: a plugin that declares one is given
    it as `runtimeConfig` (CNI CONVENTIONS.md, "Dynamic Plugin specific fields").
    """

    container_id: str
    netns: str
    namespace: str
    pod: str
    uid: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def environment(self, command: CniCommand) -> dict[str, str]:
        """Return the plugin's whole environment."""
        arguments = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": self.namespace,
            "K8S_POD_NAME": self.pod,
            "K8S_POD_INFRA_CONTAINER_ID": self.container_id,
            "K8S_POD_UID": self.uid,
        }
        return {
            "PATH": _PATH,
            "CNI_COMMAND": command.value,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": INTERFACE,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in arguments.items()),
            "CNI_PATH": ":".join(PLUGIN_DIRECTORIES),
        }


def parse_network_list(text: str, *, source: str) -> NetworkList:
    """Return the list that a `.conflist` file holds, or one plugin's `.conf` as a list of one.

    Raises:
        NetworkNotReadyError: The text is no configuration; says which file and why.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NetworkNotReadyError(f"{source} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NetworkNotReadyError(f"{source} holds no JSON object")
    plugins = document.get("plugins", [document] if "type" in document else None)
    usable = isinstance(plugins, list) and all(
        isinstance(plugin, dict) and isinstance(plugin.get("type"), str) for plugin in plugins
    )
    if not plugins or not usable or not isinstance(document.get("name"), str):
        raise NetworkNotReadyError(f"{source} lacks a name or plugins with a type")
    return NetworkList(
        name=document["name"],
        # A list that names none hands plugins an empty one, as libcni does (libcni/conf.go).
        cni_version=str(document.get("cniVersion", "")),
        plugins=tuple(plugins),
        disable_check=bool(document.get("disableCheck", False)),
    )


def load_network_list(node_pins: Path) -> NetworkList:
    """Return the node's network: the first file of its /etc/cni/net.d by name, like containerd.

    Raises:
        NetworkNotReadyError: There is none, or the first cannot be used.
    """
    return in_namespaces(node_pins, lambda: _first_of(CONF_DIRECTORY), ["mnt"])


def _first_of(directory: Path) -> NetworkList:
    suffixes = {".conflist", ".conf", ".json"}
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            if path.suffix not in suffixes:
                continue
            try:
                text = path.read_text()
            except FileNotFoundError:
                continue  # Gone between listing and reading: an agent is being restarted.
            return parse_network_list(text, source=str(path))
    raise NetworkNotReadyError("cni plugin not initialized")


@dataclass(frozen=True, slots=True)
class Plugins:
    """Executes the plugins of a list inside one node."""

    node_pins: Path

    def add(self, network: NetworkList, attachment: SandboxAttachment) -> dict[str, Any]:
        """Attach a container: every plugin in order, each given the result before it.

        Raises:
            PluginFailedError: A plugin failed; the caller then calls `delete` (CNI 1.1, section 3).
        """
        result: dict[str, Any] = {}
        previous: Mapping[str, Any] | None = None
        for plugin in network.plugins:
            conf = _plugin_conf(network, plugin, previous, attachment.capabilities)
            result = self._execute(CniCommand.ADD, conf, attachment)
            previous = result
        return result

    def delete(
        self,
        network: NetworkList,
        attachment: SandboxAttachment,
        previous: Mapping[str, Any] | None,
    ) -> None:
        """Detach a container: every plugin in reverse order, each given the ADD's final result.

        Raises:
            PluginFailedError: A plugin failed; DEL is repeated until it succeeds.
        """
        # Lists older than 0.4.0 have no prevResult in DEL (libcni, DelNetworkList).
        result = previous if _version(network.cni_version) >= (0, 4, 0) else None
        for plugin in reversed(network.plugins):
            conf = _plugin_conf(network, plugin, result, attachment.capabilities)
            self._execute(CniCommand.DEL, conf, attachment)

    def collect_garbage(self, network: NetworkList, valid: Iterable[SandboxAttachment]) -> None:
        """Give every plugin the attachments that exist (CNI 1.1, GC); older lists have no GC.

        Raises:
            PluginFailedError: A plugin failed.
        """
        if _version(network.cni_version) < (1, 1, 0):
            return
        attachments = [
            {"containerID": attachment.container_id, "ifname": INTERFACE} for attachment in valid
        ]
        no_attachment = SandboxAttachment(container_id="", netns="", namespace="", pod="", uid="")
        for plugin in network.plugins:
            conf = {
                **_plugin_conf(network, plugin, None, {}),
                "cni.dev/valid-attachments": attachments,
                "cni.dev/attachments": attachments,
            }
            self._execute(CniCommand.GC, conf, no_attachment)

    def _execute(
        self, command: CniCommand, conf: Mapping[str, Any], attachment: SandboxAttachment
    ) -> dict[str, Any]:
        kind = str(conf["type"])

        def call() -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(  # Waits in this thread alone; the child shares its namespaces.
                [_find_plugin(kind, command)],
                input=json.dumps(conf).encode(),
                env=attachment.environment(command),
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
                cwd="/",
            )

        try:
            done = in_namespaces(self.node_pins, call)
        except (OSError, subprocess.TimeoutExpired, KernelCallError) as error:
            raise PluginFailedError(
                plugin=kind, command=command, code=_CODE_IO, message=str(error)
            ) from error
        if done.returncode != 0:
            raise _failure(kind, command, done)
        return _result(kind, command, done.stdout)


def addresses(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the container's addresses without prefix lengths, in the plugin's order.

    Interfaces of the host in the same result (no `sandbox`) are left out.
    """
    interfaces = result.get("interfaces") or []
    found: list[str] = []
    for ip in with_list(result).get("ips") or []:
        index = ip.get("interface")
        known = isinstance(index, int) and 0 <= index < len(interfaces)
        if known and not interfaces[index].get("sandbox"):
            continue
        found.append(str(ip["address"]).split("/", 1)[0])
    return tuple(found)


def capabilities(pod: Pod) -> dict[str, Any]:
    """Return what a pod asks of plugins by capability: its containers' host ports."""
    mappings = [
        {
            "hostPort": port.host_port,
            "containerPort": port.container_port,
            "protocol": port.protocol.lower(),
            "hostIP": port.host_ip,
        }
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    ]
    return {"portMappings": mappings} if mappings else {}


def _plugin_conf(
    network: NetworkList,
    plugin: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    capabilities: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what one plugin gets on stdin (CNI 1.1, section 3, "Deriving"; like libcni)."""
    declared = plugin.get("capabilities")
    conf = {key: value for key, value in plugin.items() if key != "capabilities"}
    conf |= {"name": network.name, "cniVersion": network.cni_version}
    if isinstance(declared, dict):
        supported = {
            name: capabilities[name] for name in capabilities if declared.get(name) is True
        }
        if supported:
            conf["runtimeConfig"] = supported
    if previous is not None:
        conf["prevResult"] = previous
    return conf


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _find_plugin(kind: str, command: CniCommand) -> str:
    for directory in PLUGIN_DIRECTORIES:
        path = Path(directory) / kind
        if path.is_file():
            return str(path)
    raise PluginFailedError(
        plugin=kind,
        command=command,
        code=_CODE_IO,
        message=f'failed to find plugin "{kind}" in path [{" ".join(PLUGIN_DIRECTORIES)}]',
    )


def _failure(
    kind: str, command: CniCommand, done: subprocess.CompletedProcess[bytes]
) -> PluginFailedError:
    """Return what the plugin said: error JSON on stdout, or else whatever it printed."""
    try:
        document = json.loads(done.stdout)
        code = int(document["code"])
        message = str(document.get("msg", ""))
        details = str(document.get("details") or "")
    except (ValueError, KeyError, TypeError):
        printed = (done.stderr or done.stdout).decode(errors="replace").strip()
        message = f"exit status {done.returncode}: {printed[-500:] or 'nothing printed'}"
        return PluginFailedError(plugin=kind, command=command, code=_CODE_IO, message=message)
    text = f"{message}; {details}" if details else message
    return PluginFailedError(plugin=kind, command=command, code=code, message=text)


def _result(kind: str, command: CniCommand, stdout: bytes) -> dict[str, Any]:
    if command is not CniCommand.ADD:
        return {}
    try:
        document = json.loads(stdout)
    except ValueError as error:
        raise PluginFailedError(
            plugin=kind,
            command=command,
            code=_CODE_DECODING,
            message=f"result is not JSON: {error}",
        ) from error
    if not isinstance(document, dict):
        raise PluginFailedError(
            plugin=kind, command=command, code=_CODE_DECODING, message="result is no JSON object"
        )
    return document
