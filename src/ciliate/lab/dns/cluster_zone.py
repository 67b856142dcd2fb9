"""Answers of the cluster's domain, and of the addresses that it owns. Pure.

A question for the name of an address that no Service has is answered here where the address is of the
cluster's ranges; else others may know it, as for every name outside the domain.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from dns.exception import DNSException
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.IN.SRV import SRV
from dns.reversename import from_address, ipv4_reverse_domain, ipv6_reverse_domain, to_address
from dns.rrset import RRset

from ciliate.lab.dns.answer import (
    SERVER_FAILURE,
    Answer,
    Records,
    answer_of,
    authority_record,
    rrset,
)
from ciliate.lab.dns.records import ClusterRecords

IPNetwork = IPv4Network | IPv6Network

#: Targets of SRV records whose addresses are sent along; for the rest a client asks.
_ADDITIONAL_MAX: Final = 32
#: Answers that are kept: one may have the addresses of thousands of endpoints.
_KNOWN_MAX: Final = 512
_ADDRESS_DOMAINS: Final = (ipv4_reverse_domain, ipv6_reverse_domain)
_ADDRESS_TYPES: Final = (RdataType.A, RdataType.AAAA)


class ClusterZone:
    """Answers from the cluster's records (a Zone)."""

    def __init__(self, records: ClusterRecords, ranges: Sequence[IPNetwork]) -> None:
        self._records = records
        self._ranges = tuple(ranges)
        #: Answers as long as nothing changes; names are the same in whichever letters.
        self._known: dict[tuple[Name, RdataType], Answer | None] = {}
        self._known_generation = 0
        self._server = Name((b"ns", b"dns", *records.origin.labels))

    @property
    def generation(self) -> int:
        """A number that is another one once an answer may be."""
        return self._records.generation

    def find(self, name: Name, rdtype: RdataType) -> Answer | None:
        """Return the answer; None: others know such names."""
        origin = self._records.origin
        is_address = any(name.is_subdomain(each) for each in _ADDRESS_DOMAINS)
        if not is_address and not name.is_subdomain(origin):
            return None
        if not self._records.is_complete:
            return SERVER_FAILURE
        if self._known_generation != self.generation or len(self._known) >= _KNOWN_MAX:
            self._known.clear()
            self._known_generation = self.generation
        key = (name, rdtype)
        if key not in self._known:
            find = self._of_address if is_address else self._below
            self._known[key] = find(name, rdtype)
        return self._known[key]

    def _below(self, name: Name, rdtype: RdataType) -> Answer:
        """Return the answer to a question below the cluster's domain."""
        origin = self._records.origin
        own = name.labels[: len(name.labels) - len(origin.labels)]
        records = self._records.at(tuple(label.lower().decode("latin-1") for label in own))
        authority = self._authority(origin)
        if not own:
            server = NS(IN, RdataType.NS, self._server)
            records = {RdataType.SOA: list(authority), RdataType.NS: [server]}
        found = answer_of(name, rdtype, records, authority)
        additional = tuple(self._additional(found)) if records else ()
        return Answer(
            rcode=found.rcode,
            answer=found.answer,
            authority=found.authority,
            additional=additional,
            target=found.target,
        )

    def _of_address(self, name: Name, rdtype: RdataType) -> Answer | None:
        """Return the answer to a question for the names of an address."""
        try:
            address = ip_address(to_address(name))
        except (DNSException, ValueError):
            return None  # A part of an address, or something else: not the cluster's to know.
        records = self._records.at_address(str(address))
        owner = next((each for each in self._ranges if address in each), None)
        if records is None and owner is None:
            return None
        origin = self._records.origin if owner is None else reverse_zone(owner)
        return answer_of(name, rdtype, records, self._authority(origin))

    def _authority(self, origin: Name) -> RRset:
        return authority_record(origin, self._server, self.generation)

    def _additional(self, answer: Answer) -> Iterator[RRset]:
        """Yield the addresses of the servers that an answer names (RFC 2782, NS: RFC 1035)."""
        targets = dict.fromkeys(
            each.target for found in answer.answer for each in found if isinstance(each, SRV | NS)
        )
        for target in list(targets)[:_ADDITIONAL_MAX]:
            addresses: Records = self._records.additional(target)
            for rdtype in _ADDRESS_TYPES:
                if rdtype in addresses:
                    yield rrset(target, addresses[rdtype])


def reverse_zone(network: IPNetwork) -> Name:
    """Return the zone of a range's addresses: 10.96.0.0/16 is 96.10.in-addr.arpa."""
    whole = from_address(str(network.network_address))
    bits = 8 if network.version == 4 else 4
    return Name(whole.labels[(network.max_prefixlen - network.prefixlen + bits - 1) // bits :])
