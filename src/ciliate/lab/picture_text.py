"""A lab drawn with characters: the internet on the left, the switch on the right. Pure."""

from collections.abc import Sequence
from typing import Final

from ciliate.lab.picture import MachineBox, Picture
from ciliate.lab.topology import Role

#: Pods of a machine that are drawn; the others are counted.
_PODS_MAX: Final = 12

_BEHIND: Final = {Role.ROUTER: "behind it", Role.CONTROL_PLANE: "pods", Role.WORKER: "pods"}


def draw_text(picture: Picture) -> str:
    """Return the drawing."""
    drawn = [(_head(machine), _inside(machine)) for machine in picture.machines]
    width = max((len(line) for head, inside in drawn for line in (head + "─", *inside)), default=0)
    lines = [f"internet {_joined(picture.internet)}", f" │ {_joined(picture.gateway)}"]
    for number, (head, inside) in enumerate(drawn):
        last = number == len(drawn) - 1
        left = "└" if last else "├"
        right = "┐  switch" if number == 0 else "┘" if last else "┤"
        between = " " if last else "│"
        lines.append(f" {left}─ {head} ".ljust(width + 5, "─") + right)
        lines += [f" {between}  {line}".ljust(width + 5) + between for line in inside]
    return "\n".join(line.rstrip() for line in lines)


def _head(machine: MachineBox) -> str:
    return f"eth0 {_joined(machine.eth0)}  {machine.name}  eth1 {_joined(machine.eth1)}"


def _inside(machine: MachineBox) -> Sequence[str]:
    lines = [f"  {_BEHIND[machine.role]} {_joined(machine.networks)}"] if machine.networks else []
    shown = machine.pods[:_PODS_MAX]
    for pod in shown:
        phase = "" if pod.phase == "Running" else f" ({pod.phase})"
        lines.append(f"  • {pod.name}  {_joined(pod.addresses) or '-'}{phase}")
    if len(machine.pods) > len(shown):
        lines.append(f"  … and {len(machine.pods) - len(shown)} more pods")
    return lines


def _joined(words: Sequence[str]) -> str:
    return " ".join(words)
