"""The flow log that settings name. Pure.

Filters and fields are checked here rather than with the other settings: only the flow server knows what
they are called. A wrong one leaves the node without this log, and with everything else.
"""

from ciliate.config.json_objects import read_json_objects
from ciliate.config.values import ValueTextError
from ciliate.errors import CiliateError, SettingError
from ciliate.flows.feed import FlowLogs
from ciliate.flows.filter_json import FilterJsonError, filters_of
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.export.flow_log import MIB, FlowLog, Keeping
from ciliate.flows.server.field_mask import mask_tree
from ciliate.flows.server.filter import compile_filters

_ALLOW, _DENY = "hubble-export-allowlist", "hubble-export-denylist"
_FIELDS = "hubble-export-fieldmask"


def static_log(told: FlowLogs) -> FlowLog | None:
    """Return the flow log; None: settings name none.

    Raises:
        SettingError: A filter or a field cannot be used.
        FilterBoundError: There are more filters than are looked at.
    """
    if not told.path:
        return None
    _check_fields(told)
    found = FlowLog(
        name="",
        path=told.path,
        fields=told.fieldmask,
        allowed=_filters(_ALLOW, told.allowlist),
        denied=_filters(_DENY, told.denylist),
        keeping=keeping(told),
    )
    found.request()  # Both lists together may be too long.
    return found


def keeping(told: FlowLogs) -> Keeping:
    """Return how much is kept of this log, and of those that do not say it themselves."""
    return Keeping(size_bytes=told.size_mb * MIB, backups=told.backups, compress=told.compress)


def _check_fields(told: FlowLogs) -> None:
    try:
        mask_tree(told.fieldmask)
    except CiliateError as error:
        raise SettingError(
            key=_FIELDS,
            value=" ".join(told.fieldmask),
            problem=f"cannot be used: {error}",
            remedy="write fields of a flow with blanks between, such as time source.pod_name",
        ) from error


def _filters(key: str, text: str) -> list[flow_pb2.FlowFilter]:
    try:
        found = filters_of(read_json_objects(text))
        compile_filters(found, ())
    except ValueTextError as error:
        raise SettingError(
            key=key, value=text, problem=error.problem, remedy=error.remedy
        ) from error
    except CiliateError as error:
        problem = "holds what is no filter" if isinstance(error, FilterJsonError) else "is refused"
        raise SettingError(
            key=key,
            value=text,
            problem=f"{problem}: {error}",
            remedy='write such as {"verdict":["DROPPED"]}',
        ) from error
    return found
