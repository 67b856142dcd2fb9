"""`config/flow_settings.py`: what is told of packets, and what is refused."""

import pytest

from ciliate.config.flow_settings import TCP_FLAGS, FlowSettings, read_flow_settings
from ciliate.config.texts import Texts
from ciliate.errors import SettingError


def read(config: dict[str, str]) -> FlowSettings:
    return read_flow_settings(Texts(config))


def test_defaults_are_those_of_the_chart() -> None:
    assert read({}) == FlowSettings(
        drops=True, traces=True, aggregation="medium", interval_s=5.0, tcp_flags=0xFF
    )


@pytest.mark.parametrize(
    ("word", "level"), [("none", 0), ("lowest", 1), ("low", 1), ("medium", 3), ("maximum", 3)]
)
def test_levels_that_leave_out_the_same_are_one(word: str, level: int) -> None:
    assert read({"monitor-aggregation": word}).level == level


def test_flags_are_named_in_whatever_case() -> None:
    assert read({"monitor-aggregation-flags": "syn,FIN rst"}).tcp_flags == 0x07
    assert sum(TCP_FLAGS.values()) == 0xFF


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("monitor-aggregation", "some", "monitor-aggregation: 'some'"),
        ("monitor-aggregation-flags", "syn,shout", "names no TCP flag with 'shout'"),
        ("monitor-aggregation-interval", "0s", "is out of range"),
        ("monitor-aggregation-interval", "25h", "is out of range"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_by_name(key: str, text: str, words: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({key: text})

    assert words in str(refused.value)
    assert key in str(refused.value)
