"""A lab drawn as SVG: the internet above, the switch below, machines with their pods between. Pure.

Sizes are in pixels at scale 1; the file needs no font of its own and no script.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from ciliate.lab.picture import MachineBox, Picture, PodBox
from ciliate.lab.topology import Role

_BOX_WIDTH_MIN: Final = 250
#: A character's width, rounded up.
_CHARACTER: Final = 7.4
_GAP: Final = 24
_MARGIN: Final = 20
_LINE: Final = 18
_POD_HEIGHT: Final = 42
_BUS_HEIGHT: Final = 48
#: From a bus to the machines, and from a machine's left side.
_WIRE: Final = 46
_WIRE_INSET: Final = 24
#: Machines in a row: a lab of fifty nodes stays as wide as a screen.
_ROW: Final = 5
#: Pods of a machine that are drawn; the others are counted.
_PODS_MAX: Final = 12

_STYLE: Final = """\
text { font: 12px ui-monospace, monospace; fill: #1f2933; }
.name { font-weight: bold; font-size: 13px; }
.dim { fill: #616e7c; }
.bus { fill: #e4e7eb; stroke: #9aa5b1; }
.node { fill: #f0f7ff; stroke: #2f6fbf; }
.router { fill: #fff7e6; stroke: #b7791f; }
.pod { fill: #ffffff; stroke: #3f9142; }
.wire { stroke: #7b8794; stroke-width: 2; fill: none; }
"""


def draw_svg(picture: Picture) -> str:
    """Return the drawing, an SVG 1.1 document."""
    rows = [picture.machines[i : i + _ROW] for i in range(0, len(picture.machines), _ROW)]
    columns = max((len(row) for row in rows), default=1)
    box = _box_width(picture)
    width = 2 * _MARGIN + columns * box + (columns - 1) * _GAP
    parts: list[str] = []
    y = _MARGIN
    for row in rows:
        height = max(_height(machine) for machine in row)
        parts += _bus(y, width, f"internet {' '.join(picture.internet)}")
        y += _BUS_HEIGHT
        for number, machine in enumerate(row):
            x = _MARGIN + number * (box + _GAP)
            parts += _column(machine, picture.gateway, x=x, y=y, width=box, height=height)
        y += height + 2 * _WIRE
        parts += _bus(y, width, "switch")
        y += _BUS_HEIGHT + _GAP
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y - _GAP + _MARGIN}" '
        f'role="img" aria-label="lab {escape(picture.name)}">\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _box_width(picture: Picture) -> int:
    """Return the width in which every text of every machine has room."""
    texts = [" ".join(picture.gateway)]
    for machine in picture.machines:
        texts += [f"eth1 {' '.join(each)}" for each in (machine.eth0, machine.eth1)]
        texts += [" ".join(machine.networks)]
        texts += [line for pod in machine.pods for line in _pod_lines(pod)]
    longest = max(map(len, texts), default=0)
    return max(_BOX_WIDTH_MIN, int(longest * _CHARACTER) + 2 * _WIRE_INSET)


def _column(
    machine: MachineBox, gateway: Sequence[str], *, x: int, y: int, width: int, height: int
) -> Iterator[str]:
    """Yield a machine with its wires up to the internet and down to the switch."""
    wire, top, bottom = x + _WIRE_INSET, y + _WIRE, y + _WIRE + height
    yield _wire(wire, y, top)
    yield _text(wire + 6, y + 16, " ".join(gateway), "dim")
    yield _text(wire + 6, top - 8, f"eth0 {' '.join(machine.eth0)}")
    yield from _machine(machine, x, top, width, height)
    yield _wire(wire, bottom, bottom + _WIRE)
    yield _text(wire + 6, bottom + 18, f"eth1 {' '.join(machine.eth1)}")


def _bus(y: int, width: int, label: str) -> Iterator[str]:
    yield _box(_MARGIN, y, width - 2 * _MARGIN, _BUS_HEIGHT, "bus")
    yield _text(_MARGIN + 12, y + _BUS_HEIGHT // 2 + 5, label, "name")


def _height(machine: MachineBox) -> int:
    pods = min(len(machine.pods), _PODS_MAX)
    further = _LINE if len(machine.pods) > pods else 0
    return 2 * _LINE + 14 + pods * (_POD_HEIGHT + 6) + further


def _machine(machine: MachineBox, x: int, y: int, width: int, height: int) -> Iterator[str]:
    router = machine.role is Role.ROUTER
    yield _box(x, y, width, height, "router" if router else "node")
    yield _text(x + 10, y + _LINE, machine.name, "name")
    if machine.networks:
        yield _text(x + 10, y + 2 * _LINE, " ".join(machine.networks), "dim")
    shown = machine.pods[:_PODS_MAX]
    below = y + 2 * _LINE + 10
    for pod in shown:
        yield from _pod(pod, x + 10, below, width - 20)
        below += _POD_HEIGHT + 6
    if len(machine.pods) > len(shown):
        yield _text(x + 10, below + 12, f"and {len(machine.pods) - len(shown)} more pods", "dim")


def _pod_lines(pod: PodBox) -> tuple[str, str]:
    namespace, _, name = pod.name.partition("/")
    detail = " ".join(pod.addresses) if pod.phase == "Running" else pod.phase
    return name, f"{detail}  {namespace}"


def _pod(pod: PodBox, x: int, y: int, width: int) -> Iterator[str]:
    name, detail = _pod_lines(pod)
    yield _box(x, y, width, _POD_HEIGHT, "pod")
    yield _text(x + 8, y + 17, name)
    yield _text(x + 8, y + 34, detail, "dim")


def _box(x: int, y: int, width: int, height: int, kind: str) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'


def _wire(x: int, top: int, bottom: int) -> str:
    return f'<path class="wire" d="M{x} {top}V{bottom}"/>'


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    chosen = f' class="{kind}"' if kind else ""
    return f'<text{chosen} x="{x}" y="{y}">{escape(text)}</text>'
