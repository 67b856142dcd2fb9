"""What Cilium's annotations on a Service ask for."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.services.service_objects import NODE, SETTINGS, key, known
from tests.unit.services.test_frontends import NODE_PORTS, at, types

from ciliate.api.label_selectors import matches
from ciliate.api.service_annotations import read_selector
from ciliate.datapath.layout import FrontendType
from ciliate.services.book import ServiceBook
from ciliate.services.frontends import frontends_of

LABELS = {"zone": "a", "role": "db"}


@pytest.mark.parametrize(
    ("text", "is_matched"),
    [
        ("", True),
        ("zone=a", True),
        ("zone==a, role = db", True),
        ("zone=b", False),
        ("zone!=b", True),
        ("rack!=b", True),
        ("zone in (a, b),role", True),
        ("zone notin (a,b)", False),
        ("rack notin (a)", True),
        ("!rack", True),
        ("!zone", False),
        ("rack", False),
    ],
)
def test_a_selector_is_read_as_kubectl_writes_it(text: str, *, is_matched: bool) -> None:
    assert matches(read_selector(text), LABELS) is is_matched


@pytest.mark.parametrize("text", ["zone in a", "=a", "zone=a role=db", "a,,b", "zone in (a"])
def test_a_selector_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read from"):
        read_selector(text)


def balancer(**annotations: str) -> Any:
    return known(
        type="LoadBalancer",
        ports=NODE_PORTS,
        ipFamilies=["IPv4"],
        ingress=[{"ip": "203.0.113.9"}],
        annotations={f"service.cilium.io/{name}": value for name, value in annotations.items()},
    )


@pytest.mark.parametrize(
    ("type_", "kinds"),
    [
        ("ClusterIP", {FrontendType.FRONTEND_CLUSTER_IP}),
        ("NodePort", {FrontendType.FRONTEND_NODE_PORT}),
        ("LoadBalancer", {FrontendType.FRONTEND_LOAD_BALANCER}),
    ],
)
def test_only_the_type_that_is_named_is_served(type_: str, kinds: set[FrontendType]) -> None:
    assert set(types(balancer(type=type_)).values()) == kinds


def test_a_type_that_there_is_not_is_named_and_ignored() -> None:
    service = balancer(type="Everything")

    assert len(set(types(service).values())) == 3
    assert service.problems == (
        (
            'Service shop/web: metadata.annotations[service.cilium.io/type]: "Everything" is no type of'
            " Service: it is ignored; correct or remove it"
        ),
    )


@pytest.mark.parametrize(
    ("annotations", "labels", "is_served"),
    [
        ({"node": "edge"}, {"service.cilium.io/node": "edge"}, True),
        ({"node": "edge"}, {"service.cilium.io/node": "core"}, False),
        ({"node": "edge"}, {}, False),
        ({"node-selector": "role=edge"}, {"role": "edge"}, True),
        ({"node-selector": "role=edge"}, {"role": "core"}, False),
        (
            {"node-selector": "role=edge", "node": "edge"},
            {"role": "core", "service.cilium.io/node": "edge"},
            False,
        ),
        ({"node-selector": "role in"}, {}, True),
    ],
)
def test_a_service_is_served_on_the_nodes_that_are_named(
    annotations: dict[str, str], labels: dict[str, str], *, is_served: bool
) -> None:
    service = balancer(**annotations)
    found = at(frontends_of(service, replace(NODE, labels=labels), SETTINGS))

    assert bool(found) is is_served


def test_a_node_that_gets_or_loses_the_label_serves_the_service_or_not() -> None:
    book = ServiceBook(NODE, SETTINGS)
    service = balancer(node="edge")
    book.put_service(key(), service)
    assert len(book) == 0

    labelled = replace(NODE, labels={"service.cilium.io/node": "edge"})
    touched = book.set_node(labelled)
    assert touched == set(book)
    assert len(book) > 0
    assert book.set_node(labelled) == set()
    assert book.set_node(NODE) == touched
    assert len(book) == 0


@pytest.mark.parametrize(
    ("name", "value", "is_named"),
    [
        ("forwarding-mode", "dsr", True),
        ("forwarding-mode", "snat", False),
        ("lb-algorithm", "maglev", True),
        ("lb-l7", "enabled", True),
        ("proxy-delegation", "delegate-if-local", True),
        ("proxy-delegation", "none", False),
    ],
)
def test_what_is_not_supported_is_named(name: str, value: str, *, is_named: bool) -> None:
    service = balancer(**{name: value})

    expected = (
        f'Service shop/web: metadata.annotations[service.cilium.io/{name}]: "{value}" is not'
        " supported: it is ignored; remove it"
    )
    assert service.problems == ((expected,) if is_named else ())
