"""`masquerade/ports/metrics.py`: few series, of what is full and of who loses."""

import math

from tests.unit.masquerade.ports.samples import CURL, NAMES, PORTS, WEB, page, remote

from ciliate.masquerade.ports.book import NODE, Account, Counts, OwnerName, PortBook
from ciliate.masquerade.ports.metrics import PODS_MAX, REMOTES_MAX, port_families
from ciliate.metrics.family import FamilyKind, Sample

LABELS = ("192.168.10.100", "203.0.113.10", "80", "TCP")
OF_DESTINATION = (
    "ciliate_masquerade_ports_used",
    "ciliate_masquerade_ports_limit",
    "ciliate_masquerade_ports_seconds_to_exhaustion",
    "ciliate_masquerade_pod_ports_used",
)


def samples(*pages: object, accounts: tuple[Account, ...] = ()) -> dict[str, list[Sample]]:
    book = PortBook(Counts(), tuple(pages))  # type: ignore[arg-type]  # Pages, all of them.
    families = port_families(book, accounts, NAMES.__getitem__)
    return {family.name: list(family.samples) for family in families}


def test_a_full_destination_has_its_fill_its_end_and_its_holders() -> None:
    found = samples(page(PORTS // 2, growth=64.0, holders={1: 16000, 2: 384}))

    assert found["cilium_nat_endpoint_max_connection"] == [(("ipv4",), 50.0), (("ipv6",), 0)]
    assert found["ciliate_masquerade_ports_used"] == [(LABELS, PORTS // 2)]
    assert found["ciliate_masquerade_ports_limit"] == [(LABELS, PORTS)]
    assert found["ciliate_masquerade_ports_seconds_to_exhaustion"] == [(LABELS, 256.0)]
    assert found["ciliate_masquerade_pod_ports_used"] == [
        ((*WEB, *LABELS), 16000),
        ((*CURL, *LABELS), 384),
    ]


def test_what_does_not_grow_is_never_exhausted() -> None:
    (sample,) = samples(page(PORTS // 2))["ciliate_masquerade_ports_seconds_to_exhaustion"]

    assert sample == (LABELS, math.inf)


def test_a_destination_with_few_ports_has_no_series_but_its_failures() -> None:
    found = samples(page(PORTS // 10 - 1, failed=3))

    assert all(found[name] == [] for name in OF_DESTINATION)
    assert found["ciliate_masquerade_port_failures_total"] == [(LABELS, 3)]


def test_the_number_of_destinations_is_bounded() -> None:
    pages = [page(PORTS, remote(port), failed=port) for port in range(1, 100)]
    found = samples(*pages)

    assert all(len(found[name]) == REMOTES_MAX for name in OF_DESTINATION)
    failures = found["ciliate_masquerade_port_failures_total"]
    assert [value for _, value in failures] == list(range(99, 99 - REMOTES_MAX, -1))


def test_each_family_has_its_fullest_destination() -> None:
    found = samples(page(PORTS), page(PORTS // 4, remote(world="2001:db8::10", node="fd00::1")))

    assert found["cilium_nat_endpoint_max_connection"] == [(("ipv4",), 100.0), (("ipv6",), 25.0)]


def test_pods_with_most_connections_and_pods_that_lost_some_have_series() -> None:
    pods = [
        Account(OwnerName("default", f"pod-{number}"), 100 - number, number, 0)
        for number in range(2 * PODS_MAX)
    ]
    found = samples(accounts=(Account(NODE, 500, 9, 9), *pods))

    held = found["ciliate_masquerade_pod_connections"]
    evicted = found["ciliate_masquerade_pod_connections_evicted_total"]
    assert held == [(pod.owner, pod.connections) for pod in pods[:PODS_MAX]]
    assert evicted == [(pod.owner, pod.evicted) for pod in pods[: PODS_MAX - 1 : -1]]
    assert {value for _, value in found["ciliate_masquerade_pod_connections_refused_total"]} == {0}


def test_series_are_labelled_and_only_what_counts_up_is_a_counter() -> None:
    families = port_families(PortBook(), (), NAMES.__getitem__)
    remote_labels, pod_labels = ("address", "remote", "port", "protocol"), ("namespace", "pod")

    assert {family.name: family.labels for family in families} == {
        "cilium_nat_endpoint_max_connection": ("family",),
        "ciliate_masquerade_ports_used": remote_labels,
        "ciliate_masquerade_ports_limit": remote_labels,
        "ciliate_masquerade_ports_seconds_to_exhaustion": remote_labels,
        "ciliate_masquerade_pod_ports_used": (*pod_labels, *remote_labels),
        "ciliate_masquerade_port_failures_total": remote_labels,
        "ciliate_masquerade_pod_connections": pod_labels,
        "ciliate_masquerade_pod_connections_evicted_total": pod_labels,
        "ciliate_masquerade_pod_connections_refused_total": pod_labels,
    }
    for family in families:
        assert (family.kind is FamilyKind.COUNTER) == family.name.endswith("_total")


def test_the_pods_of_a_destination_are_bounded() -> None:
    names = {number: OwnerName("default", f"pod-{number}") for number in range(1, 9)}
    full = page(PORTS, holders=dict.fromkeys(names, 9))
    families = port_families(PortBook(Counts(), (full,)), (), names.__getitem__)

    (pods,) = (each for each in families if each.name == "ciliate_masquerade_pod_ports_used")
    assert [labels[1] for labels, _ in pods.samples] == ["pod-1", "pod-2", "pod-3"]


def test_a_pod_that_only_was_refused_has_series() -> None:
    found = samples(accounts=(Account(CURL, 0, 0, 7), Account(WEB, 1, 0, 0)))

    assert found["ciliate_masquerade_pod_connections_refused_total"] == [(CURL, 7)]
