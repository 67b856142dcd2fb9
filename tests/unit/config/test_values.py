"""Texts of the ConfigMap, read."""

from collections.abc import Callable
from functools import partial

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


@pytest.mark.parametrize(("text", "ports"), [("1,1", (1, 1)), ("0,65535", (0, 65535))])
def test_port_range_may_be_one_port_or_all(text: str, ports: tuple[int, int]) -> None:
    assert values.read_port_range(text) == ports


@pytest.mark.parametrize(
    ("text", "host", "port"), [("[::1:1", "::1", 1), ("::1]:1", "::1", 1)], ids=["left", "right"]
)
def test_half_a_pair_of_brackets_is_no_host(text: str, host: str, port: int) -> None:
    with pytest.raises(values.ValueTextError, match="write IPv6 as") as caught:
        values.read_listen_address(text)
    assert host in caught.value.remedy
    assert caught.value.remedy.endswith(f':{port}"')


def test_pools_are_counted_by_name() -> None:
    assert values.read_pool_counts("default=8, mars=16,") == {"default": 8, "mars": 16}
    assert values.read_pool_counts(" ") == {}


@pytest.mark.parametrize(
    ("version", "text"),
    [(None, "10.244.0.7"), (4, "10.244.0.7"), (None, "fd00::7"), (6, "fd00::7")],
)
def test_address_is_read_of_the_family_asked_for_or_any(version: int | None, text: str) -> None:
    assert str(values.read_address(text, version=version)) == text
    cidr = f"{text}/{32 if '.' in text else 128}"
    assert str(values.read_cidr(cidr, version=version)) == cidr


def test_numbers_are_decimal() -> None:
    assert values.read_int("0065536") == 65536
    assert values.read_float("0.0025") == pytest.approx(0.0025)


REFUSED = [
    (values.read_bool, "yes", "boolean", "true"),
    (values.read_int, "0x10", "whole number", "65536"),
    (values.read_float, "a bit", "number", "0.0025"),
    (values.read_duration_s, "5 minutes", "duration", "30s"),
    (values.read_address, "10.244.0", "IP address", "fd00::1"),
    (partial(values.read_address, version=6), "10.244.0.1", "an IPv4 address", "an IPv6 one"),
    (values.read_cidr, "10.244.0.1/16", "prefix", "zero host bits"),
    (values.read_cidr, "10.244.0.1", "no prefix length", "10.244.0.1/32"),
    (partial(values.read_cidr, version=4), "fd00::/64", "an IPv6 prefix", "an IPv4 one"),
    (values.read_devices, "eth0 far-too-long-for-a-name", "'far-too-long-for-a-name'", "eth+"),
    (values.read_port_range, "30000", "port range", "30000,32767"),
    (values.read_port_range, "a,b", "port range", "30000,32767"),
    (values.read_port_range, "1,65536", "rising range", "30000,32767"),
    (values.read_port_range, "2,1", "rising range", "30000,32767"),
    (values.read_listen_address, "9962", "address with a port", ":9962"),
    (values.read_listen_address, "::1:9962", "address with a port", '"[::1]:9962"'),
    (values.read_pool_counts, "default", "'default'", "mars=16"),
    (values.read_pool_counts, "=8", "'=8'", "mars=16"),
    (values.read_pool_counts, "default=8=8", "'default=8=8'", "mars=16"),
    (values.read_pool_counts, "a=1,default:8", "'default:8'", "mars=16"),
    (values.read_pool_counts, "default=x", "'default=x'", "mars=16"),
]


@pytest.mark.parametrize(("read", "text", "problem", "remedy"), REFUSED)
def test_refusal_says_what_is_wrong_and_what_would_do(
    read: Callable[[str], object], text: str, problem: str, remedy: str
) -> None:
    with pytest.raises(values.ValueTextError) as caught:
        read(text)

    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


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
