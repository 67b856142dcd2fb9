"""The names that the machine `internet` knows: a few, for experiments, and no others. Pure.

The names are those that documentation is written with (RFC 2606), the addresses are the machine's own.
It is the root of this world: what is not here is nowhere, and nothing is asked of anybody outside.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from dns.name import Name, from_text, root
from dns.rdata import from_text as rdata_from_text
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.PTR import PTR
from dns.reversename import from_address

from ciliate.lab.dns.answer import Answer, Records, address_record, answer_of, authority_record

_SERIAL: Final = 1
_SERVER: Final = from_text("ns.example.com.")
_WEB: Final = from_text("www.example.com.")

#: Names of the machine itself.
_OWN_NAMES: Final = ("www.example.com.", "example.com.", "ns.example.com.", "mail.example.com.")
#: How many addresses `many.example.com` has: an answer that no datagram holds.
_MANY: Final = 100

#: Further records.
_RECORDS: Final = (
    ("web.example.net.", RdataType.CNAME, "www.example.com."),
    ("gone.example.net.", RdataType.CNAME, "nothing.example.com."),
    ("example.com.", RdataType.MX, "10 mail.example.com."),
    ("example.com.", RdataType.TXT, '"this is the internet of a lab"'),
    *(("many.example.com.", RdataType.A, f"198.51.100.{host}") for host in range(1, _MANY + 1)),
)


class InternetZone:
    """Answers from a fixed table (a Zone)."""

    generation = 1

    def __init__(self, addresses: Sequence[IPv4Address | IPv6Address]) -> None:
        self._records: dict[Name, Records] = {}
        for address in addresses:
            record = address_record(str(address))
            for text in _OWN_NAMES:
                self._at(from_text(text)).setdefault(record.rdtype, []).append(record)
            names = [PTR(IN, RdataType.PTR, _WEB)]
            self._at(from_address(str(address)))[RdataType.PTR] = [*names]
        for text, rdtype, data in _RECORDS:
            found = rdata_from_text(IN, rdtype, data)
            self._at(from_text(text)).setdefault(rdtype, []).append(found)
        self._authority = authority_record(root, _SERVER, _SERIAL)

    def find(self, name: Name, rdtype: RdataType) -> Answer:
        """Return the answer; there is always one."""
        return answer_of(name, rdtype, self._records.get(name), self._authority)

    def _at(self, name: Name) -> Records:
        """Return what stands at a name, which is there from now on, and those above it."""
        for above in range(1, len(name.labels)):
            self._records.setdefault(Name(name.labels[above:]), {})
        return self._records.setdefault(name, {})
