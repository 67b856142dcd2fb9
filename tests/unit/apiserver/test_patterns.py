"""Patterns of schemas are Go's: what RE2 takes, matches as RE2 does, and is quick about it."""

import time

import pytest

from ciliate.apiserver.patterns import PatternError, compile_pattern

#: A backtracking engine needs longer than anyone lives.
DEADLINE_S = 5.0


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^[[:alpha:]]+$", "abc", True),
        ("^[[:alpha:]]+$", "[:", False),
        ("^[a-z]+$", "abc\n", False),
        (r"^\d+$", "3", True),
        (r"^\d+$", "\N{ARABIC-INDIC DIGIT THREE}", False),
        (r"^\w+$", "\N{LATIN SMALL LETTER E WITH ACUTE}", False),
        (r"^\pL+$", "\N{LATIN SMALL LETTER E WITH ACUTE}", True),
        (r"^\p{Greek}+$", "\N{GREEK SMALL LETTER ALPHA}", True),
        (r"^\Qa.b\E$", "a.b", True),
        (r"^\Qa.b\E$", "axb", False),
        (r"^\Q\C\E$", r"\C", True),
        (r"^a\z", "a", True),
        ("^(?i)(yes|no)?$", "YES", True),
        ("^((?i)north|south)ern$", "NORTHern", True),
        ("^(?U)a+$", "aa", True),
        ("^(?<n>a)$", "a", True),
        (r"^[^\x{00}-\x{1F}]*$", "a\tb", False),
        ("b", "abc", True),
    ],
)
def test_a_pattern_matches_as_in_go(pattern: str, text: str, *, matches: bool) -> None:
    assert compile_pattern(pattern)(text) is matches


@pytest.mark.parametrize(
    "pattern", ["a++b", "^(?=a)b", "^a{1001}$", r"(a)\1", "(?P=n)", "[z-a]", "(", r"a\Cb", "a**"]
)
def test_what_go_does_not_take_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(PatternError, match="RE2") as raised:
        compile_pattern(pattern)

    assert raised.value.pattern == pattern


def test_no_pattern_holds_the_server() -> None:
    matches = compile_pattern("^(a+)+$")
    started = time.monotonic()

    assert not matches("a" * 50_000 + "b")
    assert time.monotonic() - started < DEADLINE_S
