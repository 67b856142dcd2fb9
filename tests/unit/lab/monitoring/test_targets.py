"""What Prometheus scrapes: by annotations, within bounds."""

import pytest
from tests.unit.lab.monitoring.samples import endpoint_slice, pod, service

from ciliate.api.core import ContainerPort
from ciliate.lab.monitoring.targets import (
    TARGETS_MAX,
    AnnotationError,
    ScrapeTarget,
    first,
    of_pod,
    of_service,
)

PORT = "prometheus.io/port"


def test_pod_is_scraped_where_its_annotations_say() -> None:
    annotations = {PORT: "9962", "prometheus.io/path": "/own", "prometheus.io/scheme": "https"}

    assert [each.as_json() for each in of_pod(pod(annotations=annotations))] == [
        {
            "targets": ["10.0.0.7:9962"],
            "labels": {
                "__scheme__": "https",
                "__metrics_path__": "/own",
                "namespace": "default",
                "pod": "web",
                "node": "n1",
            },
        }
    ]


def test_pod_without_a_port_is_scraped_at_every_tcp_port_that_it_declares() -> None:
    ports = (ContainerPort(81), ContainerPort(80), ContainerPort(53, protocol="UDP"))

    assert [each.address for each in of_pod(pod(ports=ports))] == ["10.0.0.7:80", "10.0.0.7:81"]


@pytest.mark.parametrize(
    "left_out",
    [
        pod(annotations={PORT: "80", "prometheus.io/scrape": "false"}),
        pod(annotations={PORT: "80"}, phase="Succeeded"),
        pod(annotations={PORT: "80"}, pod_ip=""),
        pod(),
    ],
    ids=["it does not ask", "it has ended", "it has no address", "it has no port"],
)
def test_pod_is_left_out(left_out: object) -> None:
    assert list(of_pod(left_out)) == []  # type: ignore[arg-type]


def test_ipv6_address_stands_in_brackets() -> None:
    (target,) = of_pod(pod(annotations={PORT: "80"}, pod_ip="fd00::7"))

    assert target.address == "[fd00::7]:80"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        *(
            (PORT, value, "write a port")
            for value in ("", "http", "0", "65536", "-1", "٣", "9" * 99)
        ),
        ("prometheus.io/path", "metrics", "such as /metrics"),
        ("prometheus.io/scheme", "ftp", "http or https"),
    ],
)
def test_annotation_that_cannot_be_is_refused_by_name_and_value(
    name: str, value: str, remedy: str
) -> None:
    with pytest.raises(AnnotationError) as refused:
        list(of_pod(pod(annotations={name: value})))

    assert f"default/web: {name} is {value!r}: " in str(refused.value)
    assert remedy in str(refused.value)


def test_service_is_scraped_at_each_endpoint() -> None:
    targets = list(of_service(service(), [endpoint_slice("10.0.0.7", "10.0.0.8")]))

    assert [each.address for each in targets] == ["10.0.0.7:80", "10.0.0.8:80"]
    assert targets[0].labels == {
        "__scheme__": "http",
        "__metrics_path__": "/metrics",
        "namespace": "default",
        "service": "web",
        "pod": "web-0",
        "node": "n1",
    }


def test_service_of_two_families_is_scraped_once() -> None:
    slices = [endpoint_slice("10.0.0.7"), endpoint_slice("fd00::7", family="IPv6")]
    families = ("IPv6", "IPv4")

    assert [each.address for each in of_service(service(families=families), slices)] == [
        "[fd00::7]:80"
    ]


def test_port_of_a_services_annotation_counts() -> None:
    (target,) = of_service(service(annotations={PORT: "9153"}), [endpoint_slice("10.0.0.7")])

    assert target.address == "10.0.0.7:9153"


def test_file_has_the_networks_targets_first_and_others_within_its_bound() -> None:
    def target(namespace: str, number: int) -> ScrapeTarget:
        return ScrapeTarget(f"10.0.0.7:{number}", {"namespace": namespace, "pod": "x"})

    others = [target("a", number) for number in range(1, TARGETS_MAX + 10)]

    kept = first([*others, target("kube-system", 1)])

    assert len(kept) == TARGETS_MAX
    assert kept[0].labels["namespace"] == "kube-system"
    assert len(set(map(id, kept))) == TARGETS_MAX
