"""What nobody told, and what that means: the remarks behind a way. Pure."""

from collections.abc import Iterator

from ciliate.cli.trace.event import Event
from ciliate.cli.trace.packets import Packet, clock_differences
from ciliate.cli.trace.way import Surroundings, Way

#: At these levels packets are told of where they come from, too.
_WHOLE = frozenset({"", "none"})
_IN_PLACE = frozenset({"lowest", "low"})


def remarks(way: Way, around: Surroundings) -> list[str]:
    """Return sentences."""
    return [
        *_answer(way, around),
        *_beginning(way),
        *_translation(way),
        *_clocks(way),
        *_silence(way, around),
        *_aggregation(way, around),
    ]


def _answer(way: Way, around: Surroundings) -> Iterator[str]:
    """Say where a packet was seen last that has no answer, or an error for one."""
    if way.is_refused or way.drops:
        return
    if not way.requests:
        if not way.replies:
            yield f"no packet followed the call: nobody tells of one to {_backend(way)}"
        return
    last = way.requests[0].hops[-1]
    errors = [hop for packet in way.replies for hop in packet.hops if hop.is_icmp_error]
    if errors and not way.is_answered:
        first, vacant = errors[0], _vacant(way, last)
        yield (
            f"the answer is an error, which {first.source.address} sent: {first.packet}"
            + (f"; {vacant}" if vacant else "")
        )
    elif not way.is_answered:
        yield (
            f"no reply was seen: the last that is told is {last.point} on {last.node};"
            f" {_after(way, last, around)}"
        )


def _backend(way: Way) -> str:
    end = way.backend or way.destination
    return f"{end.address}:{end.port}" if end.port else end.address


def _after(way: Way, last: Event, around: Surroundings) -> str:
    address = last.destination.address
    node = way.sought.nodes.get(address, "")
    if last.point == "to-endpoint":
        return f"{last.destination.pod or address} got it and did not answer, or did so elsewhere"
    if last.point == "to-stack":
        return f"the stack of {last.node} has it: its routes and its firewall decide"
    if not node:
        return f"{address} is no pod's, and what happens on the way there nobody tells"
    if node in around.silent:
        return f"{node}, where {address} is, does not tell of its flows"
    return _vacant(way, last) or (
        f"{node}, where {address} is, did not see it: it was lost between the two"
    )


def _vacant(way: Way, last: Event) -> str:
    """Say that nobody has an address of a node's range; empty: somebody has, or it is of none."""
    address = last.destination.address
    node = way.sought.nodes.get(address, "")
    is_vacant = node and last.destination.identity == "world"
    return f"no pod has {address}, which is of the range of {node}" if is_vacant else ""


def _beginning(way: Way) -> Iterator[str]:
    if way.protocol != "tcp" or not way.requests or way.drops:
        return
    if not any(hop.is_opening for packet in way.requests for hop in packet.hops):
        yield "the connection was under way before: its opening was not seen"


def _translation(way: Way) -> Iterator[str]:
    if way.backend is not None and not any(packet.is_call for packet in way.packets):
        yield (
            f"the datapath put {_backend(way)} in the place of the Service in each packet: no socket"
            " was translated"
        )


def _clocks(way: Way) -> Iterator[str]:
    packets: list[Packet] = [each for each in way.packets if not each.is_call]
    for (behind, other), difference_ns in clock_differences(packets).items():
        yield (
            f"the clock of {behind} is behind that of {other}, by {difference_ns / 1e6:.3f} ms or"
            " more: hops stand in the order of the way, with the times that their nodes told"
        )


def _silence(way: Way, around: Surroundings) -> Iterator[str]:
    for node, problem in around.silent.items():
        yield f"{node} tells nothing: {problem}"
    for node, count in around.lost.items():
        yield f"{node} lost {count} events meanwhile: hops may be missing"
    if way.sought.node in around.silent:
        yield f"{way.sought.node} is the node of {way.sought.pod}: half of the way is not seen"


def _aggregation(way: Way, around: Surroundings) -> Iterator[str]:
    """Say what is not told, where somebody might miss it."""
    level = around.aggregation
    if level in _WHOLE or way.replies or way.drops or way.is_refused:
        return
    more = "" if level in _IN_PLACE else ", nor packets that are no news of their flow"
    yield (
        f"monitor-aggregation is {level}: where packets come from (from-endpoint, from-network) is not"
        f" told{more}"
    )
