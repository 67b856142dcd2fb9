"""In which order and form click gets the words of a `hubble` command."""

import pytest

from ciliate.cli.hubble.root_words import ordered
from ciliate.cli.hubble.target import target_settings


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("status -o json", "status -o json"),
        ("-P status", "status -P"),
        ("-P --server a:1 list nodes -o json", "list nodes -o json -P --server a:1"),
        ("--server=a:1 status", "status --server=a:1"),
        ("status --config f", "--config f status"),
        ("--config=f -P status", "--config=f status -P"),
        ("status --tls=true", "status --tls"),
        ("status --tls=false", "status --no-tls"),
        ("--port-forward=0 status", "status --no-port-forward"),
        ("--no-tls status", "status --no-tls"),
        ("observe --label tls=true", "observe --label tls=true"),
        ("status --server=true", "status --server=true"),
        ("-P --help", "--help"),
        ("config set tls true", "config set tls true"),
        ("", ""),
    ],
)
def test_words_stand_where_click_takes_them(words: str, expected: str) -> None:
    assert " ".join(ordered(words.split(), target_settings())) == expected
