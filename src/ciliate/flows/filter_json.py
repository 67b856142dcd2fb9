"""Filters as JSON: what a flag, a key or a list of flow logs holds. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format

from ciliate.errors import CiliateError
from ciliate.flows.pb.flow import flow_pb2


class FilterJsonError(CiliateError):
    """An object is no filter."""


def filters_of(values: Iterable[Mapping[str, Any]]) -> list[flow_pb2.FlowFilter]:
    """Return the filters that objects say.

    Raises:
        FilterJsonError: One is none.
    """
    return [_filter(value) for value in values]


def _filter(value: Mapping[str, Any]) -> flow_pb2.FlowFilter:
    try:
        return json_format.ParseDict(dict(value), flow_pb2.FlowFilter())
    except (ValueError, TypeError, json_format.ParseError) as error:
        first, _, _ = str(error).partition("\n")  # Then it lists every field that there is.
        raise FilterJsonError(first.rstrip(".")) from error
