"""The truth table of Services, read: who answers, and whom the answering one sees.

`truth_table.txt` is the table, for people to read; a line is a case for each family and protocol
that it names. Names of Services, frontends and places are explained in `sites.py`.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_suffix(".txt")

#: How a call fails: at once, or when the caller gives up.
REFUSED, DROPPED = "refused", "dropped"

#: Where pods' sockets are translated, and where their packets are (`socketLB.hostNamespaceOnly`).
BY_SOCKET, BY_PACKET = "by socket", "by packet"

#: Of a Service whose clients are held to one endpoint.
ONE_OF: Final = "one of: "


@dataclass(frozen=True, slots=True)
class Case:
    """A call that somebody makes."""

    number: int
    version: int
    protocol: str
    service: str
    frontend: str
    caller: str
    seen: str
    by_packet: str  # What is seen then, if it is something else; "-": nothing of pods' packets.

    def __str__(self) -> str:
        """Return the words that name it in a test's id."""
        to = f"{self.service} at {self.frontend}"
        return f"{self.number} IPv{self.version} {self.protocol} {self.caller} to {to}"

    def expected(self, mode: str) -> str:
        """Return the cell of the table that holds."""
        return (mode == BY_PACKET and self.by_packet) or self.seen

    def is_of(self, mode: str) -> bool:
        """Whether it is asked in a mode: by packet, only what pods send is translated elsewhere."""
        return mode == BY_SOCKET or (
            self.caller.startswith(("pod", "server")) and self.by_packet != "-"
        )

    def is_one_only(self, mode: str) -> bool:
        """Whether all calls are answered by the same endpoint."""
        return self.expected(mode).startswith(ONE_OF)

    def outcomes(self, mode: str) -> set[tuple[str, str]]:
        """Return the server and the seen client of each outcome that may be; a failure is alone."""
        cells = self.expected(mode).removeprefix(ONE_OF).split(", ")
        parts = (cell.partition(" as ") for cell in cells)
        return {(server, client) for server, _, client in parts}


def read_cases(path: Path = TABLE) -> list[Case]:
    """Return the cases of the table, in their order."""
    lines = (line for line in path.read_text().splitlines() if line and line[0] != "#")
    rows = csv.reader(lines, delimiter="|")
    header, *body = ([word.strip() for word in row] for row in rows)
    found: list[Case] = []
    for row in body:
        found += _cases(dict(zip(header, row, strict=True)), len(found) + 1)
    return found


def _cases(row: dict[str, str], first: int) -> Iterator[Case]:
    number = first
    versions, protocols = row.pop("family").split(), row.pop("protocol").split()
    row["by_packet"] = row.pop("by packet")
    for protocol in protocols:
        for version in versions:
            if protocol == "mapped" and version == "6":
                continue  # An address of IPv4, by a socket of IPv6.
            yield Case(number=number, version=int(version), protocol=protocol, **row)
            number += 1
