"""What stands at the names below the cluster's domain, by the Services, slices and Namespaces there are.

Pure. The schema is that of the Kubernetes DNS specification 1.1, with what CoreDNS adds and people
use: pods by their address (`pods insecure`), SRV records at a Service's own name.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from dns.exception import DNSException
from dns.name import Name, from_text
from dns.rdata import Rdata
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.SRV import SRV

from ciliate.api.core import Namespace
from ciliate.api.resource import ObjectKey
from ciliate.lab.dns.answer import Records, address_record
from ciliate.lab.dns.endpoint_names import EndpointNames, endpoint_names
from ciliate.lab.dns.objects import SERVICE_LABEL, EndpointSlice, Port, Service

#: The version of the specification, which `dns-version` tells.
SCHEMA_VERSION: Final = "1.1.0"
#: The Service that this server is behind, which `ns.dns` stands for.
OWN_SERVICE: Final[ObjectKey] = ("kube-system", "kube-dns")

_SRV_WEIGHTS: Final = 100  # Shared among the targets of a name.

#: Names that are there because others are below them.
_NOTHING: Final[Records] = {}


class ClusterRecords:
    """Tables of the objects that names come from, changed by the listeners of their watches."""

    def __init__(self, domain: str) -> None:
        self.origin = from_text(domain)
        #: Another number after every change.
        self.generation = 1
        #: Whether every watch has listed: before, that a name is missing means nothing.
        self.is_complete = False
        self._services: dict[ObjectKey, Service] = {}
        self._slices: dict[ObjectKey, dict[str, EndpointSlice]] = {}
        self._namespaces: set[str] = set()
        self._names: dict[ObjectKey, EndpointNames] = {}  # Of headless Services asked for.
        #: Services by their addresses and by those of their endpoints.
        self._by_address: dict[str, dict[ObjectKey, int]] = {}

    def service_changed(self, old: Service | None, new: Service | None) -> None:
        """Note that a Service came, changed or went."""
        for service, count in ((old, -1), (new, 1)):
            if service is not None:
                key = (service.metadata.namespace, service.metadata.name)
                self._count(key, _cluster_ips(service), count)
                self._services.pop(key, None)
                self._changed(key)
                if count > 0:
                    self._services[key] = service

    def slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        """Note that an EndpointSlice came, changed or went."""
        for found, count in ((old, -1), (new, 1)):
            if found is None or SERVICE_LABEL not in found.metadata.labels:
                continue
            key = (found.metadata.namespace, found.metadata.labels[SERVICE_LABEL])
            self._count(key, _endpoint_addresses(found), count)
            slices = self._slices.setdefault(key, {})
            slices.pop(found.metadata.name, None)
            if count > 0:
                slices[found.metadata.name] = found
            elif not slices:
                del self._slices[key]
            self._changed(key)

    def namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        """Note that a Namespace came, changed or went."""
        if old is not None:
            self._namespaces.discard(old.metadata.name)
        if new is not None:
            self._namespaces.add(new.metadata.name)
        self.generation += 1

    def complete(self) -> None:
        """Note that the tables are complete from now on."""
        self.is_complete = True
        self.generation += 1

    def _changed(self, key: ObjectKey) -> None:
        self._names.pop(key, None)
        self.generation += 1

    def _count(self, key: ObjectKey, addresses: Iterable[str], count: int) -> None:
        """Count how often a Service's objects name an address."""
        for address in addresses:
            owners = self._by_address.setdefault(address, {})
            owners[key] = owners.get(key, 0) + count
            if not owners[key]:
                del owners[key]
            if not owners:
                del self._by_address[address]

    def at(self, labels: Sequence[str]) -> Records | None:
        """Return what stands at a name; None: there is no such name.

        `labels` are those before the cluster's domain, in lower case.
        """
        match labels:
            case () | ("svc",) | ("pod",) | ("dns",):
                return _NOTHING
            case ("dns-version",):
                return {RdataType.TXT: [TXT(IN, RdataType.TXT, (SCHEMA_VERSION.encode(),))]}
            case ("ns", "dns"):
                return self._of_service(OWN_SERVICE) or _NOTHING
            case (namespace, "svc" | "pod"):
                return _NOTHING if namespace in self._namespaces else None
            case (address, namespace, "pod"):
                return self._of_pod(address) if namespace in self._namespaces else None
            case (*within, name, namespace, "svc"):
                return self._within_service((namespace, name), tuple(within))
        return None

    def at_address(self, address: str) -> Records | None:
        """Return the names of an address of a Service, or of an endpoint of a headless one."""
        names: dict[Name, None] = {}
        for key in self._by_address.get(address, ()):
            service = self._services.get(key)
            if service is None:
                continue
            if not service.is_headless:
                if address in _cluster_ips(service):
                    names[self._name(key)] = None
                continue
            host = self._endpoints(key, service).by_address.get(address)
            if host is not None:
                names[self._name(key, host)] = None
        if not names:
            return None
        return {RdataType.PTR: [PTR(IN, RdataType.PTR, name) for name in names]}

    def additional(self, target: Name) -> Records:
        """Return the addresses at a name that a SRV record of ours names."""
        labels = tuple(label.decode("latin-1") for label in target.relativize(self.origin).labels)
        return self.at(labels) or _NOTHING

    def _within_service(self, key: ObjectKey, within: tuple[str, ...]) -> Records | None:
        service = self._services.get(key)
        if service is None:
            return None
        match within:
            case ():
                return self._of_service(key)
            case (host,) if not host.startswith("_"):
                if not service.is_headless:
                    return None
                return self._endpoints(key, service).by_host.get(host)
            case (protocol,):
                is_there = any(found == protocol[1:] for _, found in self._ports(key, service))
                return _NOTHING if is_there else None
            case (port, protocol) if port.startswith("_") and protocol.startswith("_"):
                wanted = (port[1:], protocol[1:])
                if not wanted[0]:
                    return None
                found = self._locations(key, service).get(wanted)
                return None if found is None else _location_records(found)
        return None

    def _of_service(self, key: ObjectKey) -> Records | None:
        """Return what stands at a Service's own name."""
        service = self._services.get(key)
        if service is None:
            return None
        if service.spec.type == "ExternalName":
            return _alias(service.spec.external_name)
        if service.is_headless:
            names = self._endpoints(key, service)
            if not names.together:
                return None  # As the specification says: an empty answer would be a Service's.
            addresses = dict(names.together)
        else:
            addresses = {}
            for address in _cluster_ips(service):
                record = address_record(address)
                addresses.setdefault(record.rdtype, []).append(record)
        locations = self._locations(key, service)
        every = dict.fromkeys(each for found in locations.values() for each in found)
        return {**addresses, **(_location_records(every) if every else {})}

    def _of_pod(self, text: str) -> Records | None:
        """Return the address that a pod's name states; nobody asks whether there is such a pod."""
        for separator in (".", ":"):
            try:
                address = ip_address(text.replace("-", separator))
            except ValueError:
                continue
            record = address_record(str(address))
            return {record.rdtype: [record]}
        return None

    def _locations(
        self, key: ObjectKey, service: Service
    ) -> dict[tuple[str, str], dict[tuple[Name, int], None]]:
        """Return target and port number of each port, by its name and protocol."""
        if service.is_headless:
            by_port = self._endpoints(key, service).by_port
            return {
                port: {(self._name(key, host), number): None for host, number in found}
                for port, found in by_port.items()
            }
        target = self._name(key)
        found: dict[tuple[str, str], dict[tuple[Name, int], None]] = {}
        for port in service.spec.ports or ():
            if port.port is not None:
                found.setdefault(_port_key(port), {})[target, port.port] = None
        return found

    def _ports(self, key: ObjectKey, service: Service) -> Iterator[tuple[str, str]]:
        """Yield name and protocol of the named ports."""
        if service.is_headless:
            yield from (port for port in self._endpoints(key, service).by_port if port[0])
        else:
            yield from (_port_key(port) for port in service.spec.ports or () if port.name)

    def _endpoints(self, key: ObjectKey, service: Service) -> EndpointNames:
        found = self._names.get(key)
        if found is None:
            found = endpoint_names(service, self._slices.get(key, {}).values())
            self._names[key] = found
        return found

    def _name(self, key: ObjectKey, host: str = "") -> Name:
        namespace, name = key
        labels = (*((host,) if host else ()), name, namespace, "svc")
        return Name((*(label.encode() for label in labels), *self.origin.labels))


