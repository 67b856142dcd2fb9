"""Formats of strings and integers in OpenAPI schemas.

Those that kube-apiserver checks (`k8s.io/apiextensions-apiserver`, supported formats); others are
ignored, as there.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

_DURATION: Final = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)"
    r"((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*|0"
)
_MAC: Final = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_HOSTNAME: Final = re.compile(
    r"(?=.{1,255}$)[0-9A-Za-z](?:(?:[0-9A-Za-z]|-){0,61}[0-9A-Za-z])?"
    r"(?:\.[0-9A-Za-z](?:(?:[0-9A-Za-z]|-){0,61}[0-9A-Za-z])?)*\.?"
)
_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return holds


def _is_cidr(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text and text.rpartition("/")[2].isdecimal()


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None and "T" in text.upper()
    except ValueError:
        return False


_TEXT: Final[dict[str, Callable[[str], bool]]] = {
    "byte": _parses(lambda t: base64.b64decode(t, validate=True)),
    "cidr": _is_cidr,
    "date": _parses(lambda t: datetime.strptime(t, "%Y-%m-%d")),  # noqa: DTZ007 - a date
    "date-time": _is_moment,
    "datetime": _is_moment,
    "duration": lambda t: _DURATION.fullmatch(t) is not None,
    "email": lambda t: _EMAIL.fullmatch(t) is not None,
    "hostname": lambda t: _HOSTNAME.fullmatch(t) is not None,
    "ipv4": _parses(IPv4Address),
    "ipv6": _parses(IPv6Address),
    "mac": lambda t: _MAC.fullmatch(t) is not None,
    "uri": lambda t: bool(urlsplit(t).scheme),
    "uuid": _parses(UUID),
}
_INTEGERS: Final = {"int32": _INT32_MAX, "int64": _INT64_MAX}


def format_problem(name: str, value: Any) -> str:
    """Return why a value is not of a format, empty when it is or the format is unknown."""
    if isinstance(value, str) and name in _TEXT:
        return "" if _TEXT[name](value) else f"must be of type {name}: {json_text(value)}"
    if name in _INTEGERS and isinstance(value, int) and not isinstance(value, bool):
        high = _INTEGERS[name]
        return "" if -high - 1 <= value <= high else f"must be of type {name}: {value}"
    return ""


def json_text(value: str) -> str:
    """Return text in quotes."""
    return f'"{value}"'
