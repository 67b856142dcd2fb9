"""The text of a ConfigMap's values, read into Python's: what every kind of key accepts.

A ConfigMap carries text alone. Each function here reads one form of it and raises `ValueTextError`
with a remedy; the caller, which knows the key, turns that into a `SettingError`. Pure: whether a
device or a file exists is asked elsewhere.
"""

import re
from ipaddress import ip_network
from typing import Final

from ciliate.net.address import IPAddress, IPNetwork, ip_address

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False", ""})

#: Seconds in each unit of a Go duration (Go, package time, ParseDuration).
_UNITS_S: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_DEVICE: Final = re.compile(r"!?[^\s/!+]{1,15}\+?")


class ValueTextError(ValueError):
    """A text that cannot be read as its key's kind: says what is wrong and what would do."""

    def __init__(self, *, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}: {remedy}")


def read_bool(text: str) -> bool:
    """Return the boolean; the forms are those of Go's strconv.ParseBool, empty is false."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueTextError(problem="is no boolean", remedy='write "true" or "false"')


def read_int(text: str) -> int:
    """Return the decimal number."""
    try:
        return int(text, 10)
    except ValueError:
        raise ValueTextError(
            problem="is no whole number", remedy='write digits, such as "65536"'
        ) from None


def read_float(text: str) -> float:
    """Return the decimal fraction."""
    try:
        return float(text)
    except ValueError:
        raise ValueTextError(problem="is no number", remedy='write such as "0.0025"') from None


def read_duration_s(text: str) -> float:
    """Return the seconds of a Go duration such as "5m0s", "100ms" or "0"."""
    if text == "0":
        return 0.0
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueTextError(
            problem="is no duration", remedy='write numbers with units, such as "30s" or "5m0s"'
        )
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def read_words(text: str) -> tuple[str, ...]:
    """Return the elements of a list: separated by blanks, commas or both."""
    return tuple(text.replace(",", " ").split())


def read_address(text: str, *, version: int | None = None) -> IPAddress:
    """Return the address; `version` 4 or 6 asks for that family."""
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueTextError(
            problem="is no IP address", remedy='write such as "10.244.0.1" or "fd00::1"'
        ) from None
    if version not in (None, address.version):
        raise ValueTextError(
            problem=f"is an IPv{address.version} address", remedy=f"give an IPv{version} one"
        )
    return address


def read_cidr(text: str, *, version: int | None = None) -> IPNetwork:
    """Return the prefix; `version` 4 or 6 asks for that family. Host bits must be zero."""
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueTextError(
            problem="is no prefix",
            remedy='write network and length with zero host bits, such as "10.244.0.0/16"',
        ) from None
    if "/" not in text:
        raise ValueTextError(
            problem="has no prefix length", remedy=f'write such as "{text}/{network.prefixlen}"'
        )
    if version not in (None, network.version):
        raise ValueTextError(
            problem=f"is an IPv{network.version} prefix", remedy=f"give an IPv{version} one"
        )
    return network


def read_cidrs(text: str, *, version: int | None = None) -> tuple[IPNetwork, ...]:
    """Return the prefixes of a list; `version` as for one."""
    return tuple(read_cidr(word, version=version) for word in read_words(text))


def read_devices(text: str) -> tuple[str, ...]:
    """Return the device patterns: names, "eth+" for a beginning, "!eth0" for an exception."""
    patterns = read_words(text)
    for pattern in patterns:
        if not _DEVICE.fullmatch(pattern):
            raise ValueTextError(
                problem=f"holds {pattern!r}, which is no device name",
                remedy='write names of at most 15 characters, "eth+" or "!eth0"',
            )
    return patterns


def read_port_range(text: str) -> tuple[int, int]:
    """Return first and last port, both inclusive, of "30000,32767" or "30000-32767"."""
    numbers = text.replace("-", ",").split(",")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ValueTextError(
            problem="is no port range", remedy='write first and last, such as "30000,32767"'
        )
    first, last = (int(number) for number in numbers)
    if first > last or last > 65535:
        raise ValueTextError(
            problem="is no rising range of ports up to 65535", remedy='write such as "30000,32767"'
        )
    return first, last


def read_listen_address(text: str) -> tuple[str, int]:
    """Return host and port of ":9962", "127.0.0.1:9962" or "[::1]:9962"; no host means any."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueTextError(
            problem="is no address with a port", remedy='write such as ":9962" or "127.0.0.1:9962"'
        )
    if ":" in host and not bracketed:
        raise ValueTextError(
            problem="is no address with a port", remedy=f'write IPv6 as "[{host}]:{port}"'
        )
    return host.strip("[]"), int(port)


def read_pool_counts(text: str) -> dict[str, int]:
    """Return the count of each pool of "default=8,mars=16"."""
    counts: dict[str, int] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        pool, equals, count = word.partition("=")
        if not (pool and equals and count.isdecimal()):
            raise ValueTextError(
                problem=f"holds {word!r}, which is no pool with a count",
                remedy='write pairs such as "default=8,mars=16"',
            )
        counts[pool] = int(count)
    return counts
