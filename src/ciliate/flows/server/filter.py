"""The filters of a request as one function that says which flows are wanted. Pure.

A request has two lists of FlowFilters. A flow is wanted when one of the whitelist matches it, or that
list is empty, and none of the blacklist does. A filter matches when each field that it sets does; a
field, when one of its values does. A filter that sets nothing matches every flow.

Fields are looked at in the order of _FIELDS: numbers before texts before what is searched. A request
is refused rather than read in part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server import conditions, http_conditions
from ciliate.flows.server.conditions import Condition
from ciliate.flows.server.errors import FilterBoundError, FlowFilterError, HttpEventTypeError
from ciliate.flows.server.view import FlowView

#: Of a request: filters of both lists; values of all their fields, each of which may be looked at
#: for each flow; regular expressions and globs, which take up to 20 KiB each.
FILTERS_MAX: Final = 1_000
VALUES_MAX: Final = 10_000
PATTERNS_MAX: Final = 100
#: Characters of one value.
TEXT_CHARACTERS_MAX: Final = 512

#: The events that have HTTP.
_L7_EVENT: Final = 129
_EXPERIMENTAL: Final = "experimental"
_REGULAR_EXPRESSIONS: Final = frozenset({"dns_query", "http_path", "http_url"})
_GLOBS: Final = frozenset({"source_fqdn", "destination_fqdn", "node_name"})

_Compile = Callable[[str, Any], Condition]

#: Field of a filter -> what it asks, and of which attribute of a flow; the cheapest comes first.
_FIELDS: Final[dict[str, tuple[_Compile, str]]] = {
    "verdict": (conditions.equals, "verdict"),
    "event_type": (conditions.event_type, "event_type"),
    "drop_reason_desc": (conditions.drop_reason, "drop_reason"),
    "traffic_direction": (conditions.equals, "traffic_direction"),
    "reply": (conditions.reply, "is_reply"),
    "ip_version": (conditions.ip_version, "ip_version"),
    "protocol": (conditions.protocol, "protocol"),
    "source_port": (conditions.port, "source.port"),
    "destination_port": (conditions.port, "destination.port"),
    "tcp_flags": (conditions.tcp_flags, "tcp_flags"),
    "encrypted": (conditions.equals, "encrypted"),
    "ip_trace_id": (conditions.equals, "ip_trace_id"),
    "source_identity": (conditions.equals, "source.identity"),
    "destination_identity": (conditions.equals, "destination.identity"),
    "interface": (conditions.interface, "interface"),
    "source_pod": (conditions.pod, "source"),
    "destination_pod": (conditions.pod, "destination"),
    "source_ip": (conditions.address, "source.ip"),
    "destination_ip": (conditions.address, "destination.ip"),
    "source_ip_xlated": (conditions.address, "source_xlated"),
    "source_cluster_name": (conditions.named, "source.cluster"),
    "destination_cluster_name": (conditions.named, "destination.cluster"),
    "source_workload": (conditions.workload, "source.workloads"),
    "destination_workload": (conditions.workload, "destination.workloads"),
    "source_service": (conditions.service, "source.service"),
    "destination_service": (conditions.service, "destination.service"),
    "uuid": (conditions.equals, "uuid"),
    "trace_id": (conditions.equals, "trace_id"),
    "source_label": (conditions.labels, "source.labels"),
    "destination_label": (conditions.labels, "destination.labels"),
    "node_labels": (conditions.labels, "node_labels"),
    "node_name": (conditions.node_name, "node_name"),
    "source_fqdn": (conditions.fqdn, "source.names"),
    "destination_fqdn": (conditions.fqdn, "destination.names"),
    "http_status_code": (http_conditions.status_code, "http"),
    "http_method": (http_conditions.method, "http"),
    "http_header": (http_conditions.header, "http"),
    "http_url": (http_conditions.url, "http"),
    "http_path": (http_conditions.url_path, "http"),
    "dns_query": (conditions.dns_query, "dns_query"),
}


def compile_filters(
    whitelist: Sequence[flow_pb2.FlowFilter], blacklist: Sequence[flow_pb2.FlowFilter]
) -> Callable[[FlowView], bool]:
    """Return whether a flow is wanted.

    Raises:
        FlowFilterError: A field has a value that cannot be used.
        HttpEventTypeError: A filter asks for HTTP of events that have none.
        FilterBoundError: The filters are too many or too long.
    """
    _check_bounds(whitelist, blacklist)
    wanted = _any_of([_compile(each) for each in whitelist]) if whitelist else _always
    if not blacklist:
        return wanted
    refused = _any_of([_compile(each) for each in blacklist])
    if wanted is _always:
        return lambda flow: not refused(flow)
    return lambda flow: wanted(flow) and not refused(flow)


def _check_bounds(
    whitelist: Sequence[flow_pb2.FlowFilter], blacklist: Sequence[flow_pb2.FlowFilter]
) -> None:
    """Refuse what is too much before any of it is compiled."""
    filters = len(whitelist) + len(blacklist)
    if filters > FILTERS_MAX:
        raise FilterBoundError("filters", found=filters, bound=FILTERS_MAX)
    fields = [
        (field.name, values)
        for each in (*whitelist, *blacklist)
        for field, values in each.ListFields()
        if field.name != _EXPERIMENTAL
    ]
    values = sum(len(each) for _, each in fields)
    if values > VALUES_MAX:
        raise FilterBoundError("values in filters", found=values, bound=VALUES_MAX)
    _check_values([(field, each) for field, values_of in fields for each in values_of])


def _check_values(values: Iterable[tuple[str, Any]]) -> None:
    patterns = 0
    for field, each in values:
        patterns += _is_pattern(field, each)
        for text in _texts(each):
            if len(text) > TEXT_CHARACTERS_MAX:
                raise FilterBoundError(
                    f"characters in a value of {field}",
                    found=len(text),
                    bound=TEXT_CHARACTERS_MAX,
                )
    if patterns > PATTERNS_MAX:
        raise FilterBoundError("patterns in filters", found=patterns, bound=PATTERNS_MAX)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value: itself, or fields of a message."""
    if isinstance(value, str):
        yield value
    elif not isinstance(value, int):
        yield from (text for _, text in value.ListFields() if isinstance(text, str))


