"""The objects of kube-system that make a cluster's DNS: kubeadm's, by name and shape. Pure.

What runs is ours, and its image says so. Its pods are pods like any others: they have an address of
the pod network, an identity, and a service account that reads what names come from.
"""

from ipaddress import ip_network
from typing import Any, Final

from ciliate import __version__
from ciliate.lab import topology

NAMESPACE: Final = "kube-system"
SERVICE: Final = "kube-dns"
DEPLOYMENT: Final = "coredns"
SELECTOR: Final = {"k8s-app": "kube-dns"}
REPLICAS: Final = 2

#: Where it is asked for names, whether it lives, whether it knows the cluster, what it has done.
PORT: Final = 53
HEALTH_PORT: Final = 8080
READY_PORT: Final = 8181
METRICS_PORT: Final = 9153

_IMAGE: Final = f"ciliate/coredns:v{__version__}"
_RBAC: Final = "rbac.authorization.k8s.io"
_ROLE: Final = "system:coredns"
#: The Service's place in the range; kubeadm and everybody's resolv.conf count on it.
_HOST: Final = 10

Manifest = dict[str, Any]


def service_addresses(*, dual_stack: bool) -> tuple[str, ...]:
    """Return where the cluster's name server is: 10.96.0.10."""
    ranges = topology.service_cidrs(dual_stack=dual_stack)
    return tuple(str(ip_network(each)[_HOST]) for each in ranges)


def dns_objects(*, dual_stack: bool) -> list[tuple[str, Manifest]]:
    """Return path of collection and body of each object, in the order of their creation."""
    in_namespace = f"namespaces/{NAMESPACE}"
    return [
        (f"/api/v1/{in_namespace}/serviceaccounts", _account()),
        (f"/apis/{_RBAC}/v1/clusterroles", _role()),
        (f"/apis/{_RBAC}/v1/clusterrolebindings", _role_binding()),
        (f"/api/v1/{in_namespace}/services", _service(dual_stack=dual_stack)),
        (f"/apis/apps/v1/{in_namespace}/deployments", _deployment(dual_stack=dual_stack)),
    ]


def _account() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
    }


def _role() -> Manifest:
    read = ["list", "watch"]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _ROLE},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "namespaces"], "verbs": read},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        ],
    }


def _role_binding() -> Manifest:
    account = {"kind": "ServiceAccount", "name": DEPLOYMENT, "namespace": NAMESPACE}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _ROLE},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _ROLE},
        "subjects": [account],
    }


def _service(*, dual_stack: bool) -> Manifest:
    addresses = list(service_addresses(dual_stack=dual_stack))
    ports = [
        {"name": "dns", "port": PORT, "protocol": "UDP", "targetPort": PORT},
        {"name": "dns-tcp", "port": PORT, "protocol": "TCP", "targetPort": PORT},
        {"name": "metrics", "port": METRICS_PORT, "protocol": "TCP", "targetPort": METRICS_PORT},
    ]
    labels = {
        **SELECTOR,
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": labels,
            "annotations": {
                "prometheus.io/port": str(METRICS_PORT),
                "prometheus.io/scrape": "true",
            },
        },
        "spec": {
            "selector": SELECTOR,
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilyPolicy": "PreferDualStack" if dual_stack else "SingleStack",
            "ports": ports,
        },
    }


def _deployment(*, dual_stack: bool) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE, "labels": SELECTOR},
        "spec": {
            "replicas": REPLICAS,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": SELECTOR},
            "template": {
                "metadata": {"labels": SELECTOR},
                "spec": _pod(_container(dual_stack=dual_stack)),
            },
        },
    }


def _pod(container: Manifest) -> Manifest:
    apart = {"labelSelector": {"matchLabels": SELECTOR}, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 100, "podAffinityTerm": apart}]
    return {
        "serviceAccountName": DEPLOYMENT,
        "priorityClassName": "system-cluster-critical",
        # The node's servers, not itself: names of the world are asked of them.
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        ],
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
        },
        "containers": [container],
    }


def _container(*, dual_stack: bool) -> Manifest:
    owned = (
        *topology.service_cidrs(dual_stack=dual_stack),
        *topology.cluster_cidrs(dual_stack=dual_stack),
    )
    words = [f"--domain={topology.CLUSTER_DOMAIN}", *(f"--range={each}" for each in owned)]
    return {
        "name": DEPLOYMENT,
        "image": _IMAGE,
        "args": words,
        "ports": [
            {"name": "dns", "containerPort": PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": HEALTH_PORT, "scheme": "HTTP"},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
            "failureThreshold": 5,
        },
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": READY_PORT, "scheme": "HTTP"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
