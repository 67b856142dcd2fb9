"""`api/service.py`, `api/endpoint_slice.py`: what the API leaves out, and what that means."""

import msgspec

from ciliate.api.decode import decode_document
from ciliate.api.endpoint_slice import ENDPOINT_SLICES, Endpoint, EndpointSlice, Hint
from ciliate.api.service import SERVICES, LoadBalancerIngress, Service, ServicePort

SERVICE = b"""{
 "metadata": {"name": "web", "namespace": "shop"},
 "spec": {
  "type": "LoadBalancer", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"],
  "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack",
  "ports": [
   {"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080, "appProtocol": "http"},
   {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 5353}],
  "selector": {"app": "web"}, "externalIPs": ["192.0.2.1"], "externalTrafficPolicy": "Local",
  "internalTrafficPolicy": "Cluster", "sessionAffinity": "ClientIP",
  "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
  "loadBalancerSourceRanges": ["198.51.100.0/24"], "loadBalancerClass": "example.com/lb",
  "loadBalancerIP": "203.0.113.9", "allocateLoadBalancerNodePorts": false,
  "healthCheckNodePort": 32000, "publishNotReadyAddresses": true,
  "trafficDistribution": "PreferClose"},
 "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"},
  {"ip": "203.0.113.10", "ipMode": "Proxy"}]},
  "conditions": [{"type": "LoadBalancerPortsError", "status": "True"}]}}"""

SLICE = b"""{
 "metadata": {"name": "web-x7", "labels": {"kubernetes.io/service-name": "web"}},
 "addressType": "IPv4",
 "endpoints": [{
  "addresses": ["10.0.1.5"], "hostname": "web-0", "nodeName": "w1", "zone": "a",
  "conditions": {"ready": false, "serving": true, "terminating": true},
  "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "w1"}]},
  "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0", "uid": "u"}}],
 "ports": [{"name": "http", "protocol": "TCP", "port": 8080}, {"name": "all", "port": null}]}"""


def test_a_service_is_read_with_every_field_a_proxy_needs() -> None:
    service = decode_document(SERVICE, Service)
    written = msgspec.json.decode(msgspec.json.encode(service))
    given = msgspec.json.decode(SERVICE)

    assert service.spec.ports[1] == ServicePort(
        port=53, name="dns", protocol="UDP", target_port=5353
    )
    assert service.spec.affinity_timeout_s == 60
    assert service.status.load_balancer.ingress == (
        LoadBalancerIngress(ip="203.0.113.9", ip_mode="VIP"),
        LoadBalancerIngress(ip="203.0.113.10", ip_mode="Proxy"),
    )
    assert written["spec"].keys() == given["spec"].keys(), "no field is lost"


def test_what_a_service_does_not_say_has_the_default_of_kubernetes() -> None:
    service = decode_document(b'{"spec": {"ports": null, "sessionAffinity": "ClientIP"}}', Service)

    assert service.spec.type == "ClusterIP"
    assert service.spec.affinity_timeout_s == 10800
    assert Service().spec.affinity_timeout_s == 0
    assert service.spec.allocate_load_balancer_node_ports
    assert not service.is_headless
    assert decode_document(b'{"spec": {"clusterIP": "None"}}', Service).is_headless


def test_a_slice_is_read_with_conditions_and_hints() -> None:
    found = decode_document(SLICE, EndpointSlice)
    (endpoint,) = found.endpoints

    assert found.service == "web"
    assert (endpoint.is_ready, endpoint.is_serving, endpoint.is_terminating) == (False, True, True)
    assert endpoint.hints is not None
    assert (endpoint.hints.for_zones, endpoint.hints.for_nodes) == ((Hint("a"),), (Hint("w1"),))
    assert endpoint.target_ref is not None
    assert endpoint.target_ref.name == "web-0"
    assert [port.port for port in found.ports] == [8080, None]


def test_unknown_conditions_count_as_ready_and_not_terminating() -> None:
    unknown = Endpoint(addresses=("10.0.1.5",))
    not_ready = msgspec.json.decode(b'{"conditions": {"ready": false}}', type=Endpoint)

    assert (unknown.is_ready, unknown.is_serving, unknown.is_terminating) == (True, True, False)
    assert not not_ready.is_serving, "serving that is unknown is what ready says"


def test_a_slice_whose_lists_are_null_is_empty() -> None:
    found = decode_document(b'{"endpoints": null, "ports": null}', EndpointSlice)

    assert (found.endpoints, found.ports) == ((), ())


def test_services_and_slices_are_found_where_the_api_has_them() -> None:
    assert SERVICES.path(namespace="a", name="b") == "/api/v1/namespaces/a/services/b"
    assert ENDPOINT_SLICES.path() == "/apis/discovery.k8s.io/v1/endpointslices"
