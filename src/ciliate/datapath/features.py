"""What the datapath cannot do without, and which of it this kernel lacks.

Asked when a program was refused: the verifier says "invalid func unknown#155", an operator wants to
know which kernel to take. What has a substitute (`probes.py`) is not here, nor what every kernel has
that has these.
"""

from dataclasses import dataclass
from typing import Final

from ciliate.datapath import libbpf
from ciliate.datapath.errors import LoadError

_SCHED_CLS: Final = 3


@dataclass(frozen=True, slots=True)
class NeededHelper:
    """A function of the kernel that programs call: its number, and the Linux that brought it."""

    name: str
    number: int
    since: str


HELPERS: Final = (
    NeededHelper("bpf_fib_lookup", 69, "4.18"),
    NeededHelper("bpf_redirect_neigh", 152, "5.10"),
    NeededHelper("bpf_redirect_peer", 155, "5.10"),
)


class KernelFeatureError(LoadError):
    """This kernel lacks helpers that the programs call; `lacking` are their names."""

    def __init__(self, lacking: tuple[NeededHelper, ...], refusal: LoadError) -> None:
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
    lacking = tuple(each for each in needed if probe(_SCHED_CLS, each.number, None) == 0)
    return KernelFeatureError(lacking, refusal) if lacking else refusal