def _is_pattern(field: str, value: Any) -> bool:
    return field in _REGULAR_EXPRESSIONS or (field in _GLOBS and "*" in value)


def _compile(asked: flow_pb2.FlowFilter) -> Condition:
    """Return whether one filter matches a flow."""
    fields = {field.name: values for field, values in asked.ListFields()}
    if asked.experimental.cel_expression:
        raise FlowFilterError(
            f"{_EXPERIMENTAL}.cel_expression",
            "not supported: CEL expressions: ask by the other fields of a filter",
        )
    types = {each.type for each in asked.event_type}
    for field in fields:
        if field.startswith("http_") and types and _L7_EVENT not in types:
            raise HttpEventTypeError(field)
    return _all_of(
        [_condition(name, fields[name]) for name in _FIELDS if name in fields],
    )


def _condition(field: str, values: Any) -> Condition:
    compile_, path = _FIELDS[field]
    try:
        return compile_(path, values)
    except ValueError as error:
        raise FlowFilterError(field, str(error)) from error


def _all_of(asked: list[Condition]) -> Condition:
    match asked:
        case []:
            return _always
        case [one]:
            return one
        case [one, other]:
            return lambda flow: one(flow) and other(flow)

    def holds(flow: FlowView) -> bool:
        for each in asked:  # noqa: SIM110 - faster than a generator, and run for every flow.
            if not each(flow):
                return False
        return True

    return holds


def _any_of(asked: list[Condition]) -> Condition:
    if _always in asked:
        return _always
    match asked:
        case [one]:
            return one
        case [one, other]:
            return lambda flow: one(flow) or other(flow)

    def holds(flow: FlowView) -> bool:
        for each in asked:  # noqa: SIM110 - as above.
            if each(flow):
                return True
        return False

    return holds


def _always(_: FlowView) -> bool:
    return True
