"""What `lab list` shows: every lab that has left a folder, of whatever checkout."""

import time
from collections.abc import Sequence

import msgspec

from ciliate.console.table import align
from ciliate.lab.errors import LabError
from ciliate.lab.paths import LabPaths
from ciliate.lab.processes import alive
from ciliate.lab.state import Phase, lab_names, read_state

#: Below how many of a unit the next smaller one is shown: `90s`, `17m`, `5h`, `2d`, as kubectl does.
_UNITS = ((120, 1, "s"), (120 * 60, 60, "m"), (48 * 3600, 3600, "h"))


class LabLine(msgspec.Struct, frozen=True, kw_only=True):
    """A lab; what its folder does not say is absent."""

    name: str
    state: str
    """`up`, `starting`, `broken` (no readable lab.json) or `degraded` (up, a process is gone)."""
    nodes: int | None = None
    age_s: int | None = None
    checkout: str = ""


def _line(name: str) -> LabLine:
    paths = LabPaths(name)
    try:
        state = read_state(paths)
    except LabError:
        return LabLine(name=name, state="broken")
    phase = state.phase.value
    if state.phase is Phase.UP and not all(alive(paths).values()):
        phase = "degraded"
    return LabLine(
        name=name,
        state=phase,
        nodes=len(state.nodes),
        age_s=int(max(0.0, time.time() - state.started_at)),
        checkout=state.checkout,
    )


def labs() -> list[LabLine]:
    """Every lab, by name."""
    return [_line(name) for name in lab_names()]


def render_labs(lines: Sequence[LabLine]) -> str:
    """The table for people."""
    rows = ["NAME\tSTATE\tNODES\tAGE\tCHECKOUT"]
    for lab in lines:
        nodes = "-" if lab.nodes is None else str(lab.nodes)
        age = "-" if lab.age_s is None else _short(lab.age_s)
        rows.append(f"{lab.name}\t{lab.state}\t{nodes}\t{age}\t{lab.checkout or '-'}")
    return align(rows, width_min=0, padding=3)


def _short(seconds: int) -> str:
    for below, unit, letter in _UNITS:
        if seconds < below:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 86400}d"
