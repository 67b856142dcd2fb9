"""Rules of the addresses in a Service, given or asked for, in kube-apiserver's words.

Source: kubernetes `pkg/apis/core/validation` (ValidateServiceClusterIPsRelatedFields,
ValidateNonSpecialIP, ValidateLoadBalancerStatus).
"""

import json
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.fixed_fields import refusal
from ciliate.apiserver.names import invalid_value, subdomain_problems
from ciliate.apiserver.service_types import is_load_balancer
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.validation import one_of

NO_ADDRESS: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_RANGE: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_FAMILIES: Final = {4: "IPv4", 6: "IPv6"}
_ADDRESS_FIELDS: Final = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def address_causes(spec: JsonObject) -> list[Cause]:
    """Return what is wrong with cluster IPs, families, external addresses and source ranges."""
    causes = _external_ip_causes(spec) + _source_range_causes(spec)
    if spec.get("type") == "ExternalName":
        problem = "may not be set for ExternalName services"
        return causes + [
            refusal(f"spec.{name}", None, problem, forbidden=True)
            for name in _ADDRESS_FIELDS
            if spec.get(name)
        ]
    policies = ("SingleStack", "PreferDualStack", "RequireDualStack")
    policy = spec.get("ipFamilyPolicy", policies[0])
    causes += one_of("spec.ipFamilyPolicy", policy, policies)
    return causes + _family_causes(spec) + _cluster_ip_causes(spec)


def _family_causes(spec: JsonObject) -> list[Cause]:
    families = spec.get("ipFamilies") or []
    causes = []
    for index, family in enumerate(families):
        at = f"spec.ipFamilies[{index}]"
        causes += one_of(at, family, ("IPv4", "IPv6"))
        if family in families[:index]:
            causes.append(Cause(at, "FieldValueDuplicate", f'Duplicate value: "{family}"'))
    return causes


def _cluster_ip_causes(spec: JsonObject) -> list[Cause]:
    addresses, first = spec.get("clusterIPs") or [], spec.get("clusterIP")
    causes = []
    if addresses and first and first != addresses[0]:
        problem = "first value must match `clusterIP`"
        causes.append(refusal("spec.clusterIPs", addresses, problem))
    asked = addresses or ([first] if first else [])
    if len(asked) > 2:
        problem = "may only hold up to 2 values"
        causes.append(refusal("spec.clusterIPs", asked, problem))
    families = spec.get("ipFamilies") or []
    for index, text in enumerate(asked):
        at = f"spec.clusterIPs[{index}]"
        if text == "None":
            causes += _none_causes(spec, at, asked)
            continue
        address = parsed(text)
        if address is None:
            causes.append(invalid_value(at, text, NO_ADDRESS))
        elif index < len(families) and _FAMILIES[address.version] != families[index]:
            problem = f"expected an {families[index]} value as indicated by `ipFamilies[{index}]`"
            causes.append(invalid_value(at, text, problem))
    return causes


def _none_causes(spec: JsonObject, at: str, asked: list[Any]) -> list[Cause]:
    kind = spec.get("type")
    if kind != "ClusterIP":
        return [invalid_value(at, "None", f"may not be set to 'None' for {kind} services")]
    if len(asked) > 1:
        return [refusal("spec.clusterIPs", asked, "'None' must be the first and only value")]
    return []


def _external_ip_causes(spec: JsonObject) -> list[Cause]:
    causes = []
    for index, text in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{index}]"
        address = parsed(text)
        problems = [NO_ADDRESS] if address is None else special_problems(address)
        causes += [invalid_value(at, text, problem) for problem in problems]
    return causes


def special_problems(address: IPv4Address | IPv6Address) -> list[str]:
    """Return why an address is that of no other machine."""
    problems = []
    if address.is_unspecified:
        problems.append("may not be unspecified (0.0.0.0 or ::)")
    if address.is_loopback:
        problems.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        problems.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    scopes = (ip_network("224.0.0.0/24"), ip_network("ff02::/16"))
    if any(address in scope for scope in scopes if scope.version == address.version):
        problems.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return problems


def _source_range_causes(spec: JsonObject) -> list[Cause]:
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and not is_load_balancer(spec):
        problem = "may only be used when `type` is 'LoadBalancer'"
        return [refusal("spec.LoadBalancerSourceRanges", None, problem, forbidden=True)]
    causes = []
    for index, text in enumerate(ranges):
        try:
            ip_network(str(text).strip(), strict=False)
        except ValueError:
            causes.append(invalid_value(f"spec.loadBalancerSourceRanges[{index}]", text, NO_RANGE))
    return causes


def cluster_ip_changes(new: JsonObject, old: JsonObject) -> list[Cause]:
    """Return the addresses that would change; a second one may come and go with its family."""
    if "ExternalName" in {new.get("type"), old.get("type")}:
        return []
    had = old.get("clusterIPs") or [old.get("clusterIP")]
    has = new.get("clusterIPs") or [new.get("clusterIP")]
    return [
        Cause(
            f"spec.clusterIPs[{index}]",
            "FieldValueInvalid",
            f"Invalid value: {json.dumps(has)}: may not change once set",
        )
        for index, (was, now) in enumerate(zip(had, has, strict=False))
        if was and now != was
    ]


def given_address_causes(new: JsonObject) -> list[Cause]:
    """Return what is wrong with what a load balancer has given: the status."""
    given = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if given and not is_load_balancer(new["spec"]):
        problem = 'may only be used when `spec.type` is "LoadBalancer"'
        return [refusal("status.loadBalancer.ingress", None, problem, forbidden=True)]
    causes = []
    for index, ingress in enumerate(given):
        at = f"status.loadBalancer.ingress[{index}]"
        text, mode, name = (ingress.get(key) for key in ("ip", "ipMode", "hostname"))
        if text and parsed(text) is None:
            causes.append(invalid_value(f"{at}.ip", text, NO_ADDRESS))
        if text and not mode:
            causes.append(
                Cause(
                    f"{at}.ipMode",
                    "FieldValueRequired",
                    "Required value: must be specified when `ip` is set",
                )
            )
        elif mode and not text:
            problem = "may not be specified when `ip` is not set"
            causes.append(refusal(f"{at}.ipMode", None, problem, forbidden=True))
        elif mode:
            causes += one_of(f"{at}.ipMode", mode, ("Proxy", "VIP"))
        if name:
            causes += [
                invalid_value(f"{at}.hostname", name, each) for each in subdomain_problems(name)
            ]
            if parsed(name) is not None:
                problem = "must be a DNS name, not an IP address"
                causes.append(invalid_value(f"{at}.hostname", name, problem))
    return causes


def parsed(text: Any) -> IPv4Address | IPv6Address | None:
    """Return an address, or None: it is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None
