"""Where a lab keeps what: one folder per lab, named after it.

The folder is a tmpfs of its own, private: unmounting it frees every pin and overlay at once, and
no mount below it shows anywhere else. The lock lies beside it, since it has to outlive it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.errors import LabError

ROOT: Final = Path("/run/ciliate/labs")

#: What the shell of a lab's user finds in `LabPaths.commands` beside our program's four names; they
#: know the lab's machines (`lab/ssh.py`).
LAB_SHELL_COMMANDS: Final = ("ssh", "sshpass")

#: The name is part of the control group's and appears in Unix socket paths, which hold 107 octets.
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class LabNameError(LabError):
    """A name that cannot be a lab's."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"lab name {name!r}: up to 32 lower-case letters, digits and inner hyphens, please"
        )


@dataclass(frozen=True, slots=True)
class LabPaths:
    """The files of one lab."""

    name: str
    #: Elsewhere in tests alone.
    root: Path = ROOT

    @classmethod
    def of(cls, name: str) -> "LabPaths":
        """The files of lab `name`.

        Raises:
            LabNameError: It cannot be a name.
        """
        if not _NAME.fullmatch(name):
            raise LabNameError(name=name)
        return cls(name)

    @property
    def folder(self) -> Path:
        """Everything of the lab: a tmpfs."""
        return self.root / self.name

    @property
    def lock(self) -> Path:
        """Held while the lab is being changed."""
        return self.root / f"{self.name}.lock"

    @property
    def state(self) -> Path:
        """What the lab is: `state.LabState` as JSON."""
        return self.folder / "lab.json"

    @property
    def kubeconfig(self) -> Path:
        """For the host: the API server on a loopback port."""
        return self.folder / "kubeconfig"

    @property
    def machines(self) -> Path:
        """What of this folder all machines see, at the same path."""
        return self.folder / "machines"

    @property
    def machine_kubeconfig(self) -> Path:
        """For processes inside machines: the API server at its cluster address."""
        return self.machines / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Authority and certificates."""
        return self.folder / "pki"

    @property
    def apiserver(self) -> Path:
        """The API server's store."""
        return self.folder / "apiserver"

    @property
    def logs(self) -> Path:
        """One file per process of the lab itself."""
        return self.folder / "logs"

    @property
    def commands(self) -> Path:
        """A folder for a PATH: `ciliate`, `cilium`, `cilium-dbg`, `hubble`."""
        return self.folder / "bin"

    @property
    def zygote(self) -> Path:
        """The zygote's socket."""
        return self.folder / "zygote.sock"

    @property
    def layer(self) -> Path:
        """Files that every machine sees over the host's own."""
        return self.folder / "layer"

    @property
    def image(self) -> Path:
        """What every container begins with."""
        return self.folder / "image"

    @property
    def stage(self) -> Path:
        """An empty folder, on which containers put their roots together, unseen by others."""
        return self.folder / "stage"

    @property
    def hosts(self) -> Path:
        """Every machine's /etc/hosts."""
        return self.folder / "hosts"

    @property
    def resolv_conf(self) -> Path:
        """Every machine's /etc/resolv.conf to begin with."""
        return self.folder / "resolv.conf"

    def machine(self, name: str) -> Path:
        """A machine's folder."""
        return self.folder / name

    def pins(self, name: str) -> Path:
        """A machine's namespaces."""
        return self.folder / name / "ns"

    def pods(self, node: str) -> Path:
        """A node's pods, one folder each, kept by its kubelet."""
        return self.folder / node / "pods"
