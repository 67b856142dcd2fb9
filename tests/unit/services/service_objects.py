"""Services and slices for tests, as the API has them."""

import json
from typing import Any

from ciliate.api.decode import decode_document
from ciliate.api.endpoint_slice import EndpointSlice
from ciliate.api.service import Service
from ciliate.net.address import ip_address, to_octets
from ciliate.services.model import KnownService, KnownSlice, NodeFacts, ServiceKey, ServingSettings
from ciliate.services.read import read_service, read_slice

SETTINGS = ServingSettings()
NODE_IP, NODE_IP6, OTHER_IP = "192.168.0.1", "fd01::1", "192.168.0.2"


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


NODE = NodeFacts(
    name="w1",
    zone="a",
    node_port_addresses=(octets(NODE_IP), octets(NODE_IP6)),
    node_addresses=frozenset(map(octets, (NODE_IP, NODE_IP6, OTHER_IP))),
)


def service(
    name: str = "web",
    *,
    created: str = "2026-01-01T00:00:00Z",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    ingress: list[dict[str, str]] | None = None,
    **spec: Any,
) -> Service:
    spec.setdefault("clusterIP", "10.96.0.7")
    spec.setdefault("ports", [{"name": "http", "port": 80, "targetPort": 8080}])
    document = {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": created,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    return decode_document(json.dumps(document).encode(), Service)


def known(name: str = "web", settings: ServingSettings = SETTINGS, **fields: Any) -> KnownService:
    found = read_service(service(name, **fields), settings)
    assert found is not None
    return found


def key(name: str = "web") -> ServiceKey:
    return ServiceKey("shop", name)


def endpoint(
    address: str,
    *,
    node: str = "w1",
    zone: str = "",
    conditions: dict[str, bool] | None = None,
    zones: tuple[str, ...] = (),
    nodes: tuple[str, ...] = (),
) -> dict[str, Any]:
    found: dict[str, Any] = {"addresses": [address], "nodeName": node, "zone": zone}
    found["conditions"] = conditions
    if zones or nodes:
        found["hints"] = {
            "forZones": [{"name": each} for each in zones],
            "forNodes": [{"name": each} for each in nodes],
        }
    return found


ENDING = {"ready": False, "serving": True, "terminating": True}
GONE = {"ready": False, "serving": False, "terminating": True}
UNREADY = {"ready": False, "serving": False}


def endpoint_slice(
    *endpoints: dict[str, Any] | str,
    name: str = "web-1",
    service: str = "web",
    family: str = "IPv4",
    ports: list[dict[str, Any]] | None = None,
) -> EndpointSlice:
    document = {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": family,
        "endpoints": [endpoint(each) if isinstance(each, str) else each for each in endpoints],
        "ports": [{"name": "http", "port": 8080}] if ports is None else ports,
    }
    return decode_document(json.dumps(document).encode(), EndpointSlice)


def known_slice(*endpoints: dict[str, Any] | str, **fields: Any) -> KnownSlice:
    return read_slice(endpoint_slice(*endpoints, **fields))
