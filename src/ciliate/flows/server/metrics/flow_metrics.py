"""The metrics of a node's flows: records go in, families come out."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ciliate.config.hubble_metrics_settings import HubbleMetric
from ciliate.datapath.layout import Event, EventKind
from ciliate.flows.feed import Line
from ciliate.flows.server.metrics.context_labels import ContextLabels
from ciliate.flows.server.metrics.counted import Counted, onlookers
from ciliate.flows.server.metrics.counters import counter_of
from ciliate.flows.server.metrics.departures import Departures
from ciliate.flows.server.metrics.empty_families import empty_families
from ciliate.flows.server.metrics.series import SERIES_MAX
from ciliate.flows.server.record_ring import kinds
from ciliate.flows.server.record_view import Surroundings
from ciliate.metrics.family import Family, FamilyKind

#: Groups of records that are looked at before a second is over. Clients wait meanwhile: some 50 ms, a
#: quarter of a second where each begins a series.
GROUPS_MAX: Final = 8192

#: For how long names hold that were found once, if the agent tells of no change: a packet that was
#: late may have been named for a pod that is gone.
_NAMES_S: Final = 10.0

#: By a clock that nobody sets.
Clock = Callable[[], float]


class FlowMetrics:
    """Counts what `metrics` name, of records that `around` says the names for."""

    def __init__(
        self,
        metrics: Sequence[HubbleMetric],
        around: Callable[[], Surroundings],
        *,
        overtaken: Callable[[], int] = lambda: 0,
        clock: Clock = time.monotonic,
        series_max: int = SERIES_MAX,
    ) -> None:
        """Ask `overtaken` how many flows clients missed, since they took them too slowly."""
        self._around = around
        self._overtaken = overtaken
        self._clock = clock
        self._lost = 0
        self._names_changed = False
        self._began_s = clock()  # When names were last forgotten.
        self._counted: list[Counted] = []
        self._empty: list[Family] = []
        for metric in metrics:
            context = ContextLabels(metric)
            counter = counter_of(metric)
            if counter is not None:
                self._counted.append(Counted(counter, context, series_max))
            for each in empty_families(metric):
                labels = (*each.labels, *context.names)
                self._empty.append(Family(each.name, each.meaning, labels, (), each.kind))
        self._onlookers = onlookers(self._counted)
        are_of_pods = any(each.context.is_of_names for each in self._counted)
        self._departures = Departures() if are_of_pods else None

    def take(self, records: bytes) -> None:
        """Count records, whose octets follow each other; their names are asked for later."""
        if EventKind.EVENT_LOST in kinds(records):
            events = Event.unpack_many(records)
            self._lost += sum(each.bytes for each in events if each.kind == EventKind.EVENT_LOST)
        for each in self._onlookers:
            each.groups.add(records)
        if any(len(each.groups) >= GROUPS_MAX for each in self._onlookers):
            self.settle()

    def take_line(self, line: Line) -> None:
        """Take in what the agent tells of pods."""
        self._names_changed = True
        if self._departures is not None:
            self._departures.take(line, self._clock())

    def settle(self) -> None:
        """Find names for what has come, and let go what is of pods that are gone."""
        around, departures, now_s = self._around(), self._departures, self._clock()
        is_old = now_s - self._began_s >= _NAMES_S
        for each in self._onlookers:
            each.begin(names_changed=self._names_changed or is_old)
        if self._names_changed or is_old:
            self._began_s, self._names_changed = now_s, False
        for each in self._onlookers:
            for holder in each.settle(around):
                if departures is not None:
                    departures.note(holder, now_s)
        if departures is not None:
            for holder in departures.due(now_s):
                for counted in self._counted:
                    counted.series.forget(holder)

    def families(self) -> Iterator[Family]:
        """Yield all metrics as they are now."""
        self.settle()
        for each in self._counted:
            yield each.family()
        yield from self._empty
        yield Family(
            "hubble_lost_events_total",
            "Flows that were lost: that found no room in the programs' ring"
            " (perf_event_ring_buffer), or that a client took too slowly (hubble_ring_buffer).",
            ("source",),
            [
                (("perf_event_ring_buffer",), self._lost),
                (("observer_events_queue",), 0),
                (("hubble_ring_buffer",), self._overtaken()),
            ],
            FamilyKind.COUNTER,
        )
        yield Family(
            "ciliate_flow_metric_series_refused_total",
            "Flows that a metric did not count: they would have made a further series, and it"
            " has as many as it may.",
            ("metric",),
            [((each.counter.name,), each.series.refused) for each in self._counted],
            FamilyKind.COUNTER,
        )
