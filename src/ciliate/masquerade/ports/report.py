"""The book of ports as the agent answers it. Pure."""

from collections.abc import Callable, Iterable
from typing import Final

from ciliate.api.agent import AgentModel
from ciliate.masquerade.ports.book import (
    Account,
    OwnerName,
    PortBook,
    RemotePorts,
    largest,
)
from ciliate.net.address import address_text

#: Remotes, and pods, of an answer that is not asked for all.
ROWS_MAX: Final = 50
#: Holders of a remote in an answer.
HOLDERS_MAX: Final = 10


class PortsRequest(AgentModel, frozen=True, kw_only=True):
    """What POST /v1/masquerade/ports asks for: the ports as they are now."""

    everything: bool = False  # Not the fullest ROWS_MAX alone.


class PortHolder(AgentModel, frozen=True, kw_only=True):
    """One who holds ports; what has no namespace is no pod."""

    namespace: str = ""
    name: str
    ports: int


class PortRow(AgentModel, frozen=True, kw_only=True):
    """The ports of one source address toward one destination."""

    source_address: str
    destination: str
    remote_address: str
    remote_port: int
    protocol: str
    used: int
    ports: int
    fill_percent: float
    failed: int
    last_failed_seconds_ago: int | None = None
    growth_per_second: float | None = None
    seconds_to_exhaustion: float | None = None
    holders: tuple[PortHolder, ...] = ()


class ConnectionHolder(AgentModel, frozen=True, kw_only=True):
    """What one owner has of the table of connections, and what it did not get there."""

    namespace: str = ""
    name: str
    connections: int
    evicted: int
    refused: int


class PortsReport(AgentModel, frozen=True, kw_only=True):
    """What POST /v1/masquerade/ports answers."""

    back_end: str  # "BPF", "iptables" or "Disabled", as `dbg status` has it.
    used: int
    least_listed: int  # Destinations with fewer ports are not listed.
    unlisted: int  # Their ports.
    left_out: int  # Rows beyond ROWS_MAX.
    destinations: tuple[PortRow, ...]
    owners: tuple[ConnectionHolder, ...]


def ports_report(
    book: PortBook,
    accounts: Iterable[Account],
    name: Callable[[int], OwnerName],
    *,
    back_end: str,
    now_ns: int,
    rows_max: int | None,
) -> PortsReport:
    """Return the answer; `now_ns` is CLOCK_MONOTONIC, the programs' clock."""
    pages = book.pages[:rows_max]
    return PortsReport(
        back_end=back_end,
        used=book.counts.used,
        least_listed=book.counts.least,
        unlisted=book.counts.unlisted,
        left_out=len(book.pages) - len(pages),
        destinations=tuple(_row(page, name, now_ns=now_ns) for page in pages),
        owners=tuple(map(_owner, list(accounts)[:rows_max])),
    )


def _row(page: RemotePorts, name: Callable[[int], OwnerName], *, now_ns: int) -> PortRow:
    remote, failures = page.remote, page.failures
    return PortRow(
        source_address=address_text(remote.address),
        destination=str(remote),
        remote_address=address_text(remote.remote),
        remote_port=remote.port,
        protocol=remote.protocol_name,
        used=page.used,
        ports=page.ports,
        fill_percent=round(page.fill * 100, 1),
        failed=page.failed,
        last_failed_seconds_ago=(
            None if failures is None else max(0, now_ns - failures.last_ns) // 1_000_000_000
        ),
        growth_per_second=_rounded(page.growth_per_s),
        seconds_to_exhaustion=_rounded(page.seconds_to_exhaustion),
        holders=tuple(
            PortHolder(namespace=owner.namespace, name=owner.name, ports=ports)
            for owner, ports in largest(page.holders, name, HOLDERS_MAX)
        ),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _owner(account: Account) -> ConnectionHolder:
    return ConnectionHolder(
        namespace=account.owner.namespace,
        name=account.owner.name,
        connections=account.connections,
        evicted=account.evicted,
        refused=account.refused,
    )
