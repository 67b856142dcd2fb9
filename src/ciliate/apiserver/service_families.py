"""Which address families a Service has: by its policy, what it asks for, and what the cluster has.

Source: kubernetes `pkg/registry/core/service/storage` (initIPFamilyFields). The object has passed
`service_addresses`: its addresses are such, and of the families that it names.
"""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.fixed_fields import refusal
from ciliate.apiserver.names import invalid_value
from ciliate.apiserver.store import JsonObject

_FAMILIES: Final = {4: "IPv4", 6: "IPv6"}
_POLICY: Final = "spec.ipFamilyPolicy"
_SINGLE: Final = "SingleStack"
_FOR_TWO: Final = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"


def choose_families(
    spec: JsonObject, was: JsonObject | None, configured: Sequence[str]
) -> list[Cause]:
    """Complete policy and families of a Service, `was` the one it replaces; return what is wrong.

    `configured` are the cluster's families, its first one first.
    """
    if was is not None and _stays_preferring_two(spec, was):
        return []  # What it got once, it keeps, whatever the cluster has by now.
    without_selector = spec.get("clusterIP") == "None" and not spec.get("selector")
    policy = spec.get("ipFamilyPolicy") or (was or {}).get("ipFamilyPolicy")
    spec["ipFamilyPolicy"] = policy = policy or (
        "RequireDualStack" if without_selector else _SINGLE
    )
    causes = _reductions(spec, was) if was is not None else []
    families = _named_families(spec)
    causes += _policy_causes(spec, families)
    if causes:
        return causes
    spec["ipFamilies"] = families = families or [configured[0]]
    # Whoever writes such a Service's endpoints may write them of both families anywhere.
    possible: Collection[str] = ("IPv4", "IPv6") if without_selector else configured
    if policy == "RequireDualStack" and len(possible) < 2:
        problem = "this cluster is not configured for dual-stack services"
        return [invalid_value(_POLICY, policy, problem)]
    if policy != _SINGLE:
        families += [family for family in possible if family not in families]
    return [
        invalid_value(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        for index, family in enumerate(families)
        if family not in possible
    ]


def _stays_preferring_two(spec: JsonObject, was: JsonObject) -> bool:
    fields = ("clusterIPs", "ipFamilies", "ipFamilyPolicy", "type")
    same = all(spec.get(name) == was.get(name) for name in fields)
    return (
        same and spec.get("ipFamilyPolicy") == "PreferDualStack" and bool(spec.get("ipFamilies"))
    )


def _named_families(spec: JsonObject) -> list[Any]:
    """The families that it names, and those of the addresses that it asks for."""
    named = spec.get("ipFamilies") or []
    asked = [text for text in _addresses(spec)[len(named) :] if text != "None"]
    return [*named, *(_FAMILIES[ip_address(text).version] for text in asked)]


def _reductions(spec: JsonObject, was: JsonObject) -> list[Cause]:
    """A second family goes with the policy, and not by leaving it out."""
    policy = spec["ipFamilyPolicy"]
    if policy == _SINGLE or "ExternalName" in {spec.get("type"), was.get("type")}:
        return []
    words = {"clusterIPs": "secondary cluster IP", "ipFamilies": "secondary IP family"}
    return [
        invalid_value(_POLICY, policy, f"must be 'SingleStack' to release the {what}")
        for name, what in words.items()
        if len(was.get(name) or ()) == 2 and len(spec.get(name) or ()) == 1
    ]


def _policy_causes(spec: JsonObject, families: list[Any]) -> list[Cause]:
    if spec["ipFamilyPolicy"] != _SINGLE:
        return []
    causes = []
    if len(_addresses(spec)) > 1:
        causes.append(invalid_value(_POLICY, _SINGLE, _FOR_TWO.format("cluster IPs")))
    if len(spec.get("ipFamilies") or families) > 1:
        causes.append(invalid_value(_POLICY, _SINGLE, _FOR_TWO.format("IP families")))
    return causes


def _addresses(spec: JsonObject) -> list[str]:
    first = spec.get("clusterIP")
    return spec.get("clusterIPs") or ([first] if first else [])


def allocation_refused(spec: JsonObject, address: object, problem: str) -> Cause:
    """Return the cause for an address that cannot be given."""
    asked = _addresses(spec)
    return refusal("spec.clusterIPs", asked, f"failed to allocate IP {address}: {problem}")
