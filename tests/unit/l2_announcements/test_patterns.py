"""src/ciliate/l2_announcements/patterns.py: names of devices by RE2."""

import pytest

from ciliate.l2_announcements.patterns import pattern_problem, selects_device


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        ((), "eth1", True),
        (("^eth[0-9]+$",), "eth1", True),
        (("^eth[0-9]+$",), "eth1.5", False),
        (("th",), "eth1", True),
        (("^ens", "^eth1$"), "eth1", True),
        (("(",), "eth1", False),
    ],
)
def test_a_name_is_selected_by_any_match(
    patterns: tuple[str, ...],
    name: str,
    expected: bool,  # noqa: FBT001 - a parameter of the test.
) -> None:
    assert selects_device(patterns, name) is expected


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (("eth0", "eth("), "spec.interfaces[1]: 'eth(' is no regular expression"),
        (("(?=a)",), "spec.interfaces[0]"),
        (("a" * 257,), "is longer than 256 characters"),
        (("a",) * 65, "65 expressions, more than 64"),
        (("((a{1000}){1000}){1000}",), "is no regular expression"),
    ],
)
def test_wrong_patterns_are_named(patterns: tuple[str, ...], said: str) -> None:
    assert said in pattern_problem(patterns)


def test_sound_patterns_have_no_problem() -> None:
    assert pattern_problem(("^eth[0-9]+$", "bond0")) == ""
