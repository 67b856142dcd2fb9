"""Texts of the ConfigMap, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.config import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("30s", 30),
        ("5m0s", 300),
        ("1h0m0s", 3600),
        ("100ms", 0.1),
        ("1.5h", 5400),
        ("2m30s", 150),
    ],
)
def test_go_durations_are_read(text: str, seconds: float) -> None:
    assert values.read_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5", "5min", "m", "5m 0s", "-5s", "s5"])
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(values.ValueTextError):
        values.read_duration_s(text)


@given(hours=st.integers(0, 99), minutes=st.integers(0, 59), seconds=st.integers(0, 59))
def test_every_duration_that_go_prints_is_read(hours: int, minutes: int, seconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s"

    assert values.read_duration_s(text) == hours * 3600 + minutes * 60 + seconds


def test_lists_are_separated_by_blanks_or_commas() -> None:
    assert values.read_words("10.0.0.0/8 10.1.0.0/16") == ("10.0.0.0/8", "10.1.0.0/16")
    assert values.read_words("eth0,eth1") == ("eth0", "eth1")
    assert values.read_words("a, b") == ("a", "b")
    assert values.read_words("") == ()


def test_device_patterns_are_names_beginnings_and_exceptions() -> None:
    assert values.read_devices("eth+ !eth0 bond0.100") == ("eth+", "!eth0", "bond0.100")


def test_port_range_takes_comma_or_dash() -> None:
    assert values.read_port_range("30000,32767") == (30000, 32767)
    assert values.read_port_range("30000-32767") == (30000, 32767)


@pytest.mark.parametrize("text", ["30000", "a,b", "1,70000", "2,1"])
def test_what_is_no_port_range_is_refused(text: str) -> None:
    with pytest.raises(values.ValueTextError):
        values.read_port_range(text)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("F", False), ("", False)]
)
def test_booleans_are_those_of_go(text: str, *, value: bool) -> None:
    assert values.read_bool(text) is value


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9962", "", 9962),
        ("127.0.0.1:9962", "127.0.0.1", 9962),
        ("[::1]:1", "::1", 1),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_listen_address_is_host_and_port(text: str, host: str, port: int) -> None:
    assert values.read_listen_address(text) == (host, port)


@pytest.mark.parametrize("text", ["9962", ":", ":0", ":65536", ":http", "::1:9962", "127.0.0.1"])
def test_what_is_no_listen_address_is_refused(text: str) -> None:
    with pytest.raises(values.ValueTextError, match="is no address with a port"):
        values.read_listen_address(text)
