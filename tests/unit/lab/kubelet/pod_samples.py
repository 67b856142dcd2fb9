"""Pods written as in manifests, and what is known of them on a node."""

from typing import Any

import msgspec

from ciliate.lab.kubelet.downward import PodFacts
from ciliate.lab.objects import Container, Pod

ALLOCATABLE = {"cpu": "2", "memory": "4194304Ki", "pods": "110"}


def container_of(**fields: Any) -> Container:
    """A container by its manifest's fields."""
    return msgspec.convert({"name": "c", **fields}, Container)


def pod_of(*containers: Container, **spec: Any) -> Pod:
    """A pod of namespace `shop` on node `n1`."""
    meta = {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u1",
        "labels": {"app": "web", "tier": 'a"b'},
        "annotations": {"note": "two\nlines"},
    }
    document = {
        "metadata": meta,
        "spec": {
            "nodeName": "n1",
            "serviceAccountName": "default",
            "containers": msgspec.to_builtins(list(containers)),
            **spec,
        },
    }
    return msgspec.convert(document, Pod)


def facts_of(pod: Pod, *, ips: tuple[str, ...] = ("10.0.0.2", "fd00::2")) -> PodFacts:
    """What the pod's node knows of it."""
    return PodFacts(
        pod=pod, node_ips=("192.168.10.101", "fd01::101"), ips=ips, allocatable=ALLOCATABLE
    )
