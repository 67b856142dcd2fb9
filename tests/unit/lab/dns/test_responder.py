"""`lab/dns/responder.py`: questions that this server answers alone, and what it remembers."""

from dns.flags import TC
from dns.message import from_wire, make_query
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from tests.unit.lab.dns.cluster_samples import (
    TCP,
    UDP,
    asked,
    endpoint,
    headless,
    records_of,
    responder_of,
    service,
    slice_of,
    zone_of,
)

from ciliate.lab.dns.cluster_zone import ClusterZone
from ciliate.lab.dns.counts import Counts
from ciliate.lab.dns.responder import REMEMBERED_MAX, Responder

WEB = service("web", clusterIP="10.96.1.1", clusterIPs=["10.96.1.1"])
NAME = "web.shop.svc.cluster.local."


def test_answer_that_is_remembered_has_the_number_of_its_question() -> None:
    responder = responder_of(WEB)

    for _ in range(3):
        query = make_query(NAME, "A")
        assert query.is_response(asked(responder, query))


def test_answer_is_remembered_no_longer_than_nothing_changes() -> None:
    records = records_of(WEB)
    responder = Responder(ClusterZone(records, []), Counts())
    query = make_query(NAME, "A")
    assert asked(responder, query).rcode() is Rcode.NOERROR

    records.service_changed(WEB, None)

    assert asked(responder, query).rcode() is Rcode.NXDOMAIN


def test_letters_are_remembered_apart() -> None:
    responder = responder_of(WEB)

    for name in (NAME, NAME.upper(), NAME):
        answer = asked(responder, make_query(name, "A"))
        assert str(answer.question[0].name) == str(answer.answer[0].name) == name


def test_addresses_of_a_headless_service_take_turns() -> None:
    endpoints = [endpoint(f"10.244.0.{n}") for n in range(1, 5)]
    responder = responder_of(headless("db"), slice_of("db", *endpoints))

    first = [
        asked(responder, make_query("db.shop.svc.cluster.local.", "A")).answer[0][0].to_text()
        for _ in range(40)
    ]

    assert [first.count(f"10.244.0.{n}") for n in range(1, 5)] == [10] * 4


def test_what_is_cut_for_a_datagram_is_whole_on_a_stream() -> None:
    endpoints = [endpoint(f"10.244.{n // 200}.{n % 200 + 1}") for n in range(1000)]
    responder = responder_of(headless("db"), slice_of("db", *endpoints))
    query = make_query("db.shop.svc.cluster.local.", "A")

    for _ in range(2):  # Built, then perhaps remembered.
        assert asked(responder, query, UDP).flags & TC
        whole = asked(responder, query, TCP)
        assert not whole.flags & TC
        assert len(whole.answer[0]) == 1000


def test_alias_within_the_cluster_is_followed() -> None:
    alias = service("a", type="ExternalName", externalName=NAME)
    further = service("b", type="ExternalName", externalName="a.shop.svc.cluster.local")

    answer = asked(responder_of(WEB, alias, further), make_query("b.shop.svc.cluster.local.", "A"))

    assert [each.rdtype for each in answer.answer] == [
        RdataType.CNAME,
        RdataType.CNAME,
        RdataType.A,
    ]
    assert answer.rcode() is Rcode.NOERROR


def test_alias_to_nothing_is_nothing() -> None:
    """RFC 6604: the code is that of the last name."""
    alias = service("a", type="ExternalName", externalName="gone.shop.svc.cluster.local")

    answer = asked(responder_of(alias), make_query("a.shop.svc.cluster.local.", "A"))

    assert (answer.rcode(), len(answer.answer)) == (Rcode.NXDOMAIN, 1)


def test_aliases_in_a_circle_end_as_a_failure() -> None:
    circle = [
        service("a", type="ExternalName", externalName="b.shop.svc.cluster.local"),
        service("b", type="ExternalName", externalName="a.shop.svc.cluster.local"),
    ]

    answer = asked(responder_of(*circle), make_query("a.shop.svc.cluster.local.", "A"))

    assert answer.rcode() is Rcode.SERVFAIL


def test_memory_of_answers_is_bounded() -> None:
    responder = responder_of(WEB)

    for number in range(REMEMBERED_MAX + 100):
        asked(responder, make_query(f"host-{number}.{NAME}", "A"))

    assert len(responder._remembered) == REMEMBERED_MAX


def test_server_without_others_to_ask_says_so() -> None:
    answer = asked(responder_of(), make_query("www.example.com.", "A"))

    assert answer.rcode() is Rcode.SERVFAIL


def test_octets_that_are_no_question_are_not_remembered() -> None:
    responder = Responder(zone_of(), Counts())

    assert responder.respond(b"\0" * 5, UDP) is None
    refused = responder.respond(b"\0\7" + b"\0" * 10, UDP)
    assert isinstance(refused, bytes)
    assert from_wire(refused).rcode() is Rcode.FORMERR
    assert not responder._remembered


def test_questions_and_answers_are_counted_as_prometheus_knows_them() -> None:
    counts = Counts()
    responder = Responder(zone_of(WEB), counts)

    asked(responder, make_query(NAME, "A"))
    asked(responder, make_query(NAME, "A"))
    asked(responder, make_query(NAME, "AAAA"), TCP)
    asked(responder, make_query(f"x.{NAME}", "HTTPS"))
    responder.respond(b"\0\7" + b"\0" * 10, UDP)

    families = {family.name: dict(family.samples) for family in counts.families()}
    server = ("dns://:53", ".")
    assert families["coredns_dns_requests_total"] == {
        (*server, "udp", "1", "A"): 2,
        (*server, "tcp", "1", "AAAA"): 1,
        (*server, "udp", "1", "other"): 2,
    }
    assert families["coredns_dns_responses_total"] == {
        (*server, "NOERROR"): 3,
        (*server, "NXDOMAIN"): 1,
        (*server, "FORMERR"): 1,
    }
    assert families["coredns_cache_hits_total"] == {(*server, "local"): 1}
    assert families["coredns_cache_misses_total"] == {server: 3}
