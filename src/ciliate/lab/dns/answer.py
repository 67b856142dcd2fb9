"""An answer as a value: what to say to a question, before it is a message. Pure.

RRsets of dnspython can be changed; nobody changes those of an answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from dns.name import Name
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rrset import RRset, from_rdata_list

#: For how long, in seconds, a client may remember what there is, and what there is not: a Service
#: changes, and what waits for one is not to wait longer. As in kubeadm's configuration.
TTL_S: Final = 30
NEGATIVE_TTL_S: Final = 30

_SOA_REFRESH_S: Final = 7200
_SOA_RETRY_S: Final = 1800
_SOA_EXPIRE_S: Final = 86400

#: What stands at a name, by type; an empty mapping is a name that is there without records.
Records = dict[RdataType, list[Rdata]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say; `target` is a name whose records, by whoever knows them, complete it."""

    rcode: Rcode = Rcode.NOERROR
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    is_authoritative: bool = True
    target: Name | None = None

    def behind(self, alias: "Answer") -> "Answer":
        """Return this answer as that of a name which is an alias (RFC 6604: its rcode counts)."""
        return Answer(
            rcode=self.rcode,
            answer=alias.answer + self.answer,
            authority=self.authority,
            additional=self.additional,
            is_authoritative=alias.is_authoritative,
            target=self.target,
        )


class Zone(Protocol):
    """Answers for some names."""

    @property
    def generation(self) -> int:
        """A number that is another one once an answer may be."""

    def find(self, name: Name, rdtype: RdataType) -> Answer | None:
        """Return the answer; None: others know such names."""


SERVER_FAILURE: Final = Answer(rcode=Rcode.SERVFAIL, is_authoritative=False)
REFUSAL: Final = Answer(rcode=Rcode.REFUSED, is_authoritative=False)


def rrset(name: Name, rdatas: Iterable[Rdata], ttl_s: int = TTL_S) -> RRset:
    """Return records of one type at `name`."""
    return from_rdata_list(name, ttl_s, list(rdatas))


def address_record(address: str) -> Rdata:
    """Return an A or AAAA record.

    Raises:
        ValueError: It is no address.
    """
    if ":" in address:
        return AAAA(IN, RdataType.AAAA, address)
    return A(IN, RdataType.A, address)


def authority_record(origin: Name, master: Name, serial: int) -> RRset:
    """Return the SOA record of a zone; its last number bounds negative answers (RFC 2308)."""
    hostmaster = Name((b"hostmaster", *origin.labels)) if len(origin) > 1 else master
    soa = SOA(
        IN,
        RdataType.SOA,
        master,
        hostmaster,
        serial,
        _SOA_REFRESH_S,
        _SOA_RETRY_S,
        _SOA_EXPIRE_S,
        NEGATIVE_TTL_S,
    )
    return rrset(origin, (soa,), NEGATIVE_TTL_S)


def answer_of(name: Name, rdtype: RdataType, records: Records | None, authority: RRset) -> Answer:
    """Return the answer where `records` stand at `name`; None: there is no such name.

    To a question for anything at all comes one type (RFC 8482, section 4.1).
    """
    if records is None:
        return Answer(rcode=Rcode.NXDOMAIN, authority=(authority,))
    aliases = records.get(RdataType.CNAME)
    if aliases and rdtype not in (RdataType.CNAME, RdataType.ANY):
        alias = aliases[0]
        assert isinstance(alias, CNAME)
        return Answer(answer=(rrset(name, aliases),), target=alias.target)
    found = next(iter(records.values()), None) if rdtype is RdataType.ANY else records.get(rdtype)
    if not found:
        return Answer(authority=(authority,))
    return Answer(answer=(rrset(name, found),))
