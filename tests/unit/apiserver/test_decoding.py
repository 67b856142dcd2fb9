"""Bodies: what they say, and what they say twice."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.apiserver.decoding import decode_body, repeated_keys
from ciliate.apiserver.errors import StatusError

VALUES = st.recursive(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.none(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"data":{"a":"1","a":"2"}}', ['duplicate field "data.a"']),
        (
            b'{"a": 1, "b": [{"c": 1, "c": 1}], "a": 2}',
            ['duplicate field "a"', 'duplicate field "b[0].c"'],
        ),
        (b'{"a":1e3,"a":1e3}', ['duplicate field "a"']),
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", ['line 4: key "c" already set in map']),
        (b'  {"a": "\\u00e9\\/", "b": 1.0}\n', []),
        (b"a: 1\nb: {a: 1}\n", []),
    ],
)
def test_keys_that_are_said_twice_are_told_with_their_place(
    body: bytes, expected: list[str]
) -> None:
    value = decode_body(body, "application/yaml")

    assert repeated_keys(body, value) == expected


@given(VALUES)
def test_nothing_is_said_twice_in_what_was_encoded(value: Any) -> None:
    body = msgspec.json.encode(value)

    assert repeated_keys(body, decode_body(body, "application/json")) == []


def test_the_last_of_equal_keys_counts() -> None:
    assert decode_body(b'{"a":1,"a":2}', "application/json") == {"a": 2}
    assert decode_body(b"a: 1\na: 2\n", "application/yaml") == {"a": 2}


def test_times_in_yaml_stay_text_and_other_keys_than_text_are_refused() -> None:
    assert decode_body(b"a: 2026-01-01T00:00:00Z", "application/yaml") == {
        "a": "2026-01-01T00:00:00Z"
    }
    with pytest.raises(StatusError, match="error converting YAML to JSON"):
        decode_body(b"? [a, b]\n: 1\n", "application/yaml")
