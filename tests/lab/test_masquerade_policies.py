"""MasqueradePolicies as people meet them: with kubectl, on running pods, on new ones.

What a packet's source is says the router, whose web server answers with its client's address.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.kubectl import needs_modern
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import TOOLS, apply_pod

ROUTER: Final = "192.168.10.200"
NODE: Final = "k8s-w1"
NODE_IP: Final = "192.168.10.101"
#: A second address of the node, as a team has one that is known elsewhere.
EXTRA_IP: Final = "192.168.10.151"
EXAMPLE: Final = Path(__file__).parents[2] / "docs/examples/masqueradepolicy.yaml"


def applied(lab: Cluster, name: str, *rules: dict[str, Any], priority: int = 100) -> None:
    lab.kubectl("apply", "-f", "-", text=json.dumps(manifest(name, *rules, priority=priority)))


def manifest(name: str, *rules: dict[str, Any], priority: int = 100) -> dict[str, Any]:
    return {
        "apiVersion": "ciliate.io/v1alpha1",
        "kind": "MasqueradePolicy",
        "metadata": {"name": name},
        "spec": {"priority": priority, "rules": rules},
    }


def rules(lab: Cluster) -> list[str]:
    """The names of the policies' rules that are in force on the node."""
    rows = json.loads(lab.exec(NODE, "cilium-dbg", "masquerade", "rules", "-o", "json"))
    return [row["name"] for row in rows if row["origin"] == "policy"]


def accepted(lab: Cluster, name: str) -> tuple[str, str, str]:
    """Condition Accepted of the latest version, once the operator has judged that."""
    found: list[dict[str, Any]] = []

    def judged() -> bool:
        policy = lab.object("masqueradepolicy", name)
        found[:] = [
            each
            for each in policy.get("status", {}).get("conditions", [])
            if each.get("observedGeneration") == policy["metadata"]["generation"]
        ]
        return bool(found)

    eventually(judged, what="the operator's verdict")
    return found[0]["status"], found[0]["reason"], found[0]["message"]


@pytest.fixture
def lab(cluster: Cluster) -> Iterator[Cluster]:
    """The walk-through's cluster, left without policies."""
    yield cluster
    cluster.kubectl("delete", "masqpol", "--all")
    eventually(lambda: not rules(cluster), what="no rule of a policy")


@needs_modern
def test_kubectl_shows_policies_and_what_is_found_of_them(lab: Cluster) -> None:
    lab.kubectl("apply", "-f", str(EXAMPLE))

    assert accepted(lab, "payments") == ("True", "Accepted", "nodes use this version")
    eventually(lambda: rules(lab) == ["policy/payments/to-bank", "policy/payments/to-company"])
    header, row = lab.kubectl("get", "masqpol").splitlines()
    assert header.split() == ["NAME", "PRIORITY", "RULES", "ACCEPTED", "AGE"]
    assert row.split()[:4] == ["payments", "100", "2", "True"]
    assert "nodes use this version" in lab.kubectl("get", "masqpol", "-o", "wide")
    described = lab.kubectl("describe", "masqpol", "payments")
    assert "kubernetes.io/metadata.name:  payments" in described
    assert "nodes use this version" in described
    explained = lab.kubectl("explain", "masqueradepolicy.spec.rules.source")
    assert "Pod: the pod keeps its own" in " ".join(explained.split())


