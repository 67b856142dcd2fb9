"""The flow logs that a file lists, YAML or JSON. Pure.

    flowLogs:
    - name: dropped
      filePath: /var/run/cilium/hubble/dropped.log
      includeFilters:
      - verdict: [DROPPED]
      fieldMask: [time, source.pod_name, destination.pod_name]
      end: "2026-01-02T15:04:05Z"

A list that cannot be read changes nothing. An entry that cannot be used is refused, and the others are
not: one field of it that is not known may be a filter with a slip of the finger, without which the log
would have every flow.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ciliate.config.hubble_export_settings import AGENT_LOG, BACKUPS, SIZE_MB, path_problem
from ciliate.errors import CiliateError
from ciliate.flows.filter_json import filters_of
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.export.errors import (
    EntryError,
    FlowLogError,
    LogListError,
    LogPathTakenError,
)
from ciliate.flows.server.export.flow_log import MIB, FlowLog, Keeping

#: Octets of the file (a ConfigMap holds 1 MiB), and flow logs in it: each has threads and a file.
LIST_BYTES_MAX: Final = 1 << 20
LOGS_MAX: Final = 64

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogList:
    """What a file lists: flow logs by name, and the names that are refused, each with its reason."""

    logs: Mapping[str, FlowLog] = field(default_factory=dict)
    refused: Mapping[str, FlowLogError] = field(default_factory=dict)


def read_log_list(
    octets: bytes,
    *,
    keeping: Keeping,
    place: Callable[[str], str],
    taken: Mapping[str, str],
) -> LogList:
    """Return what a file lists.

    Args:
        octets: What the file holds.
        keeping: How much is kept of a log that does not say it itself.
        place: Returns where a path that is named is.
        taken: Paths that others write to, with their names.

    Raises:
        LogListError: It cannot be read.
    """
    logs: dict[str, FlowLog] = {}
    refused: dict[str, FlowLogError] = {}
    holders = dict(taken)
    for number, entry in enumerate(_entries(octets), start=1):
        name = _name(entry)
        if name is None or name in logs or name in refused:
            problem = "has no name" if name is None else f"is another one of the name {name!r}"
            refused[f"entry {number}"] = FlowLogError(f"entry {number}", problem)
            continue
        try:
            log = _flow_log(name, entry, keeping, place)
        except FlowLogError as error:
            refused[name] = error
            continue
        if log.path in holders:
            refused[name] = LogPathTakenError(log.shown, path=log.path, holder=holders[log.path])
            continue
        logs[name] = log
        holders[log.path] = log.shown
    return LogList(logs, refused)


def _entries(octets: bytes) -> list[Any]:
    if len(octets) > LIST_BYTES_MAX:
        raise LogListError(f"has more than {LIST_BYTES_MAX:,} octets")
    try:
        document = msgspec.yaml.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LogListError(f"is no YAML: {' '.join(str(error).split())}") from error
    entries = document.get("flowLogs") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise LogListError("holds no list `flowLogs`: write `flowLogs: []` for none")
    if len(entries) > LOGS_MAX:
        raise LogListError(f"lists {len(entries)} flow logs, more than {LOGS_MAX}")
    return entries


def _name(entry: Any) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name else None


def _flow_log(
    name: str, entry: Mapping[str, Any], keeping: Keeping, place: Callable[[str], str]
) -> FlowLog:
    try:
        _check_fields(entry)
        log = FlowLog(
            name=name,
            path=_path(entry.get("filePath"), place),
            fields=tuple(_texts("fieldMask", entry)),
            allowed=tuple(_filters("includeFilters", entry)),
            denied=tuple(_filters("excludeFilters", entry)),
            end_ns=_moment(entry.get("end")),
            keeping=Keeping(
                size_bytes=_number("fileMaxSizeMb", entry, SIZE_MB, keeping.size_bytes // MIB)
                * MIB,
                backups=_number("fileMaxBackups", entry, BACKUPS, keeping.backups),
                compress=_switch("fileCompress", entry, otherwise=keeping.compress),
            ),
        )
        log.request()
    except CiliateError as error:
        raise FlowLogError(f"flow log {name!r}", str(error)) from error
    return log


_FIELDS: Final = (
    *("name", "filePath", "fieldMask", "includeFilters", "excludeFilters", "end"),
    *("fileMaxSizeMb", "fileMaxBackups", "fileCompress"),
)


def _check_fields(entry: Mapping[str, Any]) -> None:
    for each in entry:
        if each not in _FIELDS:
            raise EntryError(str(each), f"is no field: there are {', '.join(_FIELDS)}")


def _path(value: Any, place: Callable[[str], str]) -> str:
    if not isinstance(value, str) or not value:
        raise EntryError("filePath", "is missing: name a file")
    if value == AGENT_LOG:
        return value
    if problem := path_problem(value):
        raise EntryError("filePath", f"{value!r} {problem}")
    return place(value)


def _list(name: str, entry: Mapping[str, Any]) -> list[Any]:
    value = entry.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise EntryError(name, "is no list")
    return value


def _texts(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    for each in _list(name, entry):
        if not isinstance(each, str):
            raise EntryError(name, "holds what is no text")
        yield each


def _filters(name: str, entry: Mapping[str, Any]) -> list[flow_pb2.FlowFilter]:
    values = _list(name, entry)
    if not all(isinstance(each, dict) for each in values):
        raise EntryError(name, "holds what is no object")
    try:
        return filters_of(values)
    except CiliateError as error:
        raise EntryError(name, f"{error}") from error


def _moment(value: Any) -> int | None:
    """Return nanoseconds since 1970 of a time (RFC 3339), which YAML may have read already."""
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise EntryError("end", f"{value!r} is no time such as 2026-01-02T15:04:05Z") from error
    if moment.tzinfo is None:
        raise EntryError(
            "end", f"{value!r} says no time zone: write Z or such as +02:00 behind it"
        )
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


def _number(name: str, entry: Mapping[str, Any], bounds: tuple[int, int], otherwise: int) -> int:
    value = entry.get(name)
    if value is None:
        return otherwise
    least, most = bounds
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise EntryError(name, f"{value!r} is no number from {least} to {most}")
    return value


def _switch(name: str, entry: Mapping[str, Any], *, otherwise: bool) -> bool:
    value = entry.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, bool):
        raise EntryError(name, f"{value!r} is neither true nor false")
    return value
