"""Flags of `hubble observe`, made into the filters that a server is asked with.

A flag without a direction (`--pod`) asks for flows from it or to it. So there are two filters, the
*halves*: in the left one such flags stand for the source, in the right one for the destination, and a
flow has to pass one of them. A flag with a direction (`--to-pod`) stands in both. Equal halves are one
filter. What follows `--not` makes a list of its own in the same way, and a flow must not pass that.
Pure: nothing is asked, and a server has the last word on most values.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.cli.hubble.errors import FlagConflictError
from ciliate.cli.hubble.filter_flags import FILTER_FLAGS, Side
from ciliate.cli.hubble.flag_conflicts import check_conflicts
from ciliate.flows.pb.flow import flow_pb2


@dataclass(frozen=True, slots=True)
class FlagUse:
    """A flag as it was given."""

    name: str
    value: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """What a server is asked with: flows that pass one of `allowed` and none of `denied`."""

    allowed: tuple[flow_pb2.FlowFilter, ...] = ()
    denied: tuple[flow_pb2.FlowFilter, ...] = ()


#: A half's ends, with what stands for "either" there.
_HALVES: Final = ("source", "destination")


@dataclass(slots=True)
class _Half:
    """One of the two filters in the making; `either` is the end that flags without one mean."""

    either: str
    filter: flow_pb2.FlowFilter = field(default_factory=flow_pb2.FlowFilter)
    #: End -> flag and namespace, until it is known whether a pod or a service is named.
    namespaces: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {end: [] for end in _HALVES}
    )

    def add(self, use: FlagUse) -> None:
        flag = FILTER_FLAGS[use.name]
        value = use.value if flag.constant is None else flag.constant
        end = self.either if flag.side is Side.EITHER else flag.side.value
        if flag.name.endswith("namespace"):
            self.namespaces[end].append((flag.name, value))
        elif flag.name.endswith("all-namespaces"):
            self.namespaces[end].append((flag.name, ""))
        elif flag.field == "experimental":
            self.filter.experimental.cel_expression.append(value)
        else:
            name = flag.field if flag.side is Side.NONE else f"{end}_{flag.field}"
            getattr(self.filter, name).append(flag.read(flag.name, value))

    def finish(self) -> flow_pb2.FlowFilter:
        """Return the filter, with namespaces put before the names of pods and services."""
        for end, namespaces in self.namespaces.items():
            if not namespaces:
                continue
            pods = getattr(self.filter, f"{end}_pod")
            services = getattr(self.filter, f"{end}_service")
            if pods or not services:
                _replace(pods, _qualified("pod", pods or [""], namespaces))
            if services:
                _replace(services, _qualified("service", services, namespaces))
        return self.filter


def _replace(names: Any, others: Sequence[str]) -> None:
    del names[:]
    names.extend(others)


def _qualified(
    kind: str, names: Iterable[str], namespaces: Sequence[tuple[str, str]]
) -> list[str]:
    """Return the names with each namespace; a name that has one must have one of these."""
    found = []
    for name in names:
        own, slash, _ = name.partition("/")
        if not slash:
            found += [f"{namespace}/{name}" for _, namespace in namespaces]
            continue
        flag, given = namespaces[0]
        if not {own, ""} & {namespace for _, namespace in namespaces}:
            raise FlagConflictError(kind, flag, f"{kind} {name!r} is not of namespace {given!r}")
        found.append(name)
    return list(dict.fromkeys(found))


def flow_filters(
    uses: Iterable[FlagUse],
    *,
    allowed: Iterable[flow_pb2.FlowFilter] = (),
    denied: Iterable[flow_pb2.FlowFilter] = (),
) -> Filters:
    """Return the filters that flags stand for, with given ones behind them.

    Raises:
        FlagError: A value cannot be read.
        FlagConflictError: Two flags contradict each other.
    """
    given = list(uses)
    return Filters(
        allowed=(*_list_of([use for use in given if not use.negated]), *allowed),
        denied=(*_list_of([use for use in given if use.negated]), *denied),
    )


def _list_of(uses: Sequence[FlagUse]) -> list[flow_pb2.FlowFilter]:
    if not uses:
        return []
    check_conflicts([use.name for use in uses])
    halves = [_Half(end) for end in _HALVES]
    for half in halves:
        for use in uses:
            half.add(use)
    left, right = (half.finish() for half in halves)
    return [left] if left == right else [left, right]
