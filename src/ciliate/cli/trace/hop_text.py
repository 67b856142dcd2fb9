"""One event in words: what happened to the packet there. Pure."""

from ciliate.cli.trace.event import ASKED, GIVEN, TOLD, End, Event
from ciliate.cli.trace.sought import Sought
from ciliate.flows.harmless import harmless


def place_text(end: End) -> str:
    """Return address and port."""
    if not end.port:
        return harmless(end.address)
    host = f"[{end.address}]" if ":" in end.address else end.address
    return harmless(f"{host}:{end.port}")


def name_text(end: End, sought: Sought) -> str:
    """Return what an end is called: a pod, a Service, the world; empty: nothing."""
    return harmless(end.pod or sought.name_of(end.address, end.port) or end.identity)


def end_text(end: End, sought: Sought) -> str:
    """Return an end with its name."""
    name = name_text(end, sought)
    return f"{place_text(end)} ({name})" if name else place_text(end)


def hop_text(event: Event, sought: Sought) -> str:
    """Return what happened."""
    if event.is_call:
        return _call_text(event, sought)
    text = _arrival_text(event, sought) or _departure_text(event)
    if text:
        return text
    end = " ends here" if event.drop is not None else ""
    return f"{place_text(event.source)} -> {place_text(event.destination)}{end}"


def _arrival_text(event: Event, sought: Sought) -> str:
    source, destination = event.source, place_text(event.destination)
    match event.point:
        case "from-endpoint" if source.pod:
            return f"leaves {harmless(source.pod)}"
        case "from-endpoint":
            return f"leaves its pod, as {end_text(source, sought)}"
        case "from-network":
            return f"comes in from {place_text(source)} for {destination}"
        case "from-overlay":
            return f"comes out of the tunnel from {place_text(source)} for {destination}"
        case "from-host":
            return f"is sent by the node's stack, for {destination}"
        case "to-endpoint":
            name = name_text(event.destination, sought) or destination
            return f"reaches {name}{_by_service(event, sought)}"
    return ""


def _departure_text(event: Event) -> str:
    destination = f"{place_text(event.destination)}{_masqueraded(event)}"
    match event.point:
        case "to-network":
            return f"leaves for {destination}"
        case "to-overlay":
            return f"leaves in the tunnel for {destination}"
        case "to-stack":
            return f"is left to the node's stack, for {destination}"
    return ""


def _call_text(event: Event, sought: Sought) -> str:
    if event.point == TOLD:
        return f"is told {end_text(event.source, sought)}"
    word = {ASKED: "asks for", GIVEN: "gets"}.get(event.point, "names")
    return f"{word} {end_text(event.destination, sought)}"


def _masqueraded(event: Event) -> str:
    if not event.seen:
        return ""
    return harmless(f", source {event.source.address} becomes {event.seen}")


def _by_service(event: Event, sought: Sought) -> str:
    """Return from where, where a reply comes by the name of a Service."""
    name = sought.name_of(event.source.address, event.source.port)
    return f" from {place_text(event.source)} ({harmless(name)})" if name else ""
