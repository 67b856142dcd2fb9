"""`apiserver/service_checks.py`, `service_addresses.py`, and the defaults of Services."""

from typing import Any

import pytest

from ciliate.apiserver.defaults import default_service
from ciliate.apiserver.service_checks import check_service
from ciliate.apiserver.settings import port_range
from ciliate.errors import SettingError


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}


def said(obj: dict[str, Any]) -> list[str]:
    default_service(obj)
    return [f"{cause.field}: {cause.message}" for cause in check_service(obj, None)]


BALANCER = {"type": "LoadBalancer"}
FOR_BALANCERS = "Forbidden: may only be used when `type` is 'LoadBalancer'"
NO_NAME = {"type": "ExternalName", "externalName": "example.org"}

REFUSED = [
    (
        {"ports": [{"port": 80, "nodePort": 30080}]},
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ),
    (
        {"ports": [{"port": 80, "name": "a_b"}]},
        "spec.ports[0].name: Invalid value: ",
    ),
    ({"ports": [{"port": 80, "protocol": "ICMP"}]}, "spec.ports[0].protocol: Unsupported value: "),
    (
        {"type": "NodePort", "clusterIP": "None"},
        """clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services""",
    ),
    (
        {"clusterIP": "fd00::1", "ipFamilies": ["IPv4"]},
        (
            'spec.clusterIPs[0]: Invalid value: "fd00::1": expected an IPv4 value as indicated by '
            "`ipFamilies[0]`"
        ),
    ),
    ({"clusterIP": "nonsense"}, 'Invalid value: "nonsense": must be a valid IP address'),
    (
        {**NO_NAME, "clusterIP": "10.96.0.1"},
        "spec.clusterIP: Forbidden: may not be set for ExternalName services",
    ),
    ({"type": "ExternalName"}, "spec.externalName: Required value"),
    (
        {"type": "ExternalName", "externalName": "a b"},
        'spec.externalName: Invalid value: "a b": a lowercase RFC 1123 subdomain',
    ),
    (
        {"externalIPs": ["127.0.0.1"]},
        'externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range',
    ),
    ({"externalIPs": ["0.0.0.0"]}, "may not be unspecified (0.0.0.0 or ::)"),
    ({"externalIPs": ["fe80::1"]}, "may not be in the link-local range"),
    ({"externalIPs": ["224.0.0.5"]}, "may not be in the link-local multicast range"),
    ({"externalIPs": ["web"]}, 'spec.externalIPs[0]: Invalid value: "web": must be a valid IP'),
    (
        {"externalTrafficPolicy": "Local"},
        (
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for '
            "externally-accessible services"
        ),
    ),
    (
        {"type": "NodePort", "externalTrafficPolicy": "Far"},
        'externalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local"',
    ),
    ({"internalTrafficPolicy": "Far"}, 'internalTrafficPolicy: Unsupported value: "Far"'),
    ({"trafficDistribution": "Far"}, 'spec.trafficDistribution: Unsupported value: "Far"'),
    (
        {**BALANCER, "healthCheckNodePort": 32000},
        (
            "spec.healthCheckNodePort: Invalid value: 32000: may only be set when `type` is "
            "'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        ),
    ),
    (
        {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
        f"spec.LoadBalancerSourceRanges: {FOR_BALANCERS}",
    ),
    (
        {**BALANCER, "loadBalancerSourceRanges": ["10.0.0.0/33"]},
        'spec.loadBalancerSourceRanges[0]: Invalid value: "10.0.0.0/33": must be a valid CIDR',
    ),
    ({"loadBalancerClass": "example.org/a"}, f"spec.loadBalancerClass: {FOR_BALANCERS}"),
    (
        {"allocateLoadBalancerNodePorts": False},
        f"spec.allocateLoadBalancerNodePorts: {FOR_BALANCERS}",
    ),
    (
        {
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}},
        },
        (
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater "
            "than 0 and less than 86400"
        ),
    ),
]


@pytest.mark.parametrize(("spec", "problem"), REFUSED, ids=[str(spec) for spec, _ in REFUSED])
def test_what_does_not_go_together_is_refused(spec: dict[str, Any], problem: str) -> None:
    (cause,) = said(service(**spec))

    assert problem in cause


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"clusterIP": "None"},
        {**NO_NAME, "ports": []},
        {**NO_NAME, "externalName": "example.org."},
        {"externalIPs": ["192.0.2.1", "2001:db8::1"], "externalTrafficPolicy": "Local"},
        {
            **BALANCER,
            "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 32000,
            "loadBalancerSourceRanges": ["10.0.0.0/8", " 192.0.2.0/24"],
            "loadBalancerClass": "internal",
            "loadBalancerIP": "192.0.2.1",
        },
        {"trafficDistribution": "PreferSameNode", "internalTrafficPolicy": "Local"},
        {"ports": [{"port": 80, "name": "a"}, {"port": 80, "protocol": "UDP", "name": "b"}]},
        {"ports": [{"port": 80, "protocol": "SCTP", "appProtocol": "example.org/x"}]},
    ],
)
def test_what_goes_together_is_taken(spec: dict[str, Any]) -> None:
    assert said(service(**spec)) == []


def test_defaults_are_those_of_kubernetes() -> None:
    obj = service(sessionAffinity="ClientIP", externalIPs=["192.0.2.1"])
    default_service(obj)
    spec = obj["spec"]

    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert spec["externalTrafficPolicy"] == spec["internalTrafficPolicy"] == "Cluster"
    assert "allocateLoadBalancerNodePorts" not in spec
    spec["sessionAffinity"] = "None"
    default_service(obj)
    assert "sessionAffinityConfig" not in spec


def test_what_a_load_balancer_gives_is_checked_and_completed() -> None:
    def with_ingress(kind: str, *ingress: dict[str, str]) -> dict[str, Any]:
        given = {"loadBalancer": {"ingress": list(ingress)}}
        return {**service(type=kind), "status": given}

    obj = with_ingress("LoadBalancer", {"ip": "192.0.2.1"}, {"hostname": "lb.example.org"})
    assert said(obj) == []
    first, second = obj["status"]["loadBalancer"]["ingress"]
    assert (first["ipMode"], "ipMode" in second) == ("VIP", False)
    (cause,) = said(with_ingress("NodePort", {"ip": "192.0.2.1"}))
    assert cause.endswith('Forbidden: may only be used when `spec.type` is "LoadBalancer"')
    (cause,) = said(with_ingress("LoadBalancer", {"hostname": "a", "ipMode": "VIP"}))
    assert "ipMode: Forbidden: may not be specified when `ip` is not set" in cause
    (cause,) = said(with_ingress("LoadBalancer", {"ip": "192.0.2.1", "ipMode": "Direct"}))
    assert 'ipMode: Unsupported value: "Direct": supported values: "Proxy", "VIP"' in cause


def test_ranges_of_node_ports_are_read_as_kube_apiserver_has_them() -> None:
    assert port_range("--service-node-port-range", "30000-32767") == range(30000, 32768)
    for wrong in ("", "30000", "32767-30000", "0-10", "1-70000"):
        with pytest.raises(SettingError, match="is no range of ports"):
            port_range("--service-node-port-range", wrong)
