"""Table columns of the built-in kinds but workloads, as `kubectl get` shows them.

Source: kubernetes `pkg/printers/internalversion/printers.go`; names are those of the columns in
lower case letters there, kubectl writes them in capitals.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ciliate.apiserver.resources import Column, Printing
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import age

NAME: Final = Column("Name", format="name")
AGE: Final = Column("Age")
#: Entries of a list that a cell shows before "+ n more...".
_SHOWN_MAX: Final = 3
_ROLE_LABEL: Final = "node-role.kubernetes.io/"


def wide(name: str, kind: str = "string") -> Column:
    """Return a column that `-o wide` alone shows."""
    return Column(name, type=kind, priority=1)


def created_age(obj: JsonObject) -> str:
    """Return the age of an object."""
    return age(obj["metadata"].get("creationTimestamp"))


def format_labels(labels: Mapping[str, str] | None) -> str:
    """Return labels as a selector's text."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or "<none>"


def format_selector(selector: Mapping[str, Any] | None) -> str:
    """Return a LabelSelector object as text."""
    if not selector:
        return "<none>"
    terms = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        values = ",".join(sorted(expression.get("values") or ()))
        terms.append(
            {
                "In": f"{expression['key']} in ({values})",
                "NotIn": f"{expression['key']} notin ({values})",
                "Exists": expression["key"],
                "DoesNotExist": f"!{expression['key']}",
            }[expression["operator"]]
        )
    return ",".join(terms) or "<none>"


def _more(shown: list[str], total: int) -> str:
    text = ",".join(shown[:_SHOWN_MAX])
    return f"{text} + {total - _SHOWN_MAX} more..." if total > _SHOWN_MAX else text


def _namespace(obj: JsonObject) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), created_age(obj)]


def _node(obj: JsonObject) -> list[Any]:
    status, metadata = obj.get("status", {}), obj["metadata"]
    ready = next(
        (c.get("status") for c in status.get("conditions") or () if c.get("type") == "Ready"), None
    )
    states = [{"True": "Ready", None: "Unknown"}.get(ready, "NotReady")]
    if obj.get("spec", {}).get("unschedulable"):
        states.append("SchedulingDisabled")
    labels = metadata.get("labels") or {}
    roles = {k.removeprefix(_ROLE_LABEL) for k in labels if k.startswith(_ROLE_LABEL)}
    roles |= {v for k, v in labels.items() if k == "kubernetes.io/role" and v}
    addresses: dict[str, str] = {}
    for address in status.get("addresses") or ():
        addresses.setdefault(address.get("type", ""), address.get("address", ""))
    info = status.get("nodeInfo") or {}
    return [
        metadata["name"],
        ",".join(states),
        ",".join(sorted(roles)) or "<none>",
        created_age(obj),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _external_ips(obj: JsonObject) -> str:
    spec = obj.get("spec", {})
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "LoadBalancer":
            ingress = (obj.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
            external = [i.get("ip") or i.get("hostname", "") for i in ingress] + external
            return ",".join(external) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case _:
            return ",".join(external) or "<none>"


def _service_port(port: Mapping[str, Any]) -> str:
    number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else str(port["port"])
    return f"{number}/{port.get('protocol', 'TCP')}"


def _service(obj: JsonObject) -> list[Any]:
    spec = obj.get("spec", {})
    return [
        obj["metadata"]["name"],
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP") or "<none>",
        _external_ips(obj),
        ",".join(_service_port(p) for p in spec.get("ports") or ()) or "<none>",
        created_age(obj),
        format_labels(spec.get("selector")),
    ]


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoints(obj: JsonObject) -> list[Any]:
    shown: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [a["ip"] for a in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            shown += addresses
        for port in ports:
            shown += [_host_port(a, port["port"]) for a in addresses]
    return [obj["metadata"]["name"], _more(shown, len(shown)) or "<none>", created_age(obj)]


def _endpoint_slice(obj: JsonObject) -> list[Any]:
    ports = [str(p["port"]) if p.get("port") is not None else "*" for p in obj.get("ports") or ()]
    addresses = [a for e in obj.get("endpoints") or () for a in e.get("addresses") or ()]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        _more(ports, len(ports)) or "<unset>",
        _more(addresses, len(addresses)) or "<unset>",
        created_age(obj),
    ]


def _config_map(obj: JsonObject) -> list[Any]:
    entries = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [obj["metadata"]["name"], entries, created_age(obj)]


def _secret(obj: JsonObject) -> list[Any]:
    entries = len(obj.get("data") or ())
    return [obj["metadata"]["name"], obj.get("type", "Opaque"), entries, created_age(obj)]


def _service_account(obj: JsonObject) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), created_age(obj)]


