"""What the API says of a set's endpoints, beside what the maps hold: the maps decide. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from ciliate.datapath.layout import Backend
from ciliate.net.address import address_text, socket_text
from ciliate.services.explain.answer import EndpointVerdict
from ciliate.services.model import EndpointState
from ciliate.services.report import SetVerdicts
from ciliate.services.verdicts import Judged, Verdict

_STATES = {
    EndpointState.READY: "ready",
    EndpointState.TERMINATING: "terminating",
    EndpointState.NOT_READY: "not ready",
}


class LiveSet(NamedTuple):
    """What the maps hold of a set, and what they say of this client.

    `held` is the backend that sessionAffinity keeps it at, for `held_s` more; `barred` why no
    frontend lets it in.
    """

    slots: tuple[Backend | None, ...] = ()
    held: int = 0
    held_s: float = 0.0
    barred: str = ""

    @property
    def places(self) -> dict[tuple[bytes, int], tuple[int, Backend]]:
        """Return slot and backend by address and port."""
        return {
            (each.address, each.port): (slot, each)
            for slot, each in enumerate(self.slots, 1)
            if each is not None
        }

    @property
    def holder(self) -> str:
        """What is said of the backend that the client has; empty: it may have any."""
        at = next((each for each in self.slots if each and each.id == self.held), None)
        if at is None:
            return ""
        return f"affinity holds {_at(at.address, at.port)} for {self.held_s:.0f} s more"


def endpoint_verdicts(of: SetVerdicts, live: LiveSet) -> Iterator[EndpointVerdict]:
    """Yield every endpoint with its verdict; at last those that the map alone has."""
    places = live.places
    told = set()
    for judged in of.endpoints:
        place = (judged.address, judged.port)
        told.add(place)
        slot, backend = places.get(place, (0, None))
        yield _verdict(of, live, judged, slot, backend)
    for place, (slot, backend) in places.items():
        if place not in told:
            why = _kept_from(live, backend)
            yield EndpointVerdict(
                endpoint=_at(*place),
                chosen=not why,
                because=why,
                difference="no EndpointSlice names it: it is in the map still",
                slot=slot,
            )


def _verdict(
    of: SetVerdicts, live: LiveSet, judged: Judged, slot: int, backend: Backend | None
) -> EndpointVerdict:
    is_wanted = judged.verdict is Verdict.CHOSEN
    difference = ""
    if backend is None:
        why = judged.verdict.value
        if is_wanted:
            difference = "the API says that it would be"
            why = "the map has no room for it" if of.missing else "not in the map yet"
        why = live.barred or why
    else:
        why = _kept_from(live, backend)
        if not is_wanted:
            difference = f"in the map still, but by the API {judged.verdict.value}"
    place = judged.place
    is_chosen = backend is not None and not why
    holds = live.holder if is_chosen else ""
    return EndpointVerdict(
        endpoint=_at(judged.address, judged.port) if judged.address else judged.text,
        chosen=is_chosen,
        because=why or holds,
        difference=difference,
        node=place.node if place is not None else "",
        zone=place.zone if place is not None else "",
        state=_STATES[place.state] if place is not None else "",
        slot=slot,
    )


def _kept_from(live: LiveSet, backend: Backend) -> str:
    """Return why a client does not get a backend that is in the map; empty: it may."""
    if live.barred:
        return live.barred
    return live.holder if live.holder and backend.id != live.held else ""


def _at(address: bytes, port: int) -> str:
    text = address_text(address)
    return socket_text(text, port) if port else text
