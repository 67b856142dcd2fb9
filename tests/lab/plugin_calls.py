"""The CNI plugin called directly, as a container runtime does: no kubelet decides when or how often.

Each attachment has a network namespace of its own, pinned in the node below /run/fault-netns.
"""

import json
import secrets
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab.cluster import run
from tests.lab.faulty_node import FaultyNode

PLUGIN: Final = "/opt/cni/bin/ciliate-cni"
_FOLDER: Final = "/run/fault-netns"
_CALLS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Called:
    """What the plugin answered."""

    code: int
    stdout: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    @property
    def answer(self) -> Any:
        """Its JSON: a result, or an error with `code` and `msg`."""
        return json.loads(self.stdout) if self.stdout.strip() else {}

    @property
    def address(self) -> str:
        """The IPv4 address that an ADD gave."""
        return str(self.answer["ips"][-1]["address"]).partition("/")[0]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A container to be: an id and a network namespace."""

    node: FaultyNode
    name: str
    container_id: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def netns(self) -> str:
        """Where its network namespace is pinned in the node."""
        return f"{_FOLDER}/{self.name}"

    def call(
        self,
        command: str,
        *,
        version: str = "1.1.0",
        stdin: bytes | None = None,
        extra: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Called:
        """Run the plugin inside the node; `stdin` instead of a sensible configuration."""
        conf = {"cniVersion": version, "name": "cilium", "type": "ciliate-cni", **(extra or {})}
        return call_plugin(
            self.node,
            {
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": self.container_id,
                "CNI_NETNS": self.netns,
                "CNI_IFNAME": "eth0",
                "CNI_PATH": "/opt/cni/bin",
                "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={self.name}",
                **(environment or {}),
            },
            json.dumps(conf).encode() if stdin is None else stdin,
        )

    def add(self) -> Called:
        """CNI ADD."""
        return self.call("ADD")

    def delete(self) -> Called:
        """CNI DEL."""
        return self.call("DEL")


def call_plugin(node: FaultyNode, environment: dict[str, str], stdin: bytes) -> Called:
    """Run the plugin inside the node with exactly this environment and stdin."""

    def call() -> Called:
        done = subprocess.run(
            [PLUGIN], input=stdin, env=environment, capture_output=True, timeout=100, check=False
        )
        return Called(done.returncode, done.stdout.decode())

    return node.inside(call)


def make_sandboxes(node: FaultyNode, count: int, prefix: str) -> list[Sandbox]:
    """Containers without a network yet."""
    names = [f"{prefix}-{number}" for number in range(count)]
    script = (
        f"mkdir -p {_FOLDER}; cd {_FOLDER}; for name in {' '.join(names)}; do"
        " touch $name; unshare --net=$name true; done"
    )
    node.inside(lambda: run(["sh", "-ec", script]))
    return [Sandbox(node, name) for name in names]


def remove_sandboxes(sandboxes: Sequence[Sandbox]) -> None:
    """Take the network namespaces away, as if the containers had died."""
    if not sandboxes:
        return
    paths = " ".join(sandbox.netns for sandbox in sandboxes)
    sandboxes[0].node.inside(lambda: run(["sh", "-c", f"umount {paths}; rm -f {paths}"]))


def call_all(sandboxes: Sequence[Sandbox], command: str) -> list[Called]:
    """The same command for all, at once."""
    with ThreadPoolExecutor(_CALLS_MAX) as pool:
        return list(pool.map(lambda sandbox: sandbox.call(command), sandboxes))
