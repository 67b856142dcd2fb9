"""`lab/dns/cluster_zone.py`: the Kubernetes DNS specification 1.1, record by record."""

from ipaddress import ip_network

import pytest
from dns.name import from_text
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from tests.unit.lab.dns.cluster_samples import (
    endpoint,
    found,
    headless,
    records_of,
    service,
    slice_of,
    told,
    zone_of,
)

from ciliate.lab.dns.answer import SERVER_FAILURE
from ciliate.lab.dns.cluster_zone import ClusterZone, reverse_zone
from ciliate.lab.dns.records import ClusterRecords

HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
QUERIES = {"name": "Queries", "port": 53, "protocol": "UDP"}
UNNAMED = {"port": 7, "protocol": "TCP"}

WEB = service("web", clusterIP="10.96.1.1", clusterIPs=["10.96.1.1"], ports=[HTTP, QUERIES])
BOTH = service(
    "both", clusterIP="10.96.1.2", clusterIPs=["10.96.1.2", "fd00:10:96::2"], ports=[UNNAMED]
)
DB = headless("db", ports=[HTTP])
DB_SLICE = slice_of(
    "db",
    endpoint("10.244.0.5", hostname="db-0"),
    endpoint("10.244.1.6"),
    endpoint("10.244.1.7", hostname="db-2", ready=False),
    ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
)
DB_SLICE_V6 = slice_of(
    "db",
    endpoint("fd00:10:244::5", hostname="db-0"),
    name="s2",
    ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
)
COLD = headless("cold")
COLD_SLICE = slice_of("cold", endpoint("10.244.0.9", ready=False), name="c1")
EAGER = headless("eager", publishNotReadyAddresses=True)
EAGER_SLICE = slice_of("eager", endpoint("10.244.0.10", ready=False), name="e1")
ALIAS = service("alias", type="ExternalName", externalName="www.example.com")
DNS = service("kube-dns", "kube-system", clusterIP="10.96.0.10", clusterIPs=["10.96.0.10"])

ZONE = zone_of(
    *(WEB, BOTH, DB, DB_SLICE, DB_SLICE_V6, COLD, COLD_SLICE, EAGER, EAGER_SLICE, ALIAS, DNS)
)

#: Question, type, and the records of the answer; none of them: the name is there without.
RECORDS = [
    ("dns-version.cluster.local.", "TXT", ['"1.1.0"']),
    ("web.shop.svc.cluster.local.", "A", ["10.96.1.1"]),
    ("WEB.Shop.svc.Cluster.LOCAL.", "A", ["10.96.1.1"]),
    ("web.shop.svc.cluster.local.", "AAAA", []),
    ("web.shop.svc.cluster.local.", "MX", []),
    ("web.shop.svc.cluster.local.", "ANY", ["10.96.1.1"]),
    ("both.shop.svc.cluster.local.", "A", ["10.96.1.2"]),
    ("both.shop.svc.cluster.local.", "AAAA", ["fd00:10:96::2"]),
    (
        "_http._tcp.web.shop.svc.cluster.local.",
        "SRV",
        ["0 100 80 web.shop.svc.cluster.local."],
    ),
    (
        "_queries._udp.web.shop.svc.cluster.local.",
        "SRV",
        ["0 100 53 web.shop.svc.cluster.local."],
    ),
    ("_http._tcp.web.shop.svc.cluster.local.", "A", []),
    ("_tcp.web.shop.svc.cluster.local.", "SRV", []),
    ("both.shop.svc.cluster.local.", "SRV", ["0 100 7 both.shop.svc.cluster.local."]),
    ("db.shop.svc.cluster.local.", "A", ["10.244.0.5", "10.244.1.6"]),
    ("db.shop.svc.cluster.local.", "AAAA", ["fd00:10:244::5"]),
    ("db-0.db.shop.svc.cluster.local.", "A", ["10.244.0.5"]),
    ("db-0.db.shop.svc.cluster.local.", "AAAA", ["fd00:10:244::5"]),
    ("10-244-1-6.db.shop.svc.cluster.local.", "A", ["10.244.1.6"]),
    ("10-244-1-6.db.shop.svc.cluster.local.", "AAAA", []),
    (
        "_http._tcp.db.shop.svc.cluster.local.",
        "SRV",
        [
            "0 50 8080 db-0.db.shop.svc.cluster.local.",
            "0 50 8080 10-244-1-6.db.shop.svc.cluster.local.",
        ],
    ),
    ("eager.shop.svc.cluster.local.", "A", ["10.244.0.10"]),
    ("1.1.96.10.in-addr.arpa.", "PTR", ["web.shop.svc.cluster.local."]),
    ("5.0.244.10.in-addr.arpa.", "PTR", ["db-0.db.shop.svc.cluster.local."]),
    ("6.1.244.10.in-addr.arpa.", "PTR", ["10-244-1-6.db.shop.svc.cluster.local."]),
    ("1.1.96.10.in-addr.arpa.", "A", []),
    (
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.",
        "PTR",
        ["both.shop.svc.cluster.local."],
    ),
    ("10-244-7-9.shop.pod.cluster.local.", "A", ["10.244.7.9"]),
    ("10-244-7-9.shop.pod.cluster.local.", "AAAA", []),
    ("fd00-10-244--9.shop.pod.cluster.local.", "AAAA", ["fd00:10:244::9"]),
    ("ns.dns.cluster.local.", "A", ["10.96.0.10"]),
    ("cluster.local.", "NS", ["ns.dns.cluster.local."]),
    ("cluster.local.", "A", []),
    ("svc.cluster.local.", "A", []),
    ("shop.svc.cluster.local.", "A", []),
    ("empty.svc.cluster.local.", "A", []),
    ("empty.pod.cluster.local.", "A", []),
    ("alias.shop.svc.cluster.local.", "CNAME", ["www.example.com."]),
]

