"""The real kubectl against the server: what people type, and what they see."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.kubectl import needs_modern

from .conftest import ServerProcess

Kubectl = Callable[..., str]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: webpod
spec:
  replicas: 2
  selector:
    matchLabels: {app: webpod}
  template:
    metadata:
      labels: {app: webpod}
    spec:
      containers:
      - name: webpod
        image: traefik/whoami
        ports:
        - containerPort: 80
---
apiVersion: v1
kind: Service
metadata:
  name: webpod
  labels: {app: webpod}
spec:
  selector: {app: webpod}
  ports:
  - port: 80
"""

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: curl-pod
  labels: {app: curl}
spec:
  nodeName: k8s-ctr
  containers:
  - name: curl
    image: nicolaka/netshoot
"""

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.org
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, shortNames: [wd], categories: [toys]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns:
    - {name: Inner, type: string, jsonPath: '.spec.addresses[?(@.type=="Inner")].ip'}
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Color, type: string, jsonPath: .spec.color, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        description: A widget is a thing.
        required: [spec]
        properties:
          spec:
            type: object
            description: What the widget should be.
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 9, description: How big it is.}
              color: {type: string, enum: [red, green], default: red}
              cidr: {type: string, format: cidr}
              name: {type: string, pattern: '^[a-z]+$'}
              addresses:
                type: array
                items:
                  type: object
                  properties: {type: {type: string}, ip: {type: string}}
          status:
            type: object
            properties: {size: {type: integer}, phase: {type: string}}
"""


def widget(called: str, /, **spec: Any) -> str:
    obj = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": called}}
    return json.dumps({**obj, "spec": spec})


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def test_apply_twice_changes_nothing(kubectl: Kubectl, namespace: str) -> None:
    first = kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)
    second = kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)

    assert "deployment.apps/webpod created" in first
    assert second.splitlines() == [
        "deployment.apps/webpod unchanged",
        "service/webpod unchanged",
    ]


def test_apply_removes_what_the_file_no_longer_has(kubectl: Kubectl, namespace: str) -> None:
    with_label = DEPLOYMENT.replace(
        "  name: webpod\nspec", "  name: webpod\n  labels: {a: b}\nspec", 1
    )
    kubectl("apply", "-n", namespace, "-f", "-", stdin=with_label)

    kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)

    labels = kubectl(
        "get", "deploy", "webpod", "-n", namespace, "-o", "jsonpath={.metadata.labels}"
    )
    assert labels == ""


def test_server_side_apply_conflicts_with_another_manager(
    kubectl: Kubectl, namespace: str
) -> None:
    apply = ("apply", "--server-side", "-n", namespace, "-f", "-")
    kubectl(*apply, "--field-manager=one", stdin=DEPLOYMENT)
    other = DEPLOYMENT.replace("replicas: 2", "replicas: 3")

    refused = kubectl(*apply, "--field-manager=two", stdin=other, check=False)
    forced = kubectl(*apply, "--field-manager=two", "--force-conflicts", stdin=other)

    assert 'conflict with "one"' in refused
    assert ".spec.replicas" in refused
    assert "serverside-applied" in forced


def test_server_side_apply_removes_what_its_manager_left_out(
    kubectl: Kubectl, namespace: str
) -> None:
    apply = ("apply", "--server-side", "-n", namespace, "-f", "-")
    two = DEPLOYMENT.replace(
        "        - containerPort: 80\n",
        "        - containerPort: 80\n        - containerPort: 81\n",
    )
    kubectl(*apply, stdin=two)

    kubectl(*apply, stdin=DEPLOYMENT)

    path = "jsonpath={.spec.template.spec.containers[0].ports[*].containerPort}"
    assert kubectl("get", "deploy", "webpod", "-n", namespace, "-o", path) == "80"


