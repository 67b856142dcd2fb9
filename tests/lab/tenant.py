"""A node that is a network namespace alone: its agent runs among the files of another's machine."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.lab.cluster import BIN
from tests.lab.faulty_node import FaultyNode, api_answer
from tests.lab.plugin_calls import Called, Sandbox

from ciliate.lab.namespaces import in_namespaces

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tenant(FaultyNode):
    """A node whose processes see the files of k8s-ctr."""

    state: str = "/var/run/cilium"

    def inside(self, action: Callable[[], T]) -> T:
        """Do something in this node's network and those files."""
        files = FaultyNode(self.lab, "k8s-ctr").pins
        return in_namespaces(self.pins, lambda: in_namespaces(files, action, ["mnt"]), ["net"])

    def asked(self, path: str) -> Any:
        """What its agent's API answers for /v1/PATH; None while it is away or starting."""
        return self.inside(lambda: api_answer(f"{self.state}/cilium.sock", path))

    @contextlib.contextmanager
    def agent(self, name: str, *flags: str) -> Iterator["subprocess.Popen[bytes]"]:
        """An agent that logs to /run/NAME.log; killed at the end."""
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.lab.folder / "machines/kubeconfig"),
        }
        words = [str(BIN / "ciliate"), "agent", "--node", self.name, *flags]

        def start() -> "subprocess.Popen[bytes]":
            with Path(f"/run/{name}.log").open("wb") as log:
                return subprocess.Popen(words, env=environment, stdout=log, stderr=log)

        process = self.inside(start)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def call(self, sandbox: Sandbox, command: str) -> Called:
        """Call the plugin as this agent's runtime does."""
        environment = {
            "CILIATE_CNI_SOCK": f"{self.state}/cni.sock",
            "CILIATE_CNI_QUEUE": f"{self.state}/deleteQueue",
        }
        return sandbox.call(command, environment=environment)

    def requests(self) -> str:
        """Its log of CNI requests."""
        return self.read(f"{self.state}/cilium-cni.log")

    def pods(self) -> set[str]:
        """The containers of its endpoints."""
        return set(self.endpoint_addresses())
