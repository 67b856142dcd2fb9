"""Text of others before it reaches a terminal."""

import json

import pytest

from ciliate.flows.harmless import harmless, harmless_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /ü?日本", "GET /ü?日本"),
        ("\x1b[31m", "^[[31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("\u202eabc\u2069\u200f\u2028", "\\u202eabc\\u2069\\u200f\\u2028"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_json_keeps_its_values_and_lines() -> None:
    value = {"a": "\x7f\x9b\u202e", "b": ["ü"]}
    text = json.dumps(value, ensure_ascii=False, indent=2)

    made = harmless_json(text)

    assert json.loads(made) == value
    assert len(made.splitlines()) == len(text.split("\n"))