@needs_modern
def test_wrong_policy_is_refused_by_kubectl_or_by_its_status(lab: Cluster) -> None:
    applied(lab, "shop", {"source": "Pod", "destinations": [{"cidr": "172.16.0.0/12"}]})
    eventually(lambda: rules(lab) == ["policy/shop/0"])
    misspelt = json.dumps(manifest("shop", {"source": "Pod", "podSelectors": {}}))
    unknown = json.dumps(manifest("shop", {"source": "Anything"}))

    for text, problem in (
        (misspelt, 'unknown field "spec.rules[0].podSelectors"'),
        (unknown, 'supported values: "Pod", "Device", "Address"'),
    ):
        with pytest.raises(AssertionError) as refused:
            lab.kubectl("apply", "-f", "-", text=text)
        assert problem in str(refused.value)

    outside = {"cidr": "172.16.0.0/12", "except": ["10.0.0.0/8"]}
    applied(lab, "shop", {"source": "Pod"}, {"source": "Pod", "destinations": [outside]})
    verdict, reason, message = accepted(lab, "shop")
    assert (verdict, reason) == ("False", "Invalid")
    assert message.startswith(
        'spec.rules[1].destinations[0].except[0]: "10.0.0.0/8" is not a part of 172.16.0.0/12'
    )
    status = ("cilium-dbg", "status", "--verbose")  # Its exit code says that all is not well.
    eventually(
        lambda: "its former rules stay in force" in lab.exec(NODE, *status, check=False),
        what="the node's verdict",
    )
    assert rules(lab) == ["policy/shop/0"]


@pytest.fixture
def extra_address(lab: Cluster) -> Iterator[str]:
    """An address that the node has beside its own."""
    lab.exec(NODE, "ip", "address", "add", f"{EXTRA_IP}/24", "dev", "eth1")
    entries = ("cilium-dbg", "bpf", "endpoint", "list")
    eventually(lambda: EXTRA_IP in lab.exec(NODE, *entries), what="the agent's look at devices")
    yield EXTRA_IP
    lab.exec(NODE, "ip", "address", "del", f"{EXTRA_IP}/24", "dev", "eth1")


@contextmanager
def pods(lab: Cluster, *names: str) -> Iterator[None]:
    """The pods go at the end of the block."""
    try:
        yield
    finally:
        lab.kubectl("delete", "pod", "--ignore-not-found", "--now", *names)


def seen(lab: Cluster, pod: str) -> str:
    """As whom the router sees a new connection of a pod."""
    answer = json.loads(lab.exec(pod, "curl", "-s", "-m", "5", f"http://{ROUTER}/?format=json"))
    return str(answer["client"]).rpartition(":")[0]


def test_running_pod_is_decided_by_its_labels_of_now(lab: Cluster, extra_address: str) -> None:
    with pods(lab, "policy-one", "policy-two"):
        for name in ("policy-one", "policy-two"):
            apply_pod(lab, name, NODE)
        assert seen(lab, "policy-one") == NODE_IP

        applied(
            lab,
            "shop",
            {
                "podSelector": {"matchLabels": {"app": "policy-one"}},
                "destinations": [{"cidr": f"{ROUTER}/32"}],
                "source": "Address",
                "addresses": ["192.168.10.250", extra_address],
            },
        )
        eventually(lambda: seen(lab, "policy-one") == extra_address, within_s=5)
        assert seen(lab, "policy-two") == NODE_IP

        lab.kubectl("label", "pod", "policy-two", "app=policy-one", "--overwrite")
        lab.kubectl("label", "pod", "policy-one", "app-")
        eventually(lambda: seen(lab, "policy-one") == NODE_IP, within_s=5)
        eventually(lambda: seen(lab, "policy-two") == extra_address, within_s=5)


def test_first_packet_of_a_new_pod_is_decided_by_its_labels(
    lab: Cluster, extra_address: str
) -> None:
    names = [f"policy-new-{number}" for number in range(6)]
    applied(
        lab,
        "shop",
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
            "podSelector": {"matchLabels": {"app": "policy-new"}},
            "source": "Address",
            "addresses": [extra_address],
        },
    )
    eventually(lambda: rules(lab) == ["policy/shop/0"])
    made = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": "policy-new"}},
            "spec": {
                "nodeName": NODE,
                "restartPolicy": "Never",
                "containers": [TOOLS | {"command": ["curl", "-s", f"http://{ROUTER}/"]}],
            },
        }
        for name in names
    ]
    with pods(lab, *names):
        listed = {"apiVersion": "v1", "kind": "List", "items": made}
        lab.kubectl("apply", "-f", "-", text=json.dumps(listed))
        lab.kubectl(
            "wait", "pod", *names, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"
        )
        sources = {lab.kubectl("logs", name).split(":")[0] for name in names}

    assert sources == {f"client={extra_address}"}
