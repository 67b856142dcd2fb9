"""`explain service`: what is asked, and the answers of nodes as people read them."""

import click
import pytest

from ciliate.api.service import Service, ServicePort, ServiceSpec
from ciliate.cli.explain_service import question_of
from ciliate.cli.service_explanation import explanation_text, grouped
from ciliate.services.explain.answer import (
    EndpointVerdict,
    Explanation,
    FrontendVerdict,
    PortExplanation,
    Question,
)
from ciliate.services.explain.question import ServiceUnknownError, refuse_unknown_port

CHOSEN = EndpointVerdict(endpoint="10.0.1.5:8080", chosen=True, node="w1", state="ready", slot=1)
ELSEWHERE = EndpointVerdict(
    endpoint="10.0.1.6:8080",
    chosen=False,
    because="on another node, and the traffic policy is Local",
    node="w2",
    state="ready",
)


def explanation(*endpoints: EndpointVerdict, node: str = "w1", number: int = 1) -> Explanation:
    port = PortExplanation(
        port="http 80/TCP",
        family="IPv4",
        set=number,
        frontends=(
            FrontendVerdict(frontend="192.168.0.1:30080/TCP", type="NodePort"),
            FrontendVerdict(
                frontend="192.0.2.9:80/TCP", type="LoadBalancer", problem="not in the map yet"
            ),
        ),
        endpoints=endpoints,
    )
    return Explanation(
        service="shop/web",
        node=node,
        client="198.51.100.7",
        scope="outside",
        policy="Local",
        ports=(port,),
    )


def test_each_endpoint_is_a_row_with_its_verdict() -> None:
    assert explanation_text(explanation(CHOSEN, ELSEWHERE)) == (
        "shop/web for 198.51.100.7 on w1: outside the cluster, traffic policy Local\n"
        "\n"
        "Port http 80/TCP, IPv4, at 192.168.0.1:30080/TCP\n"
        "  192.0.2.9:80/TCP: not in the map yet\n"
        "ENDPOINT        NODE   STATE   SLOT   VERDICT\n"
        "10.0.1.5:8080   w1     ready   1      would be chosen\n"
        "10.0.1.6:8080   w2     ready   -      would not be chosen: on another node, and the"
        " traffic policy is Local\n"
    )


def test_what_the_api_says_otherwise_stands_behind_the_verdict() -> None:
    found = EndpointVerdict(
        endpoint="10.0.1.5:8080",
        chosen=False,
        because="not in the map yet",
        difference="the API says that it would be",
    )

    assert (
        "would not be chosen: not in the map yet (the API says that it would be)\n"
        in explanation_text(explanation(found))
    )


def test_service_without_endpoints_says_what_a_client_meets() -> None:
    assert "  no endpoints: connections are refused\n" in explanation_text(explanation())


def test_nodes_that_say_the_same_are_one_whatever_their_slots() -> None:
    moved = EndpointVerdict(
        endpoint="10.0.1.5:8080", chosen=True, node="w1", state="ready", slot=7
    )
    found = {
        "b": explanation(CHOSEN, node="b"),
        "a": explanation(moved, node="a", number=9),
        "c": explanation(ELSEWHERE, node="c"),
    }

    assert [nodes for nodes, _ in grouped(found)] == [("a", "b"), ("c",)]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("shop/web", Question(namespace="shop", name="web")),
        ("web:http", Question(namespace="default", name="web", port="http")),
        ("svc/web:80", Question(namespace="default", name="web", port="80")),
    ],
)
def test_service_is_named_as_kubectl_does(typed: str, asked: Question) -> None:
    assert question_of(typed, "") == asked


@pytest.mark.parametrize("typed", ["", "a/b/c", "shop/", ":80"])
def test_what_names_no_service_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="NAMESPACE/NAME"):
        question_of(typed, "")


def test_port_that_a_service_does_not_have_is_refused_with_those_that_it_has() -> None:
    service = Service(spec=ServiceSpec(ports=(ServicePort(name="http", port=80),)))

    for text in ("", "http", "80"):
        refuse_unknown_port(service, text)
    with pytest.raises(ServiceUnknownError, match=r"no port 81 \(there are: http 80/TCP\)"):
        refuse_unknown_port(service, "81")
