"""Fields that stay as they were made, kind by kind, in the real server's words."""

import itertools
from typing import Any

from .conftest import ServerProcess

MERGE = "application/merge-patch+json"
APPS, STORAGE, RBAC = "apis/apps/v1", "apis/storage.k8s.io/v1", "apis/rbac.authorization.k8s.io/v1"
NETWORKING = "apis/networking.k8s.io/v1"
TEMPLATE = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}
WORKLOAD = {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}}
RUN = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
JOB = {"spec": {"template": {"spec": RUN}, "completions": 1}}
OTHER_JOB = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "y"}]}}}}
CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
VOLUME = {
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": "/a"},
    }
}
BINDING = {
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}
}
CLASS = {"provisioner": "example.org/p", "parameters": {"a": "1"}}
TOLERATION = {"key": "a", "operator": "Exists", "effect": "NoSchedule"}
ALL = {"operator": "Exists"}  # The server adds none to it.
POD = {
    "spec": {
        "containers": [{"name": "c", "image": "x"}],
        "activeDeadlineSeconds": 100,
        "tolerations": [TOLERATION, ALL],
        "schedulingGates": [{"name": "example.org/a"}],
        # A merge patch replaces containers whole: with a token's mount it would take that away.
        "automountServiceAccountToken": False,
    }
}
BALANCER = {
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "loadBalancerClass": "example.org/a"}
}
STAYS = "field is immutable"

_names = (f"fixed-{number}" for number in itertools.count(1))


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


