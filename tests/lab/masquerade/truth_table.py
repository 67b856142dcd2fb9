"""The truth table of masquerading, read: as what each packet must be seen by its receiver.

`truth_table.txt` is the table, a line a case, for people to read. A column is a field of `Case`,
so a further one is a header there and a field here. Addresses have names, which `sites.py` knows.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_suffix(".txt")

#: The programs (`enable-bpf-masquerade`), and the host's stack.
PROGRAMS, STACK = "programs", "stack"

#: The same where pods of other nodes are reached through the tunnel (`routing-mode: tunnel`).
TUNNELED: Final = {f"{back_end}, tunnel": back_end for back_end in (PROGRAMS, STACK)}

#: Begins what is seen nowhere; the drop reason of the programs follows.
DROPPED: Final = "dropped"

#: What is seen nowhere since it leads nowhere; the sender is told so by ICMP.
REFUSED: Final = "refused"

#: What a pod's kernel and our program there do not answer.
UNANSWERED: Final = ("sctp", "gre", "esp", "ipip")

#: Who sends, of those a pod's rules are asked for.
POD: Final = "pod"

_WITH_PORTS: Final = ("tcp", "udp")
_OPENING: Final = (*_WITH_PORTS, "echo")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is set in the cluster: cases of one configuration are sent together."""

    native: str
    agent: str
    sctp: str
    policy: str

    def __str__(self) -> str:
        """Return its name in a test's id."""
        extras = [name for name in ("sctp", "policy") if getattr(self, name) == "on"]
        return " ".join((f"native-{self.native}", f"agent-{self.agent}", *extras))


@dataclass(frozen=True, slots=True)
class Case:
    """A line of the table; `number` is its place, from 1, and what its packets carry."""

    number: int
    family: str
    protocol: str
    sender: str
    receiver: str
    answer: str  # "yes": the receiver has begun.
    native: str
    agent: str
    sctp: str
    policy: str
    source: str
    rule: str
    stack: str  # The source with the stack, where it is another one.
    why: str  # The row of docs/MASQUERADING.md, "Where the back ends differ", that says why.
    tunnel: str  # The source through the tunnel, where it is another one; "; " with the stack.
    since: str  # The row of docs/MASQUERADING.md, "Through the tunnel", that says why.

    def __str__(self) -> str:
        """Return the words that name it in a test's id."""
        answer = ("answer",) if self.is_answer else ()
        words = (*answer, f"IPv{self.family}", self.protocol, self.sender, "to", self.receiver)
        return f"{self.number} {' '.join(words)}"

    @property
    def configuration(self) -> Configuration:
        """What must be set for it."""
        return Configuration(self.native, self.agent, self.sctp, self.policy)

    @property
    def version(self) -> int:
        """The IP version."""
        return int(self.family)

    @property
    def is_answer(self) -> bool:
        """Whether the receiver has begun."""
        return self.answer == "yes"

    @property
    def seen_protocol(self) -> str:
        """The protocol that the receiver sees of it."""
        if self.is_answer and self.protocol == "echo":
            return "echo-reply"
        kind = self.protocol.removeprefix("late-").removesuffix("-fragments")
        return "icmp-error" if kind == "stray-error" else kind

    @property
    def is_of_a_pods_flow(self) -> bool:
        """Whether a pod opens a flow by it: what `explain masquerade` can be asked about."""
        return self.sender == POD and not self.is_answer and self.protocol in _OPENING

    @property
    def port(self) -> int:
        """Where it goes to; 0 where the protocol has no ports."""
        return PORT if self.protocol in _WITH_PORTS else 0

    def is_seen(self, back_end: str) -> bool:
        """Whether a packet of it reaches its receiver."""
        return self.expected(back_end).split()[0] not in (DROPPED, REFUSED)

    def drop_reasons(self, back_end: str) -> list[int]:
        """Return the reasons by which packets of it are dropped, each with a number."""
        words = self.expected(back_end).replace(",", "").split()
        return [int(number) for number in words if number.isdecimal()]

    def expected(self, back_end: str) -> str:
        """Return the name of the source that the receiver sees, or why it sees nothing."""
        if back_end in TUNNELED:
            without = TUNNELED[back_end]
            programs, _, stack = self.tunnel.partition("; ")
            return (without == STACK and stack) or programs or self.expected(without)
        return (back_end == STACK and self.stack) or self.source


#: Where the pods of all cases send TCP and UDP to.
PORT: Final = 9100


def read_cases(path: Path = TABLE) -> list[Case]:
    """Return the lines of the table, in their order."""
    lines = (line for line in path.read_text().splitlines() if line and line[0] != "#")
    rows = csv.reader(lines, delimiter="|")
    header, *body = ([word.strip() for word in row] for row in rows)
    return [
        Case(number=number, **dict(zip(header, row, strict=True)))
        for number, row in enumerate(body, start=1)
    ]
