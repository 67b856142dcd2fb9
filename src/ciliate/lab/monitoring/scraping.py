"""How a part of the network says where its metrics are: annotations, as Cilium's chart has them. Pure."""

from typing import Any, Final

from ciliate.config.installation import Installation, parse_selector
from ciliate.config.values import read_listen_address

SCRAPE: Final = "prometheus.io/scrape"
PORT: Final = "prometheus.io/port"
PATH: Final = "prometheus.io/path"
SCHEME: Final = "prometheus.io/scheme"

#: The Service behind which the flow servers of all nodes are.
FLOW_METRICS_SERVICE: Final = "hubble-metrics"

Manifest = dict[str, Any]


def scrape_annotations(listen_address: str) -> dict[str, str]:
    """Return the annotations of what serves metrics at an address such as `:9962`; of nothing, none.

    Raises:
        ValueTextError: It is no address to listen at.
    """
    if not listen_address:
        return {}
    return {SCRAPE: "true", PORT: str(read_listen_address(listen_address)[1])}


def flow_metrics_service(names: Installation, *, listen_address: str) -> Manifest:
    """Return the Service that names every flow server's metrics; it has no address of its own."""
    port = read_listen_address(listen_address)[1]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": FLOW_METRICS_SERVICE,
            "namespace": names.namespace,
            "labels": {
                "k8s-app": "hubble",
                "app.kubernetes.io/name": "hubble",
                "app.kubernetes.io/part-of": "cilium",
            },
            "annotations": scrape_annotations(listen_address),
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": parse_selector(names.agent_pod_selector),
            "ports": [
                {"name": FLOW_METRICS_SERVICE, "port": port, "protocol": "TCP", "targetPort": port}
            ],
        },
    }
