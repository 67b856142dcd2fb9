"""Findings about addresses, and what was repaired: what `ciliate ipam` and the agents exchange.

| request | answer |
|---|---|
| POST /v1/ipam/check, CheckRequest | CheckReport |
| POST /v1/ipam/repair, RepairRequest | RepairReport |
| GET /v1/ipam/repairs | list of RepairRecord, oldest first |

Ours; Cilium's API has no such answers.
"""

from datetime import datetime
from enum import StrEnum

from ciliate.api.agent import AgentModel
from ciliate.api.agent_ipam import HeldCIDRModel


class Severity(StrEnum):
    """How bad a finding is: traffic is, or may soon be, wrong; something is left over; a note."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"  # No action is needed: no reason to fail.

    @property
    def rank(self) -> int:
        """Where it comes in a list: errors first."""
        return tuple(Severity).index(self)


class Evidence(AgentModel, frozen=True, kw_only=True):
    """What one source of a snapshot says: allocator, kernel, API, endpoint records."""

    source: str
    says: str


class Finding(AgentModel, frozen=True, kw_only=True, omit_defaults=False):
    """Sources that disagree about one object.

    `since` is when it was first seen: by the agent, which checks all the time, or by the command.
    """

    kind: str
    severity: Severity
    node: str = ""  # Empty: of no node in particular.
    object: str
    evidence: tuple[Evidence, ...]
    remedy: str
    since: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str, tuple[Evidence, ...]]:
        """What makes it the same finding when it is seen again."""
        return self.kind, self.node, self.object, self.evidence


class CheckRequest(AgentModel, frozen=True, kw_only=True):
    """How long sources may differ, because a pod is being added or removed. In seconds."""

    grace_s: float = 5.0


class CheckReport(AgentModel, frozen=True, kw_only=True, omit_defaults=False):
    """One node; `young` counts what differs for less than the grace time."""

    node: str
    now: datetime
    findings: tuple[Finding, ...] = ()
    young: int = 0
    addresses: int = 0  # So many were compared.
    endpoints: int = 0
    waiting: str = ""  # For what the node waits to give addresses, as GET /v1/ipam says.
    cidrs: tuple[HeldCIDRModel, ...] = ()
    api_problem: str = ""  # Why nothing could be compared with the API, if so.


class RepairRequest(AgentModel, frozen=True, kw_only=True):
    """Free what is leaked for `grace_s` seconds; or, with `undo`, take it again."""

    grace_s: float = 60.0
    dry_run: bool = False
    undo: str = ""


class RepairRecord(AgentModel, frozen=True, kw_only=True, omit_defaults=False):
    """An address that was freed, as its file keeps it: enough to take it again."""

    id: str  # Of the repair: all addresses freed at once have the same.
    time: datetime
    address: str
    owner: str
    pool: str
    cidr: str
    since: datetime
    evidence: tuple[Evidence, ...] = ()
    undone: datetime | None = None


class Kept(AgentModel, frozen=True, kw_only=True):
    """An address that was left alone, and why."""

    address: str
    owner: str
    reason: str


class RepairReport(AgentModel, frozen=True, kw_only=True, omit_defaults=False):
    """What was done on one node; after a dry run, what would be."""

    node: str
    id: str = ""  # Empty: nothing was done.
    dry_run: bool = False
    freed: tuple[RepairRecord, ...] = ()
    taken: tuple[RepairRecord, ...] = ()
    kept: tuple[Kept, ...] = ()
