"""`config/flow_settings.py`: what is told of packets, and what is refused."""

import pytest

from ciliate.config.flow_settings import (
    TCP_FLAGS,
    EventLimit,
    FlowSettings,
    HubbleSettings,
    read_flow_settings,
)
from ciliate.config.hubble_server_settings import read_hubble_listen_settings
from ciliate.config.texts import Texts
from ciliate.errors import SettingError


def read(config: dict[str, str]) -> FlowSettings:
    return read_flow_settings(Texts(config))


def test_defaults_are_those_of_the_chart() -> None:
    assert read({}) == FlowSettings(
        drops=True,
        traces=True,
        aggregation="medium",
        interval_s=5.0,
        tcp_flags=0xFF,
        hubble=HubbleSettings(
            enabled=False,
            socket_path="/var/run/cilium/hubble.sock",
            capacity=4095,
            listen=read_hubble_listen_settings(Texts({})),
        ),
    )


def test_events_may_be_limited() -> None:
    limited = {
        "bpf-events-default-rate-limit": "10000",
        "bpf-events-default-burst-limit": "50000",
    }
    assert read(limited).limit == EventLimit(rate=10_000, burst=50_000)
    assert read(dict.fromkeys(limited, "0")).limit is None


@pytest.mark.parametrize(
    ("word", "level"), [("none", 0), ("lowest", 1), ("low", 1), ("medium", 3), ("maximum", 3)]
)
def test_levels_that_leave_out_the_same_are_one(word: str, level: int) -> None:
    assert read({"monitor-aggregation": word}).level == level


def test_flags_are_named_in_whatever_case() -> None:
    assert read({"monitor-aggregation-flags": "syn,FIN rst"}).tcp_flags == 0x07
    assert sum(TCP_FLAGS.values()) == 0xFF


def test_flows_are_kept_where_and_as_many_as_is_said() -> None:
    hubble = read(
        {
            "enable-hubble": "true",
            "hubble-socket-path": "/run/h.sock",
            "hubble-event-buffer-capacity": "65535",
        }
    ).hubble

    assert (hubble.enabled, hubble.socket_path) == (True, "/run/h.sock")
    assert hubble.capacity == 65535


def test_every_capacity_of_one_less_than_a_power_of_two_is_taken() -> None:
    for bits in range(1, 17):
        text = str(2**bits - 1)
        assert str(read({"hubble-event-buffer-capacity": text}).hubble.capacity) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("0", "choose 1"),
        ("-1", "choose 1"),
        ("2", "choose 3"),
        ("4096", "choose 8191"),
        ("5000", "choose 8191"),
        ("65536", "choose 65535"),
        ("131071", "choose 65535"),
    ],
)
def test_other_capacities_are_refused_with_one_that_is_taken(text: str, remedy: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({"hubble-event-buffer-capacity": text})

    assert "hubble-event-buffer-capacity" in str(refused.value)
    assert str(refused.value).endswith(remedy)


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("monitor-aggregation", "some", "monitor-aggregation: 'some'"),
        ("monitor-aggregation-flags", "syn,shout", "names no TCP flag with 'shout'"),
        ("monitor-aggregation-interval", "0s", "is out of range"),
        ("monitor-aggregation-interval", "25h", "is out of range"),
        ("hubble-event-buffer-capacity", "many", "'many'"),
        ("bpf-events-default-rate-limit", "-1", "'-1' is out of range"),
        ("bpf-events-default-rate-limit", "1000000001", "at most 1000000000"),
        ("enable-hubble", "perhaps", "'perhaps'"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_by_name(key: str, text: str, words: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({key: text})

    assert words in str(refused.value)
    assert key in str(refused.value)


def test_a_rate_without_a_burst_is_refused_and_the_other_way_round() -> None:
    keys = ("bpf-events-default-rate-limit", "bpf-events-default-burst-limit")
    for given, missing in (keys, keys[::-1]):
        with pytest.raises(SettingError, match=f"{missing}: '0' goes with no limit"):
            read({given: "100"})
