"""Who is named by a metric's labels: `source`, `destination`, and those of `labelsContext`. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ciliate.config.hubble_metrics_settings import HubbleMetric
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.metrics.groups import FAMILY
from ciliate.flows.server.metrics.series import Holder
from ciliate.flows.server.view import EndView, FlowView

_DIRECTIONS: Final[Mapping[int, str]] = {flow_pb2.INGRESS: "ingress", flow_pb2.EGRESS: "egress"}
_DIRECTION_COLUMNS: Final = frozenset(
    {"kind", "about", "reason", "source_endpoint", "destination_endpoint", "seen"}
)
#: What names an end, as pod; the address of a process that calls is of its peer's family.
_END_COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    side: frozenset({"kind", "about", "flags", "cgroup", side, f"{side}_identity"})
    for side in ("source", "destination")
}
_PEER_COLUMNS: Final = {"source": FAMILY, "destination": "source"}
_RESERVED: Final = "reserved:"
_KUBE_APISERVER: Final = "reserved:kube-apiserver"
#: Labels that say which application a pod is of; the first that it has counts.
_APP_LABELS: Final = ("k8s:app.kubernetes.io/name=", "k8s:k8s-app=", "k8s:app=")


def _pod(end: EndView) -> str:
    return f"{end.namespace}/{end.pod}" if end.namespace else end.pod


def _workload(end: EndView) -> str:
    name = _workload_name(end)
    return f"{end.namespace}/{name}" if name and end.namespace else name


def _workload_name(end: EndView) -> str:
    return end.workloads[0][1] if end.workloads else ""


def _workload_kind(end: EndView) -> str:
    return end.workloads[0][0] if end.workloads else ""


def _reserved_identity(end: EndView) -> str:
    if _KUBE_APISERVER in end.labels:
        return _KUBE_APISERVER
    return next((each for each in end.labels if each.startswith(_RESERVED)), "")


def _app(end: EndView) -> str:
    for beginning in _APP_LABELS:
        for label in end.labels:
            if label.startswith(beginning) and label != beginning:
                return label[len(beginning) :]
    return ""


#: What an end is called, by the words of settings.
_NAMES: Final[Mapping[str, Callable[[EndView], str]]] = {
    "identity": lambda end: ",".join(end.labels),
    "namespace": lambda end: end.namespace,
    "pod": _pod,
    "pod-name": lambda end: end.pod,
    "dns": lambda end: ",".join(end.names),
    "ip": lambda end: end.ip,
    "reserved-identity": _reserved_identity,
    "workload": _workload,
    "workload-name": _workload_name,
    "app": _app,
}
_LABELS: Final[Mapping[str, Callable[[EndView], str]]] = {
    "ip": _NAMES["ip"],
    "pod": _NAMES["pod-name"],
    "namespace": _NAMES["namespace"],
    "workload": _workload_name,
    "workload_kind": _workload_kind,
    "app": _app,
}
#: Names that a pod has for itself, or its address has.
_OF_POD: Final = frozenset({"pod", "pod-name"})

_Value = Callable[[FlowView], str]


class Part:
    """Labels that depend on the same columns."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.columns: frozenset[str] = frozenset()
        #: Whether values depend on who had an address when.
        self.is_of_names = False
        self._values: list[_Value] = []

    def values(self, flow: FlowView) -> tuple[str, ...]:
        """Return the values, in the order of `names`."""
        return tuple([value(flow) for value in self._values])

    def add(
        self, name: str, columns: frozenset[str], value: _Value, *, is_of_names: bool = True
    ) -> None:
        """Add a label."""
        self.names = (*self.names, name)
        self.columns |= columns
        self.is_of_names = self.is_of_names or is_of_names
        self._values.append(value)


class ContextLabels:
    """The labels that a metric's options add to its own, in `parts` whose order is theirs."""

    def __init__(self, metric: HubbleMetric) -> None:
        #: Equal for metrics whose labels are.
        self.options: Final = (metric.labels, tuple(sorted(metric.contexts.items())))
        ends = {"source": Part(), "destination": Part()}
        direction = Part()
        self._with_pod: set[str] = set()  # Ends whose pod stands in a label.
        self._with_ip: set[str] = set()
        for label in metric.labels:
            side, _, what = label.partition("_")
            if side in ends:
                ends[side].add(label, self._columns(side, what), _end_value(side, _LABELS[what]))
            else:
                direction.add(label, _DIRECTION_COLUMNS, _direction, is_of_names=False)
        contexts = {"source": Part(), "destination": Part()}
        for side, part in contexts.items():
            self._add_context(part, side, metric)
        parts = (*ends.values(), direction, *contexts.values())
        self.parts: Final = tuple(part for part in parts if part.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all labels."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def is_of_names(self) -> bool:
        """Whether values depend on who had an address when."""
        return any(part.is_of_names for part in self.parts)

    def holders(self, flow: FlowView) -> Iterator[Holder]:
        """Yield the pods, and the addresses of pods, that stand in the labels."""
        for side, end in (("source", flow.source), ("destination", flow.destination)):
            if not end.pod:
                continue
            if side in self._with_pod:
                yield end.namespace, end.pod
            if side in self._with_ip and end.ip_octets:
                yield end.ip_octets

    def _add_context(self, part: Part, side: str, metric: HubbleMetric) -> None:
        always, egress, ingress = (
            metric.contexts.get(f"{side}{direction}Context", ())
            for direction in ("", "Egress", "Ingress")
        )
        if not (always or egress or ingress):
            return
        columns = frozenset[str]().union(
            *(self._columns(side, what) for what in {*always, *egress, *ingress})
        )
        if not (egress or ingress):
            part.add(side, columns, _end_value(side, _first_of(always)))
            return
        otherwise = _end_value(side, _first_of(always))
        by_direction: dict[int, _Value] = {
            flow_pb2.EGRESS: _end_value(side, _first_of(egress or always)),
            flow_pb2.INGRESS: _end_value(side, _first_of(ingress or always)),
        }
        part.add(
            side,
            columns | _DIRECTION_COLUMNS,
            lambda flow: by_direction.get(flow.traffic_direction, otherwise)(flow),
        )

    def _columns(self, side: str, what: str) -> frozenset[str]:
        """Return what a name of an end depends on, and note whose name it is."""
        if what in _OF_POD:
            self._with_pod.add(side)
        elif what == "ip":
            self._with_ip.add(side)
            return _END_COLUMNS[side] | {_PEER_COLUMNS[side]}
        return _END_COLUMNS[side]


def _direction(flow: FlowView) -> str:
    return _DIRECTIONS.get(flow.traffic_direction, "unknown")


def _end_value(side: str, name: Callable[[EndView], str]) -> _Value:
    if side == "source":
        return lambda flow: name(flow.source)
    return lambda flow: name(flow.destination)


def _first_of(contexts: Sequence[str]) -> Callable[[EndView], str]:
    names = [_NAMES[what] for what in contexts]
    return lambda end: next(filter(None, (name(end) for name in names)), "")
