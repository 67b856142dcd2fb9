"""Rules of Endpoints and EndpointSlices, in kube-apiserver's words.

Source: kubernetes `pkg/apis/discovery/validation`, `pkg/apis/core/validation` (ValidateEndpointIP).
"""

from collections.abc import Sequence
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import (
    invalid_value,
    label_problems,
    label_value_problems,
    required_value,
    subdomain_problems,
)
from ciliate.apiserver.service_addresses import NO_ADDRESS, parsed, special_problems
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.validation import PROTOCOLS, duplicate_causes, one_of, port_causes

_VERSIONS: Final = {"IPv4": 4, "IPv6": 6}
_TYPES: Final = ("FQDN", "IPv4", "IPv6")
_ENDPOINTS_MAX: Final = 1000
_ADDRESSES_MAX: Final = 100
_HINTS_MAX: Final = 8


def check_endpoints(new: JsonObject, _: JsonObject | None) -> list[Cause]:
    """Check an Endpoints object."""
    causes = []
    for index, subset in enumerate(new.get("subsets") or ()):
        for kind in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(kind) or ()):
                at = f"subsets[{index}].{kind}[{place}].ip"
                causes += _address_causes(at, address.get("ip"))
        for place, port in enumerate(subset.get("ports") or ()):
            causes += port_causes(f"subsets[{index}].ports[{place}].port", port.get("port"))
    return causes


def check_endpoint_slice(new: JsonObject, _: JsonObject | None) -> list[Cause]:
    """Check an EndpointSlice."""
    kind, endpoints = new.get("addressType", ""), new.get("endpoints") or ()
    causes = one_of("addressType", kind, _TYPES)
    causes += _too_many("endpoints", endpoints, _ENDPOINTS_MAX)
    for index, endpoint in enumerate(endpoints[:_ENDPOINTS_MAX]):
        causes += _endpoint_causes(f"endpoints[{index}]", endpoint, kind)
    ports = new.get("ports") or ()
    causes += duplicate_causes("ports", ports, "name")
    for index, port in enumerate(ports):
        at = f"ports[{index}]"
        if port.get("name"):
            problems = label_problems(port["name"])
            causes += [invalid_value(f"{at}.name", port["name"], each) for each in problems]
        causes += one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
        if port.get("port") is not None:
            causes += port_causes(f"{at}.port", port["port"])
    return causes


def _endpoint_causes(at: str, endpoint: JsonObject, kind: str) -> list[Cause]:
    addresses = endpoint.get("addresses") or ()
    causes = _too_many(f"{at}.addresses", addresses, _ADDRESSES_MAX)
    if not addresses:
        problem = "must contain at least 1 address"
        causes.append(required_value(f"{at}.addresses", problem))
    for index, text in enumerate(addresses[:_ADDRESSES_MAX]):
        here = f"{at}.addresses[{index}]"
        if kind == "FQDN":
            causes += [invalid_value(here, text, each) for each in subdomain_problems(text)]
        else:
            causes += _address_causes(here, text, kind)
    for name, problems_of in (("hostname", label_problems), ("nodeName", subdomain_problems)):
        value = endpoint.get(name)
        if value:
            causes += [invalid_value(f"{at}.{name}", value, each) for each in problems_of(value)]
    return causes + _hint_causes(f"{at}.hints", endpoint.get("hints") or {})


def _hint_causes(at: str, hints: JsonObject) -> list[Cause]:
    causes = []
    for name in ("forZones", "forNodes"):
        causes += _too_many(f"{at}.{name}", hints.get(name) or (), _HINTS_MAX)
        for index, hint in enumerate(hints.get(name) or ()):
            here, value = f"{at}.{name}[{index}].name", hint.get("name", "")
            is_zone = name == "forZones"
            problems = label_value_problems(value) if is_zone else subdomain_problems(value)
            causes += [invalid_value(here, value, each) for each in problems]
    return causes


def _address_causes(at: str, text: Any, kind: str = "") -> list[Cause]:
    """Return what is wrong with an endpoint's address; `kind`: the family that it has to be of."""
    address = parsed(text)
    if address is None:
        return [invalid_value(at, text, NO_ADDRESS)]
    if kind in _VERSIONS and address.version != _VERSIONS[kind]:
        return [invalid_value(at, text, f"must be a valid {kind} address")]
    return [invalid_value(at, text, problem) for problem in special_problems(address)]


def _too_many(at: str, items: Sequence[Any], most: int) -> list[Cause]:
    if len(items) <= most:
        return []
    message = f"Too many: {len(items)}: must have at most {most} items"
    return [Cause(at, "FieldValueTooMany", message)]