def _event(obj: JsonObject) -> list[Any]:
    involved, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or first
    component = source.get("component") or obj.get("reportingComponent") or ""
    where = [component, source.get("host") or obj.get("reportingInstance") or ""]
    return [
        age(last),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        ", ".join(filter(None, where)),
        str(obj.get("message", "")).strip(),
        age(first),
        obj.get("count") or 1,
        obj["metadata"]["name"],
    ]


def _lease(obj: JsonObject) -> list[Any]:
    holder = obj.get("spec", {}).get("holderIdentity") or ""
    return [obj["metadata"]["name"], holder, created_age(obj)]


def _network_policy(obj: JsonObject) -> list[Any]:
    selector = obj.get("spec", {}).get("podSelector")
    return [obj["metadata"]["name"], format_selector(selector), created_age(obj)]


def _service_cidr(obj: JsonObject) -> list[Any]:
    cidrs = (obj.get("spec") or {}).get("cidrs") or ()
    return [obj["metadata"]["name"], ",".join(cidrs), created_age(obj)]


def _definition(obj: JsonObject) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


def _name_and_age(obj: JsonObject) -> list[Any]:
    return [obj["metadata"]["name"], created_age(obj)]


def _printing(columns: Iterable[Column], cells: Any) -> Printing:
    return Printing(tuple(columns), cells)


DEFAULT: Final = _printing((NAME, AGE), _name_and_age)
NAMESPACE: Final = _printing((NAME, Column("Status"), AGE), _namespace)
NODE: Final = _printing(
    (
        *(NAME, Column("Status"), Column("Roles"), AGE, Column("Version")),
        *(wide("Internal-IP"), wide("External-IP"), wide("OS-Image"), wide("Kernel-Version")),
        wide("Container-Runtime"),
    ),
    _node,
)
SERVICE: Final = _printing(
    (
        *(NAME, Column("Type"), Column("Cluster-IP"), Column("External-IP"), Column("Port(s)")),
        *(AGE, wide("Selector")),
    ),
    _service,
)
ENDPOINTS: Final = _printing((NAME, Column("Endpoints"), AGE), _endpoints)
ENDPOINT_SLICE: Final = _printing(
    (NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE), _endpoint_slice
)
CONFIG_MAP: Final = _printing((NAME, Column("Data", type="integer"), AGE), _config_map)
SECRET: Final = _printing((NAME, Column("Type"), Column("Data", type="integer"), AGE), _secret)
SERVICE_ACCOUNT: Final = _printing(
    (NAME, Column("Secrets", type="integer"), AGE), _service_account
)
EVENT: Final = _printing(
    (
        *(Column("Last Seen"), Column("Type"), Column("Reason"), Column("Object")),
        *(wide("Subobject"), wide("Source"), Column("Message"), wide("First Seen")),
        *(wide("Count", "integer"), Column("Name", format="name", priority=1)),
    ),
    _event,
)
LEASE: Final = _printing((NAME, Column("Holder"), AGE), _lease)
NETWORK_POLICY: Final = _printing((NAME, Column("Pod-Selector"), AGE), _network_policy)
SERVICE_CIDR: Final = _printing((NAME, Column("CIDRs"), AGE), _service_cidr)
DEFINITION: Final = _printing((NAME, Column("Created At", type="date")), _definition)
