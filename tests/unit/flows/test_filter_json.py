"""`flows/filter_json.py`: objects are filters, by either form of their fields' names."""

from typing import Any

import pytest

from ciliate.flows.filter_json import FilterJsonError, filters_of
from ciliate.flows.pb.flow import flow_pb2


def test_fields_have_their_declared_names_or_those_of_json() -> None:
    assert (
        filters_of([{"source_pod": ["a/b"]}, {"sourcePod": ["a/b"]}])
        == [flow_pb2.FlowFilter(source_pod=["a/b"])] * 2
    )


@pytest.mark.parametrize(
    "value", [{"pod": ["x"]}, {"uuid": 1}, {"uuid": [1]}, {"verdict": ["NONE"]}, {1: []}]
)
def test_what_is_no_filter_is_refused(value: Any) -> None:
    with pytest.raises(FilterJsonError) as refused:
        filters_of([{}, value])

    assert "\n" not in str(refused.value), "it is a line of a log"
