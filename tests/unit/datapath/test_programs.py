"""src/ciliate/datapath/programs.py: its programs read as docs/DATAPATH.md describes them."""

import re
from pathlib import Path

import pytest

from ciliate.datapath.programs import PACKET_PROGRAMS, TUNNEL_NAMES

ROOT = Path(__file__).parents[3]


def documented(program: str) -> tuple[list[int], set[int]]:
    """Return the steps of the program's section that exist, and those that are slots."""
    section = (ROOT / "docs/DATAPATH.md").read_text().partition(f"\n## {program}\n")[2]
    steps = re.findall(
        r"^(?:(\d+)\. (\*\*Slot\*\*)?|\| (\d+) \|)", section.partition("\n## ")[0], re.MULTILINE
    )
    slots = {int(number) for number, slot, _ in steps if slot}
    return [int(number or row) for number, slot, row in steps if not slot], slots


def written(program: str) -> list[list[int]]:
    """Return the numbers that comments of the program's main function begin with."""
    body = (ROOT / f"bpf/{program}.bpf.c").read_text().partition('\nSEC("tc")\n')[2]
    if program == "from_uplink":  # It goes on there, as from_tunnel does.
        body += (ROOT / "bpf/lib/arrive.h").read_text().partition(" int arrive(")[2]
    comments = re.findall(r"/\* (\d+(?:, \d+)*)(?::| \*/)", body)
    return [[int(number) for number in comment.split(", ")] for comment in comments]


@pytest.mark.parametrize("program", [*PACKET_PROGRAMS, *TUNNEL_NAMES])
def test_a_program_takes_the_documented_steps_in_their_order(program: str) -> None:
    steps, slots = documented(program)
    taken = written(program)

    assert {number for comment in taken for number in comment} == set(steps)
    assert [comment[0] for comment in taken] == sorted(comment[0] for comment in taken)
    assert not slots & set(steps)
    assert sorted(slots | set(steps)) == list(range(1, max(steps) + 1))


def test_packets_leave_the_programs_by_verdict_h_alone() -> None:
    """So that each is counted, with its reason, and told to whoever listens."""
    sources = {path.name: path.read_text() for path in (ROOT / "bpf").rglob("*.[ch]")}
    assert {name for name, text in sources.items() if "TC_ACT_" in text} == {"verdict.h"}
    redirects = "".join(sources.values())
    assert len(re.findall(r"\bbpf_redirect\w*\(", redirects)) == len(
        re.findall(
            r"(?:forward|answer|give_back_frame)\(skb, flow,(?: reason,| TRACE_\w+,)?"
            r"\s+bpf_redirect\w*\(",
            redirects,
        )
    )


def test_a_packet_is_sent_into_a_pod_by_admit_alone() -> None:
    """Policy stands there: another way in would pass it by."""
    callers = [
        path.name for path in (ROOT / "bpf").rglob("*.[ch]") if "send_to_peer(" in path.read_text()
    ]
    assert sorted(callers) == ["admit.h", "route.h"]
