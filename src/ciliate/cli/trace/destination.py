"""DEST as it is typed: a pod's or a Service's name, or an address, with a port behind it. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from ciliate.cli.trace.errors import DestinationError
from ciliate.net.address import ip_address

#: What kubectl calls the two kinds, before a name.
_KINDS: Final = {
    **dict.fromkeys(("po", "pod", "pods"), "pod"),
    **dict.fromkeys(("svc", "service", "services"), "service"),
}
_PORT_END: Final = 1 << 16
_BRACKETED: Final = re.compile(r"\[(?P<host>[^\]]*)\](?::(?P<port>.*))?")


@dataclass(frozen=True, slots=True)
class Destination:
    """Either `address` or `name` is set."""

    text: str
    address: str = ""
    #: "pod", "service"; empty: either.
    kind: str = ""
    #: Empty: that of the pod that sends.
    namespace: str = ""
    name: str = ""
    #: A number, or the name that a Service gives one; empty: any.
    port: str = ""


def read_destination(text: str) -> Destination:
    """Return what DEST means.

    Raises:
        DestinationError: It is no name and no address.
    """
    host, port = _split(text)
    if port.isdecimal() and not 0 < int(port) < _PORT_END:
        raise DestinationError(text, f"{port} is no port")
    address = _address(host)
    if address:
        if port and not port.isdecimal():
            raise DestinationError(text, f"{port!r} is no port's number")
        return Destination(text, address=address, port=port)
    kind, parts = "", host.split("/")
    if len(parts) > 1 and parts[0] in _KINDS:
        kind, parts = _KINDS[parts[0]], parts[1:]
    if len(parts) > 2 or not all(parts):
        raise DestinationError(text, "it is no name and no address")
    namespace = parts[0] if len(parts) == 2 else ""
    return Destination(text, kind=kind, namespace=namespace, name=parts[-1], port=port)


def _split(text: str) -> tuple[str, str]:
    """Return host and port; an address of IPv6 with a port stands in brackets."""
    found = _BRACKETED.fullmatch(text)
    if found is not None:
        return found["host"], found["port"] or ""
    if _address(text):
        return text, ""
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, ""
    if not port:
        raise DestinationError(text, "the port is missing")
    return host, port


def _address(host: str) -> str:
    try:
        return str(ip_address(host)) if "%" not in host else ""
    except ValueError:
        return ""
