"""Filters as JSON: `--allowlist` and `--denylist` read them, `--print-raw-filters` writes them. Pure."""

from collections.abc import Iterable

from ciliate.cli.hubble.errors import FlagError
from ciliate.cli.hubble.flow_filters import Filters
from ciliate.config.json_objects import read_json_objects
from ciliate.config.values import ValueTextError
from ciliate.flows.filter_json import FilterJsonError, filters_of
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.flow import flow_pb2


def read_filters(flag: str, texts: Iterable[str]) -> list[flow_pb2.FlowFilter]:
    """Return the filters of a flag that holds JSON objects, one or several behind each other.

    Raises:
        FlagError: It holds something else.
    """
    text = " ".join(texts)
    try:
        return filters_of(read_json_objects(text))
    except (ValueTextError, FilterJsonError) as error:
        why = f"it {error.problem}" if isinstance(error, ValueTextError) else str(error)
        raise FlagError(
            flag=flag,
            value=text,
            problem=f'is no filter: {why}; one is {{"verdict":["DROPPED"]}}',
        ) from error


def render_filters(filters: Filters) -> str:
    """Return filters as YAML, in the form that an exporter's settings take."""
    lists = (("allowlist", filters.allowed), ("denylist", filters.denied))
    return "".join(
        f"{name}:\n" + "".join(f"    - {_quoted(message_line(each))}\n" for each in found)
        for name, found in lists
        if found
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
