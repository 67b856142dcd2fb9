"""What `lab list` shows: every lab that has left a folder, of whatever checkout."""

import time

import msgspec

from ciliate.lab.errors import LabError
from ciliate.lab.paths import LabPaths
from ciliate.lab.processes import alive
from ciliate.lab.state import Phase, lab_names, read_state
from ciliate.lab.status import render_rows

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


def render_labs() -> str:
    """The table for people, with its headings also when it is empty."""
    rows: list[tuple[str, ...]] = [("NAME", "STATE", "NODES", "AGE", "CHECKOUT")]
    for lab in map(_line, lab_names()):
        nodes = "-" if lab.nodes is None else str(lab.nodes)
        age = "-" if lab.age_s is None else _short(lab.age_s)
        rows.append((lab.name, lab.state, nodes, age, lab.checkout or "-"))
    return "\n".join(render_rows(rows))


def labs_json() -> str:
    """The same for programs; ages in seconds."""
    lines = [_line(name) for name in lab_names()]
    return msgspec.json.format(msgspec.json.encode(lines), indent=2).decode()


def _short(seconds: int) -> str:
    for below, unit, letter in _UNITS:
        if seconds < below:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 86400}d"
