"""A metric with its labels and its series, and metrics that look at records together. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from ciliate.flows.server.metrics.answers import Answers
from ciliate.flows.server.metrics.context_labels import ContextLabels
from ciliate.flows.server.metrics.counters import Counter
from ciliate.flows.server.metrics.groups import Columns, Groups, Key, Only
from ciliate.flows.server.metrics.series import Holder, Labels, SeriesTable
from ciliate.flows.server.record_view import RecordView, Surroundings
from ciliate.metrics.family import Family, FamilyKind

#: Whether a record is a flow depends on these, for whatever metric.
_FLOW_COLUMNS: Final = frozenset({"kind", "about", "cgroup"})

#: Values of labels by what they depend on; and those of metrics by their options.
Known = dict[Key, Labels]
Shared = dict[object, list[Known]]


class Counted:
    """One metric; `look_at` comes first."""

    def __init__(self, counter: Counter, context: ContextLabels, series_max: int) -> None:
        self.counter = counter
        self.context = context
        self.series = SeriesTable(series_max)
        self.columns = counter.columns.union(*(part.columns for part in context.parts))

    def look_at(self, whole: Columns, shared: Shared) -> None:
        """Expect groups that have these columns; metrics of equal options have labels together."""
        counter, self._whole = self.counter, whole
        self._may_count = Answers(
            counter.may_count, Columns(counter.deciding), whole, is_of_names=False
        )
        self._own = Answers(
            lambda view: tuple(counter.count(view)),
            Columns(counter.columns),
            whole,
            is_of_names=counter.is_of_names,
        )
        options = self.context.options
        known: list[Known] = shared.setdefault(options, [{} for _part in self.context.parts])
        self._parts = [
            Answers(
                part.values,
                Columns(part.columns),
                whole,
                is_of_names=part.is_of_names,
                known=answers,
            )
            for part, answers in zip(self.context.parts, known, strict=True)
        ]

    def begin(self, *, names_changed: bool) -> None:
        """Begin a round."""
        self._may_count.begin(names_changed=names_changed)
        self._own.begin(names_changed=names_changed)
        for part in self._parts:
            part.begin(names_changed=names_changed)

    def add(self, key: Key, count: int, time_ns: int, around: Surroundings) -> tuple[Holder, ...]:
        """Count a group of flows; return the pods and addresses that a new series is of."""
        if not self._may_count.of(key, time_ns, around):
            return ()
        own = self._own.of(key, time_ns, around)
        if not own:
            return ()
        of_context: Labels = ()
        for part in self._parts:
            of_context += part.of(key, time_ns, around)
        holders: tuple[Holder, ...] = ()
        for each in own:
            labels = each + of_context
            if not self.series.add(labels, count):
                view = RecordView(self._whole.event(key, time_ns), 0, around)
                holders = tuple(self.context.holders(view))
                self.series.begin(labels, count, holders)
        return holders

    def family(self) -> Family:
        """Return what was counted."""
        counter = self.counter
        return Family(
            counter.name,
            counter.meaning,
            (*counter.labels, *self.context.names),
            list(self.series.items()),
            FamilyKind.COUNTER,
        )


class Onlookers:
    """Metrics that look at about the same columns: records are made groups for all of them."""

    def __init__(self, counted: Iterable[Counted], only: Only | None, shared: Shared) -> None:
        self._counted = tuple(counted)
        columns = Columns(_FLOW_COLUMNS.union(*(each.columns for each in self._counted)))
        for each in self._counted:
            each.look_at(columns, shared)
        self.groups = Groups(columns, only)
        self._are_flows = Answers(_is_flow, Columns(_FLOW_COLUMNS), columns, is_of_names=True)

    def begin(self, *, names_changed: bool) -> None:
        """Begin a round."""
        self._are_flows.begin(names_changed=True)  # Control groups are found without a word.
        for each in self._counted:
            each.begin(names_changed=names_changed)

    def settle(self, around: Surroundings) -> Iterator[Holder]:
        """Count what has come; yield the pods and addresses that new series are of."""
        for key, count, time_ns in self.groups.take_all():
            if self._are_flows.of(key, time_ns, around):
                for each in self._counted:
                    yield from each.add(key, count, time_ns, around)


def _is_flow(view: RecordView) -> bool:
    return view.is_flow


def onlookers(counted: Iterable[Counted]) -> tuple[Onlookers, ...]:
    """Return metrics by what makes groups many: ports, which few of them look at."""
    alike: dict[tuple[Only | None, bool], list[Counted]] = {}
    for each in counted:
        has_port = "destination_port" in each.columns
        alike.setdefault((each.counter.only, has_port), []).append(each)
    shared: Shared = {}
    return tuple(Onlookers(each, only, shared) for (only, _has_port), each in alike.items())
