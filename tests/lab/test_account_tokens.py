"""A pod's programs as clients of the API server: by the token, authority and address they are given."""

from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster

NAMESPACE = "clients"

POD = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 0
  nodeName: NODE
  containers:
  - name: c
    image: nicolaka/netshoot
    command: [sleep, infinity]
    volumeMounts: [{name: other, mountPath: /other}]
  volumes:
  - name: other
    projected:
      sources: [{serviceAccountToken: {path: token, audience: vault, expirationSeconds: 600}}]
"""

#: Asks the API server for /PATH as every in-cluster client does; prints the status.
ASK = """
D=/var/run/secrets/kubernetes.io/serviceaccount
curl -sS -m 5 -o /dev/null -w '%{http_code}' --cacert $D/ca.crt \\
  -H "Authorization: Bearer $(cat ${2:-$D/token})" \\
  "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT$1"
"""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        yield NAMESPACE
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


@pytest.mark.parametrize("node", ["k8s-ctr", "k8s-w1"])
def test_pod_asks_the_api_server_what_its_roles_allow(
    cluster: Cluster, namespace: str, node: str
) -> None:
    def kubectl(*words: str, text: str | None = None) -> str:
        return cluster.kubectl("-n", namespace, *words, text=text)

    name = f"client-{node}"
    kubectl(
        "create",
        "-f",
        "-",
        text=POD.replace("NODE", node).replace("name: client", f"name: {name}"),
    )
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=10s")

    def asked(path: str, *token: str) -> str:
        return kubectl("exec", name, "--", "sh", "-c", ASK, "ask", path, *token)

    pods = f"/api/v1/namespaces/{namespace}/pods"
    before = asked(pods)
    kubectl(
        *("create", "rolebinding", name, "--clusterrole=view"),
        f"--serviceaccount={namespace}:default",
    )
    after = asked(pods)
    kubectl("delete", "rolebinding", name)

    assert (before, after) == ("403", "200")
    assert asked("/api/v1/namespaces/default/pods") == "403"
    assert asked("/version") == "200"
    assert asked("/version", "/other/token") == "401"
    shown = kubectl(
        "exec", name, "--", "cat", "/run/secrets/kubernetes.io/serviceaccount/namespace"
    )
    assert shown == namespace
