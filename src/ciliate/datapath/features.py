"""What the datapath cannot do without, and which of it this kernel lacks.

Asked when a program was refused: the verifier says "invalid func unknown#155", an operator wants to
know which kernel to take. What has a substitute (`probes.py`) is not here, nor what every kernel has
that has these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.datapath import libbpf, probes
from ciliate.datapath.errors import LoadError
from ciliate.datapath.probes import Support

#: enum bpf_prog_type: of packets, and of what sockets do.
_SCHED_CLS: Final = 3
_CGROUP_SOCK_ADDR: Final = 18


@dataclass(frozen=True, slots=True)
class Needed:
    """Something of the kernel that programs use, and the Linux that brought it."""

    name: str
    since: str


@dataclass(frozen=True, slots=True)
class NeededHelper(Needed):
    """A function of the kernel that programs of a kind call, with its number."""

    number: int
    kind: int = _SCHED_CLS


ATOMICS: Final = Needed("atomic instructions that return a value", "5.12")

HELPERS: Final = (
    NeededHelper("bpf_sk_lookup_udp", "4.20", 85),
    NeededHelper("bpf_sk_release", "4.20", 86),
    NeededHelper("bpf_skc_lookup_tcp", "5.2", 99),
    NeededHelper("bpf_fib_lookup", "4.18", 69),
    NeededHelper("bpf_redirect_neigh", "5.10", 152),
    NeededHelper("bpf_redirect_peer", "5.10", 155),
    NeededHelper("bpf_sk_storage_get at sockets", "5.8", 107, _CGROUP_SOCK_ADDR),
    NeededHelper("bpf_get_netns_cookie", "5.7", 122, _CGROUP_SOCK_ADDR),
    NeededHelper("bpf_get_current_cgroup_id at sockets", "5.7", 80, _CGROUP_SOCK_ADDR),
    NeededHelper("bpf_ringbuf_reserve", "5.8", 131),
    NeededHelper("bpf_ringbuf_submit", "5.8", 132),
)


class KernelFeatureError(LoadError):
    """This kernel lacks what the programs use; `lacking` are the names of it."""

    def __init__(self, lacking: Sequence[Needed], refusal: LoadError) -> None:
        self.lacking = tuple(each.name for each in lacking)
        shown = ", ".join(f"{each.name} (since Linux {each.since})" for each in lacking)
        super().__init__(
            function=refusal.function,
            path=refusal.path,
            code=refusal.code,
            log=f"this kernel lacks {shown}: take a newer one",
        )


def explained(refusal: LoadError, needed: tuple[NeededHelper, ...] = HELPERS) -> LoadError:
    """Return what to tell of a refused program: what the kernel lacks, else the refusal itself."""
    probe = libbpf.library().libbpf_probe_bpf_helper
    # 1: there, 0: not there, negative: not to be found out.
    lacking: list[Needed] = [each for each in needed if probe(each.kind, each.number, None) == 0]
    if probes.atomics() is Support.UNSUPPORTED:
        lacking.append(ATOMICS)
    return KernelFeatureError(lacking, refusal) if lacking else refusal
