"""The objects a lab's cluster starts with: namespaces, cilium-config, ds/cilium, the operator.

Pure. Names and labels are Cilium's, so that commands written for it find what they look for; what
runs under them, agent and operator, says by its image that it is ours.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from ciliate import __version__
from ciliate.config.installation import Installation
from ciliate.config.values import read_bool
from ciliate.flows.relay.objects import NAME as RELAY
from ciliate.flows.relay.objects import agent_tls_volume, relay_objects
from ciliate.flows.ui.objects import NAME as UI
from ciliate.flows.ui.objects import ui_objects
from ciliate.lab import topology
from ciliate.lab.dns.manifests import service_addresses
from ciliate.lab.monitoring.manifests import monitoring_objects
from ciliate.lab.monitoring.scraping import scrape_annotations
from ciliate.lab.topology import CLUSTER_CIDR_V6

_NAMES: Final = Installation()
NAMESPACE: Final = _NAMES.namespace
CONFIG_MAP: Final = _NAMES.config_map
IP_MASQ_AGENT: Final = "ip-masq-agent"
AGENT: Final = _NAMES.agent_daemonset_name
OPERATOR: Final = _NAMES.operator_deployment_name

AGENT_SELECTOR: Final = _NAMES.agent_pod_selector
OPERATOR_SELECTOR: Final = _NAMES.operator_pod_selector

_NAMESPACES: Final = ("default", NAMESPACE, "kube-public", "kube-node-lease", "cilium-secrets")

#: What an agent with IPv6 needs beyond the walk-through's settings. The router of a dual-stack lab
#: has an IPv6 route to every pod, so that it can open connections to them.
_DUAL_STACK: Final = {
    "enable-ipv6": "true",
    "ipv6-native-routing-cidr": CLUSTER_CIDR_V6,
    "k8s-require-ipv6-pod-cidr": "true",
}

#: Where every node shows the page of flows.
_UI_NODE_PORT: Final = 30003

#: One program is both (lab/kubelet/images.py).
_IMAGE: Final = f"ciliate:v{__version__}"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """An object and the collection it is created in."""

    path: str
    body: Manifest


def cilium_config(*, dual_stack: bool, changes: Mapping[str, str]) -> dict[str, str]:
    """The data of cilium-config: the walk-through's start state, with `changes` over it."""
    text = files("ciliate.lab").joinpath("cilium-config.json").read_text(encoding="utf-8")
    data: dict[str, str] = json.loads(text)
    if dual_stack:
        data |= _DUAL_STACK
    return data | dict(changes)


def cluster_objects(*, config: Mapping[str, str], kubeconfig: str) -> list[Placed]:
    """Everything to create, in order. `kubeconfig` is a path that agents and operator can read."""
    return [
        *(
            Placed(
                "/api/v1/namespaces",
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            )
            for name in _NAMESPACES
        ),
        _configuration(CONFIG_MAP, config),
        Placed(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", _operator(kubeconfig, config)),
        Placed(f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets", _agent(kubeconfig, config)),
    ]


def kubeadm_objects(*, dual_stack: bool) -> list[Placed]:
    """What kubeadm leaves in a cluster, and tools ask for: true of this one."""
    networking = {
        "dnsDomain": topology.CLUSTER_DOMAIN,
        "podSubnet": ",".join(topology.cluster_cidrs(dual_stack=dual_stack)),
        "serviceSubnet": ",".join(topology.service_cidrs(dual_stack=dual_stack)),
    }
    cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": "kubernetes",
        "controlPlaneEndpoint": topology.api_url().removeprefix("https://"),
        "networking": networking,
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "clusterDNS": list(service_addresses(dual_stack=False)),
        "clusterDomain": topology.CLUSTER_DOMAIN,
    }
    return [
        _configuration("kubeadm-config", {"ClusterConfiguration": _yaml(cluster)}),
        _configuration("kubelet-config", {"kubelet": _yaml(kubelet)}),
    ]


def _yaml(document: Manifest) -> str:
    import yaml  # noqa: PLC0415 - the API client has imported it by then.

    return str(yaml.safe_dump(document, sort_keys=False))


def _configuration(name: str, data: Mapping[str, str]) -> Placed:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": dict(data),
    }
    return Placed(f"/api/v1/namespaces/{NAMESPACE}/configmaps", body)


def hubble_relay(config: Mapping[str, str]) -> list[Placed]:
    """The relay and its Services, by the settings of the agents that it asks."""
    objects = relay_objects(
        _NAMES,
        cluster=config.get("cluster-name", "default"),
        domain=topology.CLUSTER_DOMAIN,
        tls=not read_bool(config.get("hubble-disable-tls", "")),
    )
    return [Placed(path, body) for path, body in objects]


def hubble_ui(_config: Mapping[str, str]) -> list[Placed]:
    """The page of flows, at the walk-through's port of every node."""
    return [Placed(path, body) for path, body in ui_objects(_NAMES, node_port=_UI_NODE_PORT)]


#: Parts of an installation that may be added and taken away, and their objects by the settings.
PARTS: Final[Mapping[str, Callable[[Mapping[str, str]], list[Placed]]]] = {
    RELAY: hubble_relay,
    UI: hubble_ui,
}


def monitoring(config: Mapping[str, str]) -> list[Placed]:
    """Prometheus, and what it needs to find the flow servers."""
    text = files("ciliate.lab.monitoring").joinpath("prometheus.yaml").read_text(encoding="utf-8")
    objects = monitoring_objects(_NAMES, config=config, settings=text)
    return [Placed(path, body) for path, body in objects]


