"""From what the programs decided to what people are told. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ciliate.datapath.layout import (
    DROP_TEXT,
    ConnectionFlag,
    Decision,
    DecisionStep,
    DropReason,
)
from ciliate.masquerade.explain.answer import Explanation, RuleVerdict
from ciliate.masquerade.explain.question import Target
from ciliate.masquerade.explain.reasons import match_reason, mismatch
from ciliate.masquerade.rules import Action, FirstPacket, Origin, Rule
from ciliate.net.address import IPAddress, from_octets, to_octets
from ciliate.net.link import Link

_INET: Final = 2

#: What decided, and why, where no rule of the list did.
_STEPS: Final = {
    DecisionStep.DECISION_NONE: ("the packet itself", "pods may not send such packets"),
    DecisionStep.DECISION_POD: ("the destination", "it is a pod of this node"),
    DecisionStep.DECISION_NODE: ("the destination", "it is this node"),
    DecisionStep.DECISION_STACK: (
        "the host's stack",
        "no device of the programs leads there: see `ip route get`",
    ),
    DecisionStep.DECISION_OFF: (
        "settings",
        (
            "the family is not masqueraded, or the node has no address of it: see"
            " enable-ipv4-masquerade, enable-ipv6-masquerade"
        ),
    ),
    DecisionStep.DECISION_ECHO_REPLY: (
        "the kind of packet",
        "an echo reply that answers nothing known keeps its source",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a packet was decided about.

    `rules` is the list of `generation`; `held` are the node's addresses (None: every one);
    `selected` the places of rules that select the pod; `link` the device it leaves by.
    """

    pod: str
    node: str
    address: IPAddress
    target: Target
    by_stack: bool
    rules: Sequence[Rule]
    generation: int
    held: Collection[IPAddress] | None
    selected: Collection[int]
    link: Link | None = None
    encapsulates: bool = False  # Pods of other nodes are reached by a tunnel.

    @property
    def version(self) -> int:
        """The IP version."""
        return self.target.address.version

    def packet(self, *, in_cluster: bool) -> FirstPacket:
        """Return the packet as rules are asked about it."""
        target = self.target
        return FirstPacket(target.address, target.number, target.port, self.selected, in_cluster)


def told(facts: Facts, decision: Decision) -> Explanation:
    """Return the answer of the programs."""
    step = DecisionStep(decision.step)
    place = _place(facts, decision, step)
    if place is not None:
        packet = facts.packet(in_cluster=step is DecisionStep.DECISION_CLUSTER)
        return _answer(facts, decision, _by_rule(facts, place, packet))
    if step is DecisionStep.DECISION_CONNECTION:
        because = _remembered(facts, decision)
        return _answer(facts, decision, {"decided_by": "its connection", "because": because})
    return _answer(facts, decision, _by_step(step))


def told_by_list(
    facts: Facts,
    place: int,
    packet: FirstPacket,
    source: IPAddress | None,
    *,
    is_dropped: bool = False,
) -> Explanation:
    """Return the answer where the rule at `place` decides and the stack does what it says.

    `source` is the address that it gives; None: the pod's own stays. `is_dropped`: the protocol is
    not masqueraded.
    """
    seen = bytes(16) if source is None else to_octets(source)
    reason = DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL if is_dropped else 0
    decision = Decision.unpack(bytes(Decision.SIZE))._replace(seen=seen, reason=reason)
    return _answer(facts, decision, _by_rule(facts, place, packet))


def _answer(facts: Facts, decision: Decision, fields: dict[str, Any]) -> Explanation:
    source = from_octets(decision.seen) if any(decision.seen) else facts.address
    whole = Explanation(
        pod=facts.pod,
        node=facts.node,
        address=str(facts.address),
        destination=str(facts.target),
        back_end="iptables" if facts.by_stack else "BPF",
        verdict="forwarded",
        decided_by="",
        because="",
        source=str(source),
        source_is=_whose(facts, source),
        source_port=decision.seen_port or None,
        device=None if facts.link is None else facts.link.name,
        next_hop=_next_hop(decision, facts.target),
    )
    if decision.reason:
        if decision.reason == DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL:
            fields["because"] += (
                f"; and {facts.target.protocol.upper()} is not masqueraded: see enable-sctp"
            )
        reason = DROP_TEXT.get(decision.reason, str(decision.reason))
        fields |= {"verdict": f"dropped, {reason}", "source": None, "source_is": None}
    return msgspec.structs.replace(whole, **fields)


def _by_step(step: DecisionStep) -> dict[str, Any]:
    decided_by, because = _STEPS[step]
    fields = {"decided_by": decided_by, "because": because}
    if step is DecisionStep.DECISION_STACK:
        fields["verdict"] = "left to the host's stack"
    return fields


def _place(facts: Facts, decision: Decision, step: DecisionStep) -> int | None:
    """Return the place in the list of the rule that decided; None: another step did."""
    origins = {
        DecisionStep.DECISION_NATIVE: Origin.NATIVE_CIDR,
        DecisionStep.DECISION_CLUSTER: Origin.CLUSTER,
    }
    if step is DecisionStep.DECISION_RULE:
        last = len(facts.rules) - 1
        return min(decision.rule, last) if decision.action else last
    origin = origins.get(step)
    return next((at for at, each in enumerate(facts.rules) if each.origin is origin), None)


def _by_rule(facts: Facts, place: int, packet: FirstPacket) -> dict[str, Any]:
    rule = facts.rules[place]
    because = match_reason(rule, packet)
    if rule.action is Action.ADDRESS and rule.address(facts.version, facts.held) is None:
        because += "; the node has none of its addresses, so the device's counts"
    return {
        "decided_by": f"rule {place}, {rule.name}",
        "because": because,
        "rules": tuple(_verdicts(facts, place, packet)),
    }


def _verdicts(facts: Facts, place: int, packet: FirstPacket) -> Iterator[RuleVerdict]:
    for number, rule in enumerate(facts.rules):
        result, because = "not asked", ""
        if number < place and (why := mismatch(number, rule, packet)):
            result, because = "no match", why
        elif number < place and facts.encapsulates and rule.origin is Origin.NATIVE_CIDR:
            because = "the packet goes in the tunnel"
        elif number < place:
            result, because = "no match", "the list has changed"
        elif number == place:
            result, because = "decides", match_reason(rule, packet)
        yield RuleVerdict(number=number, name=rule.name, result=result, because=because)


def _remembered(facts: Facts, decision: Decision) -> str:
    """Return why a connection that is known has its source."""
    if decision.connection_flags & ConnectionFlag.CONNECTION_INBOUND:
        return "it answers a connection that was opened from outside"
    if decision.generation != facts.generation or decision.rule >= len(facts.rules):
        return f"it keeps what rule {decision.rule} of an earlier list said when it was opened"
    name = facts.rules[decision.rule].name
    return f"it keeps what rule {decision.rule}, {name}, said when it was opened"


def _whose(facts: Facts, source: IPAddress) -> str:
    if source == facts.address:
        return "the pod's own"
    if facts.link is not None and any(held.address == source for held in facts.link.addresses):
        return f"of {facts.link.name}"
    return "of the node"


def _next_hop(decision: Decision, target: Target) -> str | None:
    """Return the gateway; None where the destination is on the link, or nothing is known."""
    if not decision.next_hop_family:
        return None
    octets = decision.next_hop
    if decision.next_hop_family == _INET:
        octets = bytes(10) + b"\xff\xff" + octets[:4]
    hop = from_octets(octets)
    return None if hop == target.address else str(hop)