def test_wide_output_has_the_columns_people_know(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT + "---" + POD)

    pods = kubectl("get", "pods", "-n", namespace, "-o", "wide")
    services = rows(kubectl("get", "svc", "-n", namespace, "-o", "wide"))
    deployments = rows(kubectl("get", "deploy", "-n", namespace, "-o", "wide"))

    assert "NAME       READY   STATUS    RESTARTS   AGE" in pods
    assert "IP       NODE      NOMINATED NODE   READINESS GATES" in pods
    assert rows(pods)[1][:3] == ["curl-pod", "0/1", "Pending"]
    assert services[0] == [
        "NAME",
        "TYPE",
        "CLUSTER-IP",
        "EXTERNAL-IP",
        "PORT(S)",
        "AGE",
        "SELECTOR",
    ]
    assert services[1][2].startswith("10.96.")
    assert deployments[1][:4] == ["webpod", "0/2", "0", "0"]
    assert deployments[1][-3:] == ["webpod", "traefik/whoami", "app=webpod"]


def test_typed_commands_send_protobuf_and_work(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "configmap", "c", "--from-literal=a=b", "-n", namespace)
    kubectl("create", "secret", "generic", "s", "--from-literal=k=v", "-n", namespace)
    kubectl(
        "create", "deployment", "d", "--image=x:1", "--replicas=0", "--port=80", "-n", namespace
    )
    kubectl("create", "service", "clusterip", "s", "--tcp=80:8080", "-n", namespace)

    data = kubectl("get", "cm/c", "-n", namespace, "-o", "jsonpath={.data.a}")
    secret = kubectl("get", "secret/s", "-n", namespace, "-o", "jsonpath={.data.k}")
    spec = json.loads(kubectl("get", "deploy/d", "-n", namespace, "-o", "json"))["spec"]
    port = json.loads(kubectl("get", "svc/s", "-n", namespace, "-o", "json"))["spec"]["ports"][0]
    assert (data, secret, spec["replicas"]) == ("b", "dg==", 0)
    assert spec["template"]["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP"}
    ]
    assert (port["port"], port["targetPort"]) == (80, 8080)


def test_scale_rollout_label_and_annotate(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)

    kubectl("scale", "deploy/webpod", "--replicas=5", "-n", namespace)
    kubectl("rollout", "restart", "deploy/webpod", "-n", namespace)
    kubectl("label", "deploy/webpod", "tier=web", "-n", namespace)
    kubectl("annotate", "deploy/webpod", "note=1", "-n", namespace)

    got = json.loads(kubectl("get", "deploy/webpod", "-n", namespace, "-o", "json"))
    assert got["spec"]["replicas"] == 5
    assert got["metadata"]["labels"] == {"tier": "web"}
    assert (
        "kubectl.kubernetes.io/restartedAt" in got["spec"]["template"]["metadata"]["annotations"]
    )
    assert got["metadata"]["generation"] == 3  # Created, scaled, restarted.


@needs_modern
def test_describe_explain_and_discovery(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT + "---" + POD)

    described = kubectl("describe", "pod", "curl-pod", "-n", namespace)
    explained = kubectl("explain", "pod.spec.containers.ports")
    resources = kubectl("api-resources")
    everything = kubectl("get", "all", "-n", namespace)

    assert re.search(r"QoS Class: +BestEffort", described)
    assert "containerPort\t<integer> -required-" in explained
    assert "endpointslices" in resources
    assert "service/webpod" in everything
    assert "Kubernetes control plane" in kubectl("cluster-info")


def test_wait_for_a_condition_and_for_deletion(kubectl: Kubectl, namespace: str) -> None:
    kubectl(
        "apply",
        "-f",
        "-",
        stdin=WIDGETS.replace("widgets", "waiters")
        .replace("Widget", "Waiter")
        .replace("wd", "wt"),
    )

    kubectl("wait", "--for=condition=Established", "crd/waiters.example.org", "--timeout=5s")
    kubectl("delete", "crd", "waiters.example.org", "--timeout=10s")

    assert "not found" in kubectl("get", "crd", "waiters.example.org", check=False)


