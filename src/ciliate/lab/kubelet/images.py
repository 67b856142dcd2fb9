"""Which program runs in place of an image: the lab has no registry and unpacks nothing.

An image is known by its name without registry and tag. It maps to a built-in program, to our own
command, or to the host's tools, which every pod sees in its root.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.lab.kubelet.errors import UnknownImageError
from ciliate.lab.spawn import Entry

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ContainerProgram:
    """What to start for a container."""

    entry: Entry
    argv: tuple[str, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's entry point and default arguments stand for."""

    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


#: Programs by the base name of a command: `command: ["/whoami"]` means the built-in one as well.
_FUNCTIONS: Final[Mapping[str, str]] = {
    "whoami": "ciliate.lab.kubelet.whoami:run",
    "nginx": "ciliate.lab.kubelet.welcome_page:run",
    "agnhost": "ciliate.lab.kubelet.agnhost:run",
    "pause": "ciliate.lab.container.pause:run",
    "coredns": "ciliate.lab.dns.program:run",
    "scrape-targets": "ciliate.lab.monitoring.discovery:run",
}

#: Names under which our own command is known, and the words that stand for the name. It runs in
#: a fork of the warm zygote: a start from the shell would cost ten times as much. A pod's `cilium`
#: is the agent's command, as in Cilium's image; the user's is the one on the PATH of `lab env`.
_OWN_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ciliate": (),
    "cilium": ("dbg",),
    "cilium-dbg": ("dbg",),
    "hubble": ("hubble",),
    "hubble-relay": ("hubble-relay",),
    "hubble-ui": ("hubble-ui",),
    "cilium-agent": ("agent",),
    "cilium-operator": ("operator",),
    "cilium-operator-generic": ("operator",),
}

_SHELL: Final = Image(arguments=("sh",))

#: Image by repository name.
IMAGES: Final[Mapping[str, Image]] = {
    "traefik/whoami": Image(entrypoint=("whoami",)),
    "nginx": Image(entrypoint=("nginx",)),
    "e2e-test-images/agnhost": Image(entrypoint=("/agnhost",), arguments=("pause",)),
    "nicolaka/netshoot": Image(arguments=("sleep", "infinity")),
    "curlimages/curl": Image(entrypoint=("curl",)),
    "busybox": _SHELL,
    "alpine": _SHELL,
    "debian": _SHELL,
    "pause": Image(entrypoint=("/pause",)),
    "ciliate/coredns": Image(entrypoint=("coredns",)),
    "ciliate/scrape-targets": Image(entrypoint=("scrape-targets",)),
    "prom/prometheus": Image(entrypoint=("prometheus",)),
    "ciliate": Image(entrypoint=("ciliate",)),
    "cilium/cilium": Image(entrypoint=("cilium-agent",)),
    "cilium/operator": Image(entrypoint=("cilium-operator",)),
    "cilium/operator-generic": Image(entrypoint=("cilium-operator",)),
}


def repository(reference: str) -> str:
    """Return an image reference without digest and tag: "quay.io/cilium/cilium:v1" -> no ":v1"."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def find_image(reference: str) -> Image:
    """Return the image that `reference` names.

    Raises:
        UnknownImageError: The lab has no program for it; names those it has.
    """
    parts = repository(reference).split("/")
    for wanted in ("/".join(parts[-2:]), parts[-1]):
        if wanted in IMAGES:
            return IMAGES[wanted]
    raise UnknownImageError(reference, tuple(sorted(IMAGES)))


def container_program(
    reference: str, command: Sequence[str] = (), arguments: Sequence[str] = ()
) -> ContainerProgram:
    """Return what a container runs: `command` and `arguments` replace the image's own.

    As in Kubernetes, a given command also drops the image's default arguments.

    Raises:
        UnknownImageError: The lab has no program for the image.
    """
    image = find_image(reference)
    entrypoint = tuple(command) or image.entrypoint
    default = () if command else image.arguments
    return program_of((*entrypoint, *(tuple(arguments) or default)))


def program_of(words: Sequence[str]) -> ContainerProgram:
    """Return the program that a command line means: built-in, our own, or a file to execute."""
    name = os.path.basename(words[0]) if words else ""
    title = " ".join(words)
    if name in _FUNCTIONS:
        return ContainerProgram(Entry.CALL, (_FUNCTIONS[name], *words[1:]), title)
    if name in _OWN_COMMANDS:
        return ContainerProgram(Entry.CILIATE, (*_OWN_COMMANDS[name], *words[1:]), title)
    return ContainerProgram(Entry.EXEC, tuple(words), title)


def default_environment(hostname: str) -> dict[str, str]:
    """Return what every container's environment starts with."""
    # Last on the path: our own commands, for shells inside of containers.
    return {
        "PATH": f"{_PATH}:{os.path.dirname(sys.executable)}",
        "HOME": "/root",
        "HOSTNAME": hostname,
    }
