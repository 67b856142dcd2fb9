"""`flows/relay/objects.py`: the relay's objects are Cilium's, and fit each other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ciliate.config.installation import Installation
from ciliate.flows.relay.objects import (
    CLIENT_SECRET,
    SERVER_SECRET,
    agent_tls_volume,
    relay_objects,
)
from ciliate.flows.relay.settings import RelaySettings, relay_settings

NAMES = Installation()


def objects(names: Installation = NAMES, **changes: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects by kind and name."""
    told = {"cluster": "default", "domain": "cluster.local"} | changes
    return {
        (body["kind"], body["metadata"]["name"]): body for _, body in relay_objects(names, **told)
    }


def settings(**changes: Any) -> RelaySettings:
    text = objects(**changes)["ConfigMap", "hubble-relay-config"]["data"]["config.yaml"]
    return relay_settings(yaml.safe_load(text), Path("config.yaml"))


def pod(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = objects(**changes)["Deployment", "hubble-relay"]["spec"]["template"]
    return found


def test_objects_have_the_names_of_ciliums_chart() -> None:
    assert [*objects()] == [
        ("ServiceAccount", "hubble-relay"),
        ("ConfigMap", "hubble-relay-config"),
        ("Service", "hubble-peer"),
        ("Service", "hubble-relay"),
        ("Deployment", "hubble-relay"),
    ]


def test_objects_stand_in_the_agents_namespace_at_the_paths_of_their_kind() -> None:
    names = replace(NAMES, namespace="cilium")

    for path, body in relay_objects(names, cluster="default", domain="cluster.local"):
        group = "apis/apps/v1" if body["kind"] == "Deployment" else "api/v1"
        assert path == f"/{group}/namespaces/cilium/{body['kind'].lower()}s"
        assert body["metadata"]["namespace"] == "cilium"
        assert body["metadata"]["labels"]["k8s-app"] == "hubble-relay"


def test_relay_reads_what_is_written_for_it() -> None:
    found = settings(cluster="east", domain="example")

    assert found.cluster == "east"
    assert found.peer_service == "hubble-peer.kube-system.svc.example.:443"
    assert found.listen_address == ":4245"
    assert found.server_tls is None
    assert found.client_tls is not None
    assert found.without_effect == ()


def test_relay_s_files_are_those_of_the_volume_that_it_mounts() -> None:
    tls = settings().client_tls
    assert tls is not None
    template = pod()["spec"]
    (mount,) = [m for m in template["containers"][0]["volumeMounts"] if m["name"] == "tls"]
    (volume,) = [v for v in template["volumes"] if v["name"] == "tls"]
    (source,) = volume["projected"]["sources"]
    items = {item["key"]: item["path"] for item in source["secret"]["items"]}
    folder = Path(mount["mountPath"])

    assert source["secret"]["name"] == CLIENT_SECRET == "hubble-relay-client-certs"
    assert "optional" not in source["secret"], "without certificates it can ask nobody"
    assert tls.certificate == folder / items["tls.crt"]
    assert tls.key == folder / items["tls.key"]
    assert tls.authorities == (folder / items["ca.crt"],)


def test_relay_without_tls_needs_no_certificates() -> None:
    found = settings(tls=False)

    assert found.client_tls is None
    assert found.peer_service.endswith(".:80")
    assert [volume["name"] for volume in pod(tls=False)["spec"]["volumes"]] == ["config"]
    mounts = pod(tls=False)["spec"]["containers"][0]["volumeMounts"]
    assert [mount["name"] for mount in mounts] == ["config"]


@pytest.mark.parametrize(("tls", "port"), [(True, 443), (False, 80)])
def test_nodes_are_asked_for_through_the_agent_of_the_same_node(*, tls: bool, port: int) -> None:
    names = replace(NAMES, agent_pod_selector="k8s-app=ours,tier=node")

    spec = objects(names, tls=tls)["Service", "hubble-peer"]["spec"]

    assert spec["selector"] == {"k8s-app": "ours", "tier": "node"}
    assert spec["internalTrafficPolicy"] == "Local"
    (found,) = spec["ports"]
    assert (found["port"], found["targetPort"]) == (port, 4244)
    affinity = pod()["spec"]["affinity"]["podAffinity"]
    (beside,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    assert beside["labelSelector"]["matchLabels"] == {"k8s-app": "cilium"}


def test_clients_find_the_relay_at_its_service() -> None:
    service = objects()["Service", "hubble-relay"]["spec"]
    deployment = objects()["Deployment", "hubble-relay"]["spec"]
    template = deployment["template"]
    (port,) = service["ports"]
    (named,) = template["spec"]["containers"][0]["ports"]

    assert port["port"] == 80
    assert port["targetPort"] == named["name"]
    assert named["containerPort"] == 4245
    assert service["selector"] == deployment["selector"]["matchLabels"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()


def test_relay_has_no_rights_and_is_probed_at_its_health_port() -> None:
    template = pod()["spec"]
    container = template["containers"][0]

    assert template["automountServiceAccountToken"] is False
    assert container["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    health = int(settings().health_address.removeprefix(":"))
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert container[name]["grpc"] == {"port": health}


def test_agents_volume_needs_no_secret_yet() -> None:
    volume, mount = agent_tls_volume()

    (source,) = volume["projected"]["sources"]
    assert source["secret"]["name"] == SERVER_SECRET == "hubble-server-certs"
    assert source["secret"]["optional"] is True
    assert mount == {
        "name": volume["name"],
        "mountPath": "/var/lib/cilium/tls/hubble",
        "readOnly": True,
    }
    assert {item["path"] for item in source["secret"]["items"]} == {
        "server.crt",
        "server.key",
        "client-ca.crt",
    }
