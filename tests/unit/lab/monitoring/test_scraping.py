import pytest

from ciliate.config.installation import Installation
from ciliate.lab.monitoring.scraping import flow_metrics_service, scrape_annotations


@pytest.mark.parametrize(
    ("address", "port"), [(":9962", "9962"), ("127.0.0.1:99", "99"), ("[::1]:9963", "9963")]
)
def test_annotations_name_the_port_of_the_address(address: str, port: str) -> None:
    assert scrape_annotations(address) == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": port,
    }


def test_what_serves_no_metrics_is_not_annotated() -> None:
    assert scrape_annotations("") == {}


def test_flow_servers_are_behind_a_service_without_an_address() -> None:
    names = Installation(namespace="net", agent_pod_selector="app=agent")

    service = flow_metrics_service(names, listen_address=":9965")

    assert service["metadata"]["name"] == "hubble-metrics"
    assert service["metadata"]["namespace"] == "net"
    assert service["metadata"]["annotations"]["prometheus.io/port"] == "9965"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"app": "agent"}
    assert [port["port"] for port in service["spec"]["ports"]] == [9965]
