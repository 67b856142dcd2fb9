"""Discovery: which groups, versions and resources are served.

Both forms: one document for all (apidiscovery.k8s.io/v2, what kubectl asks for since 1.27) and the
older ones, one per group version.
"""

from typing import Any, Final

from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.store import JsonObject

_READ_WRITE: Final = ("get", "patch", "update")
#: Subresources whose objects are of another kind, or that are not objects at all.
_SUBRESOURCE_KINDS: Final[dict[str, tuple[str, str, str, tuple[str, ...]]]] = {
    "scale": ("autoscaling", "v1", "Scale", _READ_WRITE),
    "binding": ("", "v1", "Binding", ("create",)),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "log": ("", "v1", "Pod", ("get",)),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    "exec": ("", "v1", "PodExecOptions", ("create", "get")),
    "attach": ("", "v1", "PodAttachOptions", ("create", "get")),
    "portforward": ("", "v1", "PodPortForwardOptions", ("create", "get")),
}
_PROXY_VERBS: Final = ("create", "delete", "get", "patch", "update")


def _subresource(resource: ServedResource, name: str) -> tuple[str, str, str, tuple[str, ...]]:
    if name in _SUBRESOURCE_KINDS:
        return _SUBRESOURCE_KINDS[name]
    if name == "proxy":
        return "", "v1", f"{resource.kind}ProxyOptions", _PROXY_VERBS
    verbs = ("update",) if name == "finalize" else _READ_WRITE
    return resource.group, resource.version, resource.kind, verbs


def aggregated(registry: Registry, *, core: bool, version: str) -> JsonObject:
    """Return the aggregated document of /api (the core group) or /apis (all others)."""
    items = []
    for group, versions in registry.groups().items():
        if (group == "") is not core:
            continue
        entries = [
            {
                "version": v,
                "resources": [
                    _aggregated_resource(r)
                    for r in registry.all()
                    if (r.group, r.version) == (group, v)
                ],
                "freshness": "Current",
            }
            for v in versions
        ]
        metadata = (
            {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        )
        items.append({"metadata": metadata, "versions": entries})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(resource: ServedResource) -> JsonObject:
    document: JsonObject = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    if resource.subresources:
        document["subresources"] = [
            _aggregated_subresource(resource, name) for name in sorted(resource.subresources)
        ]
    return document


def _aggregated_subresource(resource: ServedResource, name: str) -> JsonObject:
    group, version, kind, verbs = _subresource(resource, name)
    return {
        "subresource": name,
        "responseKind": _kind(group, version, kind),
        "verbs": list(verbs),
    }


def _kind(group: str, version: str, kind: str) -> JsonObject:
    return {"group": group, "version": version, "kind": kind}


def api_versions(addresses: str) -> JsonObject:
    """Return the document of /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": addresses}],
    }


def api_group(registry: Registry, group: str) -> JsonObject | None:
    """Return the document of /apis/GROUP; None for a group that is not served."""
    versions = registry.groups().get(group)
    if not group or versions is None:
        return None
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": listed,
        "preferredVersion": listed[0],
    }


def api_group_list(registry: Registry) -> JsonObject:
    """Return the document of /apis."""
    groups = [api_group(registry, group) for group in registry.groups() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def resource_list(registry: Registry, group: str, version: str) -> JsonObject | None:
    """Return the document of one group version; None for one that is not served."""
    if version not in registry.groups().get(group, ()):
        return None
    entries: list[JsonObject] = []
    for resource in registry.all():
        if (resource.group, resource.version) != (group, version):
            continue
        entries.append(_listed(resource))
        entries += [_listed_subresource(resource, name) for name in sorted(resource.subresources)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": entries,
    }


def _listed(resource: ServedResource) -> JsonObject:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _listed_subresource(resource: ServedResource, name: str) -> JsonObject:
    group, version, kind, verbs = _subresource(resource, name)
    entry = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": list(verbs),
    }
    if (group, version) != (resource.group, resource.version):
        entry |= {"group": group, "version": version}
    return entry
