"""What `explain masquerade` answers, as an object and as people read it. Pure."""

from collections.abc import Iterator

from ciliate.api.agent import AgentModel


class Question(AgentModel, frozen=True, kw_only=True):
    """POST masquerade/explain: which pod of this node, and ADDRESS[:PORT][/PROTOCOL].

    `source_port` asks about the flow of that port, or echo identifier, which may be known already.
    """

    namespace: str
    pod: str
    destination: str
    source_port: int = 0


class RuleVerdict(AgentModel, frozen=True, kw_only=True):
    """One rule of the list: `result` is "no match", "decides" or "not asked"."""

    number: int
    name: str
    result: str
    because: str = ""


class Explanation(AgentModel, frozen=True, kw_only=True):
    """What happens to a packet.

    `verdict` is "forwarded", "left to the host's stack", or "dropped" with the reason. `source` is
    the address it leaves with, and `source_is` whose that is; `decided_by` the step, or the rule.
    `next_hop` is absent where the destination is on the device's own link.
    """

    pod: str
    node: str
    address: str
    destination: str
    back_end: str
    verdict: str
    decided_by: str
    because: str
    source: str | None = None
    source_is: str | None = None
    source_port: int | None = None
    device: str | None = None
    next_hop: str | None = None
    generation: int | None = None
    rules: tuple[RuleVerdict, ...] = ()


def explanation_lines(found: Explanation) -> Iterator[str]:
    """Yield the text but for the table of rules."""
    yield f"{found.pod} ({found.address}) on {found.node} to {found.destination}: {found.verdict}"
    rows = [
        ("Source", _source(found)),
        ("Leaves by", _way(found)),
        ("Decided by", found.decided_by),
        ("Because", found.because),
    ]
    for name, text in rows:
        if text:
            yield f"  {name + ':':<12} {text}"


def _source(found: Explanation) -> str:
    if found.source is None:
        return ""
    port = f", port {found.source_port}" if found.source_port else ""
    return f"{found.source} ({found.source_is}{port})"


def _way(found: Explanation) -> str:
    if found.device is None:
        return ""
    return f"{found.device} via {found.next_hop}" if found.next_hop else found.device


def rule_verdict_lines(found: Explanation) -> Iterator[str]:
    """Yield the table of rules, with tabs between cells."""
    yield "NUMBER\tRULE\tRESULT\tBECAUSE"
    for each in found.rules:
        yield f"{each.number}\t{each.name}\t{each.result}\t{each.because}".rstrip("\t")