#: Group, plural, whether it is namespaced, the object, a change, and what the refusal says.
REFUSED: list[tuple[str, str, bool, dict[str, Any], dict[str, Any], str]] = [
    *(
        (
            *(APPS, plural, True, WORKLOAD),
            spec(
                selector={"matchLabels": {"app": "y"}},
                template={"metadata": {"labels": {"app": "y"}}},
            ),
            f'spec.selector: Invalid value: {{"matchLabels":{{"app":"y"}}}}: {STAYS}',
        )
        for plural in ("deployments", "daemonsets", "replicasets")
    ),
    (
        *(APPS, "statefulsets", True, WORKLOAD, spec(serviceName="other")),
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', ",
    ),
    (
        *(APPS, "controllerrevisions", True, {"revision": 1, "data": {"a": 1}}),
        *({"data": {"a": 2}}, "data: Invalid value: {"),
    ),
    ("apis/batch/v1", "jobs", True, JOB, OTHER_JOB, "spec.template: Invalid value: {"),
    (
        *("apis/batch/v1", "jobs", True, JOB, spec(completions=2)),
        f"spec.completions: Invalid value: 2: {STAYS}",
    ),
    (
        *("apis/batch/v1", "jobs", True, JOB, spec(completionMode="Indexed")),
        f'spec.completionMode: Invalid value: "Indexed": {STAYS}',
    ),
    (
        *("api/v1", "persistentvolumeclaims", True, CLAIM),
        spec(resources={"requests": {"storage": "2Gi"}}),
        (
            "spec: Forbidden: spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        ),
    ),
    (
        *("api/v1", "persistentvolumes", False, VOLUME, spec(hostPath={"path": "/b"})),
        "spec.persistentvolumesource is immutable after creation",
    ),
    (
        *("api/v1", "persistentvolumes", False, VOLUME, spec(volumeMode="Block")),
        f'volumeMode: Invalid value: "Block": {STAYS}',
    ),
    (
        *("api/v1", "resourcequotas", True, spec(scopes=["BestEffort"])),
        *(spec(scopes=["NotBestEffort"]), "spec.scopes: Invalid value: "),
    ),
    (
        *("api/v1", "nodes", False, spec(providerID="a://1"), spec(providerID="a://2")),
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ),
    (
        *("api/v1", "services", True, BALANCER, spec(loadBalancerClass="example.org/b")),
        'spec.loadBalancerClass: Invalid value: "example.org/b": may not change once set',
    ),
    *(
        (
            *(RBAC, plural, plural == "rolebindings", BINDING, {"roleRef": {"name": "b"}}),
            (
                'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole",'
                '"name":"b"}: cannot change roleRef'
            ),
        )
        for plural in ("rolebindings", "clusterrolebindings")
    ),
    *(
        (STORAGE, "storageclasses", False, CLASS, change, words)
        for change, words in (
            (
                {"provisioner": "example.org/q"},
                "provisioner: Forbidden: updates to provisioner are forbidden.",
            ),
            (
                {"parameters": {"a": "2"}},
                "parameters: Forbidden: updates to parameters are forbidden.",
            ),
            (
                {"reclaimPolicy": "Retain"},
                "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
            ),
            ({"volumeBindingMode": "WaitForFirstConsumer"}, "volumeBindingMode: Invalid value"),
        )
    ),
    (
        *(STORAGE, "csidrivers", False, spec(), spec(attachRequired=False)),
        "spec.attachedRequired: Invalid value: ",
    ),
    (
        *(STORAGE, "csinodes", False, spec(drivers=[{"name": "a", "nodeID": "1"}])),
        *(spec(drivers=[{"name": "a", "nodeID": "2"}]), "spec.drivers[0]: Invalid value: "),
    ),
    (
        *(STORAGE, "csistoragecapacities", True, {"storageClassName": "a"}),
        *({"storageClassName": "b"}, f'storageClassName: Invalid value: "b": {STAYS}'),
    ),
    (
        *(STORAGE, "volumeattachments", False),
        spec(attacher="a", nodeName="n", source={"persistentVolumeName": "v"}),
        *(spec(nodeName="m"), "spec: Invalid value: "),
    ),
    (
        *(NETWORKING, "ingressclasses", False, spec(controller="example.org/a")),
        *(spec(controller="example.org/b"), "spec.controller: Invalid value: "),
    ),
    (
        *("apis/scheduling.k8s.io/v1", "priorityclasses", False, {"value": 1}, {"value": 2}),
        "value: Forbidden: may not be changed in an update.",
    ),
    (
        *("apis/node.k8s.io/v1", "runtimeclasses", False, {"handler": "a"}, {"handler": "b"}),
        f'handler: Invalid value: "b": {STAYS}',
    ),
    (
        *("apis/discovery.k8s.io/v1", "endpointslices", True),
        {"addressType": "IPv4", "endpoints": []},
        *({"addressType": "IPv6"}, f'addressType: Invalid value: "IPv6": {STAYS}'),
    ),
    *(
        ("api/v1", "pods", True, POD, change, words)
        for change, words in (
            (spec(restartPolicy="Never"), "pod updates may not change fields other than"),
            (spec(terminationGracePeriodSeconds=1), "pod updates may not change fields other"),
            (
                spec(containers=[{"name": "c", "image": "x", "imagePullPolicy": "Never"}]),
                "pod updates may not change fields other than",
            ),
            (
                spec(containers=[{"name": "c", "image": "x"}, {"name": "d", "image": "x"}]),
                "pod updates may not add or remove containers",
            ),
            (spec(activeDeadlineSeconds=101), "must be less than or equal to previous value"),
            (spec(activeDeadlineSeconds=None), "must not update from a positive integer to nil"),
            (spec(tolerations=[]), "existing toleration can not be modified"),
            (
                spec(schedulingGates=[{"name": "example.org/b"}]),
                "only deletion is allowed, but found new scheduling gate 'example.org/b'",
            ),
        )
    ),
]

#: Changes of the same kinds that the real server takes.
TAKEN: list[tuple[str, str, bool, dict[str, Any], dict[str, Any]]] = [
    (APPS, "statefulsets", True, WORKLOAD, spec(replicas=3, minReadySeconds=1)),
    ("apis/batch/v1", "jobs", True, JOB, spec(parallelism=2, suspend=True)),
    (
        *("apis/batch/v1", "jobs", True, spec(**JOB["spec"], suspend=True)),
        spec(template={"spec": {"nodeSelector": {"a": "b"}}}),
    ),
    ("api/v1", "persistentvolumeclaims", True, CLAIM, spec(volumeName="given-once")),
    ("api/v1", "persistentvolumes", False, VOLUME, spec(capacity={"storage": "2Gi"})),
    ("api/v1", "nodes", False, spec(), spec(providerID="a://1")),
    (RBAC, "rolebindings", True, BINDING, {"subjects": [{"kind": "User", "name": "u"}]}),
    (STORAGE, "storageclasses", False, CLASS, {"allowVolumeExpansion": True}),
    (
        *(STORAGE, "csinodes", False, spec(drivers=[{"name": "a", "nodeID": "1"}])),
        spec(drivers=[{"name": "b", "nodeID": "2"}]),
    ),
    (
        *("api/v1", "pods", True, POD),
        spec(
            containers=[{"name": "c", "image": "x:2", "imagePullPolicy": "Always"}],
            activeDeadlineSeconds=99,
            tolerations=[{**TOLERATION, "tolerationSeconds": 5}, ALL, {**TOLERATION, "key": "b"}],
            schedulingGates=[],
        ),
    ),
]


def made(server: ServerProcess, base: str, obj: dict[str, Any]) -> str:
    name = next(_names)
    code, status = server.request("POST", base, {"metadata": {"name": name}, **obj})
    assert code == 201, status
    return f"{base}/{name}"


def base_of(namespace: str, group: str, plural: str, *, namespaced: bool) -> str:
    return f"/{group}/namespaces/{namespace}/{plural}" if namespaced else f"/{group}/{plural}"


def test_fields_that_are_fixed_are_refused_in_the_servers_words(
    server: ServerProcess, namespace: str
) -> None:
    wrong = []
    for group, plural, namespaced, obj, change, words in REFUSED:
        path = made(server, base_of(namespace, group, plural, namespaced=namespaced), obj)
        code, status = server.request("PATCH", path, change, content_type=MERGE)
        if code != 422 or words not in status["message"]:
            wrong.append((plural, change, code, status.get("message")))
        server.request("DELETE", path)

    assert wrong == []


def test_what_may_change_beside_fixed_fields_changes(
    server: ServerProcess, namespace: str
) -> None:
    wrong = []
    for group, plural, namespaced, obj, change in TAKEN:
        path = made(server, base_of(namespace, group, plural, namespaced=namespaced), obj)
        code, status = server.request("PATCH", path, change, content_type=MERGE)
        if code != 200:
            wrong.append((plural, change, status["message"]))
        server.request("DELETE", path)

    assert wrong == []


def test_a_signing_requests_specification_is_kept_without_a_word(server: ServerProcess) -> None:
    request = {"request": "YQ==", "signerName": "example.org/a"}
    path = made(
        server, "/apis/certificates.k8s.io/v1/certificatesigningrequests", {"spec": request}
    )

    code, after = server.request(
        "PATCH", path, {"spec": {"signerName": "example.org/b"}}, content_type=MERGE
    )

    server.request("DELETE", path)
    assert (code, after["spec"]["signerName"]) == (200, "example.org/a")
