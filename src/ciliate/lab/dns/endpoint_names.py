"""The names of a headless Service's endpoints. Pure.

An endpoint is called by its `hostname`, else by its address: 10.244.0.7 is 10-244-0-7.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from ciliate.lab.dns.answer import Records, address_record
from ciliate.lab.dns.objects import Endpoint, EndpointSlice, Service

#: RFC 1035, section 2.3.4.
_LABEL_BYTES_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class EndpointNames:
    """What a headless Service's ready endpoints are called, and where they are."""

    #: All of them: what the Service's own name stands for.
    together: Records = field(default_factory=dict)
    by_host: dict[str, Records] = field(default_factory=dict)
    #: Host and port number, by name and protocol of the port, in lower case.
    by_port: dict[tuple[str, str], dict[tuple[str, int], None]] = field(default_factory=dict)
    #: The host at an address.
    by_address: dict[str, str] = field(default_factory=dict)


def endpoint_names(service: Service, slices: Iterable[EndpointSlice]) -> EndpointNames:
    """Return the names of a headless Service's endpoints, as its slices list them."""
    names = EndpointNames()
    publishes_all = service.spec.publish_not_ready_addresses
    for each in slices:
        ports = [
            (((port.name or "").lower(), (port.protocol or "TCP").lower()), port.port)
            for port in each.ports or ()
            if port.port is not None
        ]
        for endpoint in each.endpoints or ():
            if not publishes_all and endpoint.conditions.ready is False:
                continue
            for host, address in _hosts(endpoint):
                _enter(names, host, address)
                for port, number in ports:
                    names.by_port.setdefault(port, {})[host, number] = None
    return names


def _hosts(endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """Yield name and address; what is no address, as in a slice written by hand, has no name."""
    named = (endpoint.hostname or "").lower()
    if "." in named or len(named.encode()) > _LABEL_BYTES_MAX:
        named = ""  # Not a label: an API server refuses it.
    for text in endpoint.addresses or ():
        try:
            address = str(ip_address(text))
        except ValueError:
            continue
        yield named or address.replace(".", "-").replace(":", "-"), address


def _enter(names: EndpointNames, host: str, address: str) -> None:
    """Enter an endpoint's address, once: slices overlap while endpoints move between them."""
    record = address_record(address)
    if address not in names.by_address:
        names.by_address[address] = host
        names.together.setdefault(record.rdtype, []).append(record)
    at_host = names.by_host.setdefault(host, {}).setdefault(record.rdtype, [])
    if record not in at_host:
        at_host.append(record)
