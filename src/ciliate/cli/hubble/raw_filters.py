"""Filters as JSON: `--allowlist` and `--denylist` read them, `--print-raw-filters` writes them. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format

from ciliate.cli.hubble.errors import FlagError
from ciliate.cli.hubble.flow_filters import Filters
from ciliate.cli.hubble.message_json import message_line
from ciliate.flows.pb.flow import flow_pb2


def read_filters(flag: str, texts: Iterable[str]) -> list[flow_pb2.FlowFilter]:
    """Return the filters of a flag that holds JSON objects, one or several behind each other.

    Raises:
        FlagError: It holds something else.
    """
    text = " ".join(texts).strip()
    found = []
    try:
        while text:
            value, end = json.JSONDecoder().raw_decode(text)
            found.append(_filter(value))
            text = text[end:].lstrip()
    except (ValueError, TypeError, json_format.ParseError) as error:
        raise FlagError(
            flag=flag,
            value=text,
            problem=f'is no filter: {error}; one is {{"verdict":["DROPPED"]}}',
        ) from error
    return found


def _filter(value: Any) -> flow_pb2.FlowFilter:
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    return json_format.ParseDict(value, flow_pb2.FlowFilter())


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