def _port_key(port: Port) -> tuple[str, str]:
    return (port.name or "").lower(), (port.protocol or "TCP").lower()


def _cluster_ips(service: Service) -> tuple[str, ...]:
    """Return a Service's addresses in their usual spelling."""
    spec = service.spec
    if spec.type == "ExternalName" or service.is_headless:
        return ()
    texts = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    return tuple(dict.fromkeys(str(found) for text in texts if (found := _parsed(text))))


def _endpoint_addresses(found: EndpointSlice) -> Iterator[str]:
    for endpoint in found.endpoints or ():
        yield from (str(each) for text in endpoint.addresses or () if (each := _parsed(text)))


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _alias(external_name: str) -> Records:
    """Return the alias that an ExternalName is; one that cannot be a name is none."""
    try:
        target = from_text(external_name)
    except DNSException:
        return _NOTHING
    return {RdataType.CNAME: [CNAME(IN, RdataType.CNAME, target)]}


def _location_records(found: Iterable[tuple[Name, int]]) -> Records:
    targets = list(found)
    weight = max(1, _SRV_WEIGHTS // len(targets))
    records: list[Rdata] = [
        SRV(IN, RdataType.SRV, 0, weight, port, target) for target, port in targets
    ]
    return {RdataType.SRV: records}