@needs_modern
def test_custom_resources_have_columns_explanations_and_limits(
    kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-f", "-", stdin=WIDGETS)
    addresses = [{"type": "Outer", "ip": "192.0.2.1"}, {"type": "Inner", "ip": "10.0.0.1"}]
    kubectl("apply", "-n", namespace, "-f", "-", stdin=widget("w", size=3, addresses=addresses))

    narrow = rows(kubectl("get", "wd", "-n", namespace))
    wide = rows(kubectl("get", "toys", "-n", namespace, "-o", "wide"))
    explained = kubectl("explain", "widgets.spec.size")
    bad = kubectl(
        *("create", "-n", namespace, "-f", "-"),
        stdin=widget("bad", size=10, color="blue", cidr="10.0.0.0", name="A"),
        check=False,
    )
    unknown = kubectl(
        "create", "-n", namespace, "-f", "-", stdin=widget("bad", size=1, siez=2), check=False
    )

    assert narrow[0] == ["NAME", "INNER", "SIZE", "AGE"]
    assert narrow[1][:3] == ["w", "10.0.0.1", "3"]
    assert wide[0] == ["NAME", "INNER", "SIZE", "COLOR", "AGE"]
    assert wide[1][3] == "red"
    assert "How big it is." in explained
    assert 'The Widget "bad" is invalid' in bad
    assert "spec.size in body should be less than or equal to 9" in bad
    assert 'Unsupported value: "blue": supported values: "red", "green"' in bad
    assert 'spec.cidr in body must be of type cidr: "10.0.0.0"' in bad
    assert "spec.name in body should match '^[a-z]+$'" in bad
    assert 'unknown field "spec.siez"' in unknown


@needs_modern
def test_status_of_a_custom_resource_is_written_through_its_own_path(
    kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-f", "-", stdin=WIDGETS)
    kubectl("apply", "-n", namespace, "-f", "-", stdin=widget("w", size=3))

    status = '{"status":{"phase":"Ready","size":3},"spec":{"size":9}}'
    kubectl("patch", "wd/w", "-n", namespace, "--subresource=status", "--type=merge", "-p", status)
    kubectl("patch", "wd/w", "-n", namespace, "--type=merge", "-p", '{"status":{"phase":"No"}}')
    kubectl("scale", "wd/w", "-n", namespace, "--replicas=4")

    got = json.loads(kubectl("get", "wd/w", "-n", namespace, "-o", "json"))
    assert got["status"] == {"phase": "Ready", "size": 3}
    assert got["spec"]["size"] == 4
    assert got["metadata"]["generation"] == 2


def test_a_pod_on_a_node_is_deleted_when_its_kubelet_says_so(
    kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=POD)

    kubectl("delete", "pod", "curl-pod", "-n", namespace, "--wait=false")

    assert rows(kubectl("get", "pods", "-n", namespace))[1][2] == "Terminating"
    got = json.loads(kubectl("get", "pod/curl-pod", "-n", namespace, "-o", "json"))
    assert got["metadata"]["deletionGracePeriodSeconds"] == 30
    kubectl("delete", "pod", "curl-pod", "-n", namespace, "--grace-period=0", "--force")
    assert "No resources found" in kubectl("get", "pods", "-n", namespace, check=False)


def test_a_namespace_goes_with_what_is_in_it(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)

    kubectl("delete", "ns", namespace, "--timeout=10s")

    assert "not found" in kubectl("get", "ns", namespace, check=False)
    assert "No resources found" in kubectl("get", "deploy", "-n", namespace, check=False)


def test_dry_run_stores_nothing(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "--dry-run=server", "-f", "-", stdin=DEPLOYMENT)

    assert "No resources found" in kubectl("get", "all", "-n", namespace, check=False)


def test_bad_names_are_explained_as_kubernetes_does(kubectl: Kubectl, namespace: str) -> None:
    refused = kubectl("create", "configmap", "Bad_Name", "-n", namespace, check=False)

    assert "a lowercase RFC 1123 subdomain must consist of lower case" in refused
    assert 'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"' in refused


OLDER = sorted(Path("/usr/lib/google-cloud-sdk/bin").glob("kubectl.1.*"))


@pytest.mark.parametrize("program", OLDER, ids=lambda p: p.name)
def test_other_versions_of_kubectl_apply_create_and_explain(
    server: ServerProcess, namespace: str, program: Path
) -> None:
    older = partial(server.kubectl, program=str(program))

    first = older("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)
    second = older("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)
    older("create", "configmap", "c", "-n", namespace)
    explained = older("explain", "pod.spec")

    assert "deployment.apps/webpod created" in first
    assert "deployment.apps/webpod unchanged" in second
    assert "terminationGracePeriodSeconds" in explained