ABSENT = [
    "none.cluster.local.",
    "none.shop.svc.cluster.local.",
    "web.other.svc.cluster.local.",
    "other.svc.cluster.local.",
    "host.web.shop.svc.cluster.local.",
    "db-2.db.shop.svc.cluster.local.",
    "cold.shop.svc.cluster.local.",
    "_https._tcp.web.shop.svc.cluster.local.",
    "_http._udp.web.shop.svc.cluster.local.",
    "_sctp.web.shop.svc.cluster.local.",
    "_._tcp.both.shop.svc.cluster.local.",
    "a.b.c.web.shop.svc.cluster.local.",
    "10-244-7-9.other.pod.cluster.local.",
    "10-244-7-999.shop.pod.cluster.local.",
    "web-1.shop.pod.cluster.local.",
]


@pytest.mark.parametrize(("name", "kind", "data"), RECORDS)
def test_name_has_the_records_of_the_specification(name: str, kind: str, data: list[str]) -> None:
    answer = found(ZONE, name, kind)

    assert answer.rcode is Rcode.NOERROR
    assert answer.is_authoritative
    told_data = [each.to_text() for records in answer.answer for each in records]
    assert sorted(told_data) == sorted(data)
    assert [each.ttl for each in answer.answer] == ([30] if data else [])
    assert bool(answer.authority) != bool(data), "what is empty comes with the zone's SOA"


@pytest.mark.parametrize("kind", ["A", "AAAA", "SRV", "TXT"])
@pytest.mark.parametrize("name", ABSENT)
def test_name_that_is_not_there_is_denied_for_half_a_minute(name: str, kind: str) -> None:
    answer = found(ZONE, name, kind)

    assert answer.rcode is Rcode.NXDOMAIN
    (authority,) = answer.authority
    assert authority.rdtype is RdataType.SOA
    assert authority.name == from_text("cluster.local.")
    assert (authority.ttl, authority[0].minimum) == (30, 30)


def test_alias_is_told_and_left_to_be_followed() -> None:
    answer = found(ZONE, "alias.shop.svc.cluster.local.", "A")

    assert told(answer) == ["alias.shop.svc.cluster.local. CNAME www.example.com."]
    assert answer.target == from_text("www.example.com.")


def test_external_name_of_digits_is_a_name() -> None:
    """Kubernetes' documentation: such a name is never taken for an address."""
    zone = zone_of(service("old", type="ExternalName", externalName="192.0.2.1"))

    answer = found(zone, "old.shop.svc.cluster.local.", "A")

    assert told(answer) == ["old.shop.svc.cluster.local. CNAME 192.0.2.1."]


def test_location_comes_with_the_addresses_of_its_target() -> None:
    answer = found(ZONE, "_http._tcp.db.shop.svc.cluster.local.", "SRV")

    sent = {(str(each.name), item.to_text()) for each in answer.additional for item in each}
    assert sent == {
        ("db-0.db.shop.svc.cluster.local.", "10.244.0.5"),
        ("db-0.db.shop.svc.cluster.local.", "fd00:10:244::5"),
        ("10-244-1-6.db.shop.svc.cluster.local.", "10.244.1.6"),
    }


@pytest.mark.parametrize("name", ["www.example.com.", "local.", ".", "mycluster.local."])
def test_name_outside_the_domain_is_others_to_know(name: str) -> None:
    assert ZONE.find(from_text(name), RdataType.A) is None


def test_address_of_the_clusters_ranges_is_denied_and_others_are_asked_for() -> None:
    zone = ClusterZone(records_of(WEB), [ip_network("10.96.0.0/16")])

    inside = found(zone, "9.9.96.10.in-addr.arpa.", "PTR")

    assert inside.rcode is Rcode.NXDOMAIN
    assert inside.authority[0].name == from_text("96.10.in-addr.arpa.")
    for outside in ("10.113.0.203.in-addr.arpa.", "96.10.in-addr.arpa.", "x.in-addr.arpa."):
        assert zone.find(from_text(outside), RdataType.PTR) is None


@pytest.mark.parametrize(
    ("network", "zone"),
    [
        ("10.96.0.0/16", "96.10.in-addr.arpa."),
        ("10.244.0.0/20", "244.10.in-addr.arpa."),
        ("fd00:10:96::/112", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."),
    ],
)
def test_zone_of_a_range_is_whole_labels(network: str, zone: str) -> None:
    assert str(reverse_zone(ip_network(network))) == zone


def test_names_are_not_denied_before_the_cluster_is_known() -> None:
    """A denial would be remembered by clients, for a Service that is there all along."""
    zone = ClusterZone(ClusterRecords("cluster.local"), [])

    assert zone.find(from_text("web.shop.svc.cluster.local."), RdataType.A) is SERVER_FAILURE
    assert zone.find(from_text("1.1.96.10.in-addr.arpa."), RdataType.PTR) is SERVER_FAILURE
    assert zone.find(from_text("www.example.com."), RdataType.A) is None