def ip_masq_agent(config: Mapping[str, Any]) -> Placed:
    """The ConfigMap of ip-masq-agent: one key, with JSON in it."""
    return _configuration(IP_MASQ_AGENT, {"config": json.dumps(config, separators=(",", ":"))})


def _agent(kubeconfig: str, config: Mapping[str, str]) -> Manifest:
    labels = {
        "k8s-app": AGENT,
        "app.kubernetes.io/name": "cilium-agent",
        "app.kubernetes.io/part-of": "cilium",
    }
    container = {
        "name": _NAMES.agent_container_name,
        "image": _IMAGE,
        "command": ["ciliate", "agent"],
        "env": _environment(kubeconfig),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"privileged": True},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": AGENT, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": AGENT}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}},
            "template": {
                "metadata": _scraped(labels, config.get("prometheus-serve-addr", "")),
                "spec": _agent_pod(container, kubeconfig),
            },
        },
    }


def _scraped(labels: Mapping[str, str], listen_address: str) -> Manifest:
    """The metadata of pods that serve metrics at an address, or nowhere; as the lab starts."""
    annotations = scrape_annotations(listen_address)
    return {"labels": labels, **({"annotations": annotations} if annotations else {})}


def _agent_pod(container: Manifest, kubeconfig: str) -> Manifest:
    """The agents' pod: what it sees of the node, and ip-masq-agent's file when there is one.

    The chart has that volume only where `ipMasqAgent.enabled` is set; here the DaemonSet stays the
    same when a setting changes.
    """
    spec = _pod(container, {**_AGENT_VOLUMES, "kubeconfig": _file(kubeconfig)})
    mounts = spec["containers"][0]["volumeMounts"]
    mounts.append({"name": IP_MASQ_AGENT, "mountPath": "/etc/config", "readOnly": True})
    volume, mount = agent_tls_volume()
    spec["volumes"].append(volume)
    mounts.append(mount)
    items = [{"key": "config", "path": IP_MASQ_AGENT}]
    source = {"name": IP_MASQ_AGENT, "optional": True, "items": items}
    spec["volumes"].append({"name": IP_MASQ_AGENT, "configMap": source})
    return spec


def _operator(kubeconfig: str, config: Mapping[str, str]) -> Manifest:
    selector = {"io.cilium/app": "operator", "name": OPERATOR}
    labels = selector | {
        "app.kubernetes.io/name": OPERATOR,
        "app.kubernetes.io/part-of": "cilium",
    }
    container = {
        "name": _NAMES.operator_container_name,
        "image": _IMAGE,
        "command": ["ciliate", "operator"],
        "env": _environment(kubeconfig),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": OPERATOR, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": _scraped(labels, config.get("operator-prometheus-serve-addr", "")),
                "spec": _pod(container, {**_RUN, "kubeconfig": _file(kubeconfig)}),
            },
        },
    }


@dataclass(frozen=True, slots=True)
class _NodePath:
    """A path of the node that a container sees."""

    path: str
    kind: str = "DirectoryOrCreate"
    seen_at: str = ""  # Another path in the container.
    propagation: str = ""
    read_only: bool = False


def _file(path: str) -> _NodePath:
    return _NodePath(path, "File", read_only=True)


#: Agents and operator answer commands here.
_RUN: Final = {"cilium-run": _NodePath("/var/run/cilium", propagation="HostToContainer")}

#: What the chart's DaemonSet declares. Where Cilium's plugin does the work, our agent does: so it
#: sees all of /run, wherever a runtime has its namespaces there, and /var/lib/cni, where IPAM
#: plugins keep what they gave (`ipam: delegated-plugin`).
_AGENT_VOLUMES: Final = {
    "run": _NodePath("/run", "Directory", propagation="HostToContainer"),
    **_RUN,
    "cilium-netns": _NodePath("/var/run/netns", propagation="HostToContainer"),
    "bpf-maps": _NodePath("/sys/fs/bpf", propagation="Bidirectional"),
    "host-proc-sys-net": _NodePath("/proc/sys/net", "Directory", "/host/proc/sys/net"),
    "host-proc-sys-kernel": _NodePath("/proc/sys/kernel", "Directory", "/host/proc/sys/kernel"),
    "etc-cni-netd": _NodePath("/etc/cni/net.d", seen_at="/host/etc/cni/net.d"),
    "cni-path": _NodePath("/opt/cni/bin", seen_at="/host/opt/cni/bin"),
    "cni-path-distribution": _NodePath("/usr/lib/cni", seen_at="/host/usr/lib/cni"),
    "cni-state": _NodePath("/var/lib/cni"),
}


def _pod(container: Manifest, volumes: Mapping[str, _NodePath]) -> Manifest:
    mounts = [_volume_mount(name, place) for name, place in volumes.items()]
    return {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        # They have a kubeconfig, and start sooner without.
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container | {"volumeMounts": mounts}],
        "volumes": [
            {"name": name, "hostPath": {"path": place.path, "type": place.kind}}
            for name, place in volumes.items()
        ],
    }


def _volume_mount(name: str, place: _NodePath) -> Manifest:
    mount: Manifest = {"name": name, "mountPath": place.seen_at or place.path}
    if place.propagation:
        mount["mountPropagation"] = place.propagation
    if place.read_only:
        mount["readOnly"] = True
    return mount


def _environment(kubeconfig: str) -> list[Manifest]:
    return [
        {
            "name": "K8S_NODE_NAME",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
        },
        {
            "name": "CILIUM_K8S_NAMESPACE",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        },
        {"name": "KUBECONFIG", "value": kubeconfig},
    ]
