"""`flows/ui/objects.py`: the page's objects are Cilium's, and fit each other."""

from typing import Any

from ciliate.config.installation import Installation
from ciliate.flows.ui.objects import ui_objects


def objects(node_port: int | None = None) -> dict[str, dict[str, Any]]:
    found = ui_objects(Installation(), node_port=node_port)
    for path, body in found:
        group = "apis/apps/v1" if body["kind"] == "Deployment" else "api/v1"
        assert path == f"/{group}/namespaces/kube-system/{body['kind'].lower()}s"
        assert body["metadata"]["name"] == "hubble-ui"
    return {body["kind"]: body for _, body in found}


def test_service_leads_to_the_pods_port() -> None:
    found = objects()
    pod = found["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]

    spec = found["Service"]["spec"]
    assert spec["type"] == "ClusterIP"
    assert [port["port"] for port in spec["ports"]] == [80]
    assert spec["ports"][0]["targetPort"] == container["ports"][0]["containerPort"]
    assert spec["selector"].items() <= pod["metadata"]["labels"].items()


def test_every_node_shows_it_at_a_port_where_one_is_said() -> None:
    spec = objects(node_port=30003)["Service"]["spec"]

    assert spec["type"] == "NodePort"
    assert [port["nodePort"] for port in spec["ports"]] == [30003]


def test_it_has_no_rights_and_no_token() -> None:
    found = objects()

    assert [*found] == ["ServiceAccount", "Service", "Deployment"]
    pod = found["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
