"""What is measured of Services: events, how long until the maps follow, how full these are. Pure.

Names are Cilium's where it has one, and the older name of kube-proxy's latency with our prefix where
it has none. Times are the caller's: of the monotonic clock, but for the API's own stamps, which are
of the wall clock.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from ciliate.metrics.family import Family, FamilyKind
from ciliate.metrics.histogram import Histogram

ACTIONS: Final = ("add", "update", "delete")

#: Changes whose way to the maps is measured at once; further ones go unmeasured.
PENDING_MAX: Final = 4096


class Change(NamedTuple):
    """A change that the maps have not followed yet."""

    action: str
    seen_s: float  # Monotonic: when the watch told.
    triggered_s: float | None  # Wall clock: when what the slice tells of had happened.


class Filled(NamedTuple):
    """How many entries a map should hold, and has room for."""

    used: int
    size: int


class Ids(NamedTuple):
    """Ids of one kind: there are, in use, ever given."""

    capacity: int
    used: int
    given: int


class ServiceMetrics:
    """Counts events, and observes how long each took to the maps.

    A pass of the reconciler takes what was noted before it began; once it has written, that is
    done.
    """

    def __init__(self) -> None:
        self._events: Counter[str] = Counter()
        self._terminating = 0
        self._noted: list[Change] = []
        self._taken: list[Change] = []
        self._delays = {action: Histogram() for action in ACTIONS}
        self._latency = Histogram()

    def event(self, action: str) -> None:
        """Count an event of a Service or of its endpoints."""
        self._events[action] += 1

    def terminating(self, count: int) -> None:
        """Count endpoints that have begun to end."""
        self._terminating += count

    def note(self, change: Change) -> None:
        """Note a change that touches the maps."""
        if len(self._noted) + len(self._taken) < PENDING_MAX:
            self._noted.append(change)

    def taken(self) -> None:
        """A pass begins: it takes all that was noted so far."""
        self._taken += self._noted
        self._noted = []

    def written(self, now_s: float, wall_s: float) -> None:
        """Observe what the pass has brought to the maps."""
        for each in self._taken:
            self._delays[each.action].observe(max(now_s - each.seen_s, 0.0))
            if each.triggered_s is not None:
                self._latency.observe(max(wall_s - each.triggered_s, 0.0))
        self._taken = []

    def families(
        self, maps: Mapping[str, Filled], ids: Mapping[str, Ids], unserved: int
    ) -> Iterable[Family]:
        """Return the families as they are now."""
        return (*self._own_families(), *_room_families(maps, ids, unserved))

    def _own_families(self) -> Iterator[Family]:
        yield Family(
            "cilium_services_events_total",
            "Events of Services and of their endpoints, by what happened.",
            ("action",),
            [((action,), self._events[action]) for action in ACTIONS],
            FamilyKind.COUNTER,
        )
        yield Family(
            "cilium_k8s_terminating_endpoints_events_total",
            "Endpoints that began to end.",
            (),
            [((), self._terminating)],
            FamilyKind.COUNTER,
        )
        yield Family(
            "cilium_service_implementation_delay",
            "Seconds from an event to the maps.",
            ("action",),
            (),
            FamilyKind.HISTOGRAM,
            [((action,), self._delays[action].snapshot()) for action in ACTIONS],
        )
        yield Family(
            "ciliate_network_programming_duration_seconds",
            "Seconds from a change of a pod or Service, as its slice says, to the maps.",
            (),
            (),
            FamilyKind.HISTOGRAM,
            [((), self._latency.snapshot())],
        )


def _room_families(
    maps: Mapping[str, Filled], ids: Mapping[str, Ids], unserved: int
) -> Iterator[Family]:
    yield Family(
        "cilium_bpf_map_pressure",
        "Entries of a map as a share of those that it has room for.",
        ("map_name",),
        [((name,), each.used / each.size) for name, each in maps.items() if each.size],
    )
    yield Family(
        "cilium_loadbalancer_id_capacity",
        "Ids that there is room for.",
        ("type",),
        [((name,), each.capacity) for name, each in ids.items()],
    )
    yield Family(
        "cilium_loadbalancer_id_allocations",
        "Ids in use.",
        ("type",),
        [((name,), each.used) for name, each in ids.items()],
    )
    yield Family(
        "cilium_loadbalancer_id_allocation_attempts_total",
        "Ids that were given.",
        ("type",),
        [((name,), each.given) for name, each in ids.items()],
        FamilyKind.COUNTER,
    )
    yield Family(
        "ciliate_services_with_problems",
        "Services that are left out, fully or in part, or refused something: `dbg status` says why.",
        (),
        [((), unserved)],
    )
