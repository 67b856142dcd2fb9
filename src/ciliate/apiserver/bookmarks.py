"""Bookmarks: events that only say how far a watch has come.

kube-apiserver makes one out of an empty object of the kind: of a built-in kind all that Go writes
of its zero values comes with it, lists as null, which clients must bear. A custom kind's has
nothing besides its metadata.
"""

from typing import Final

import msgspec

from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject

#: Marks the bookmark that ends the initial events of a watch list (KEP-3157).
_INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"

_TEMPLATE: Final = {"metadata": {"creationTimestamp": None}, "spec": {"containers": None}}
_DAEMON_SET_STATUS: Final = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
)
_NODE_INFO: Final = (
    *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"),
    *("kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"),
)
_EVENT_TIMES: Final = ("firstTimestamp", "lastTimestamp", "eventTime")

#: What a built-in kind's Go type writes when nothing is set (k8s.io/api), besides its metadata.
_ZERO: Final[dict[str, JsonObject]] = {
    "Namespace": {"spec": {}, "status": {}},
    "Node": {
        "spec": {},
        "status": {
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": dict.fromkeys(_NODE_INFO, ""),
        },
    },
    "Pod": {"spec": {"containers": None}, "status": {}},
    "Service": {"spec": {}, "status": {"loadBalancer": {}}},
    "Event": {
        "involvedObject": {},
        "source": {},
        **dict.fromkeys(_EVENT_TIMES),
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "DaemonSet": {
        "spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}},
        "status": dict.fromkeys(_DAEMON_SET_STATUS, 0),
    },
    "Deployment": {
        "spec": {"selector": None, "template": _TEMPLATE, "strategy": {}},
        "status": {},
    },
    "ReplicaSet": {"spec": {"selector": None}, "status": {"replicas": 0}},
    "StatefulSet": {
        "spec": {
            "selector": None,
            "template": _TEMPLATE,
            "serviceName": "",
            "updateStrategy": {},
        },
        "status": {"replicas": 0, "availableReplicas": 0},
    },
    "Lease": {"spec": {}},
    "EndpointSlice": {"addressType": "", "endpoints": None, "ports": None},
    "NetworkPolicy": {"spec": {}},
    "ServiceCIDR": {"spec": {}, "status": {}},
}


def bookmark(resource: ServedResource, revision: int, *, initial_end: bool = False) -> JsonObject:
    """Return a bookmark's object; `initial_end`: it ends the initial events of a watch list."""
    metadata: JsonObject = {"resourceVersion": str(revision)}
    if not resource.is_custom:
        metadata["creationTimestamp"] = None
    if initial_end:
        metadata["annotations"] = {_INITIAL_EVENTS_END: "true"}
    zero = {} if resource.is_custom else _ZERO.get(resource.kind, {})
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": metadata,
        **zero,
    }


def bookmark_line(resource: ServedResource, revision: int, *, initial_end: bool = False) -> bytes:
    """Return the line of a watch that is a bookmark."""
    shown = bookmark(resource, revision, initial_end=initial_end)
    return msgspec.json.encode({"type": "BOOKMARK", "object": shown}) + b"\n"
