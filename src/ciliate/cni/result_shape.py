"""A result in the shape of any version of the specification, out of that of any other. Pure.

    0.1.0, 0.2.0           ip4: {ip, gateway, routes}, ip6: likewise; no interfaces
    0.3.0, 0.3.1, 0.4.0    interfaces, ips: [{version, interface, address, gateway}], routes
    1.0.0, 1.1.0           the same; an address names no IP version

A runtime hands a plugin's result to the next one in the shape in which that plugin printed it,
whatever version the list declares.
"""

from collections.abc import Mapping
from typing import Any, Final

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.version import BY_FAMILY, NAMES_IP_VERSION, CniVersion

_FAMILIES: Final = {"ip6": 6, "ip4": 4}
_VERSION_KEY: Final = "version"


def in_version(document: Mapping[str, Any], version: CniVersion) -> dict[str, Any]:
    """Return a result in the shape of `version`.

    Raises:
        CniError: It is no result.
    """
    try:
        return (_by_family if version in BY_FAMILY else _in_list)(document, version)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise CniError(CniCode.INVALID_CONFIG, "prevResult is not a CNI result") from error


def with_list(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a result whose addresses are in `ips`, also out of the shape of 0.2.0."""
    families = [document[key] for key in _FAMILIES if document.get(key)]
    if not families or document.get("ips"):
        return document
    ips = [
        {"address": family["ip"]}
        | ({"gateway": family["gateway"]} if family.get("gateway") else {})
        for family in families
    ]
    routes = [route for family in families for route in family.get("routes") or ()]
    rest = {key: value for key, value in document.items() if key not in _FAMILIES}
    return {**rest, "ips": ips, "routes": routes}


def is_containers(ip: Mapping[str, Any], interfaces: Any) -> bool:
    """Whether an address is the container's: it refers to no interface outside the sandbox."""
    index = ip.get("interface")
    if not isinstance(index, int):
        return True
    return bool(interfaces[index].get("sandbox")) if 0 <= index < len(interfaces) else True


def _by_family(document: Mapping[str, Any], version: CniVersion) -> dict[str, Any]:
    """Return the container's first address of each family, with that family's routes."""
    if not document.get("ips"):
        return {**document, "cniVersion": version}
    interfaces = document.get("interfaces") or ()
    ips = [ip for ip in document["ips"] if is_containers(ip, interfaces)]
    shown: dict[str, Any] = {"cniVersion": version}
    for key, family in _FAMILIES.items():
        first = next((ip for ip in ips if _family(ip["address"]) == family), None)
        if first is None:
            continue
        shown[key] = {"ip": first["address"]}
        if first.get("gateway"):
            shown[key]["gateway"] = first["gateway"]
        shown[key]["routes"] = [
            {name: route[name] for name in ("dst", "gw") if route.get(name)}
            for route in document.get("routes") or ()
            if _family(route["dst"]) == family
        ]
    return {**shown, "dns": document.get("dns") or {}}


def _in_list(document: Mapping[str, Any], version: CniVersion) -> dict[str, Any]:
    shown = {**with_list(document), "cniVersion": version}
    if shown.get("ips"):
        named = version in NAMES_IP_VERSION
        shown["ips"] = [_ip_in(ip, named=named) for ip in shown["ips"]]
    return shown


def _ip_in(ip: Mapping[str, Any], *, named: bool) -> dict[str, Any]:
    unnamed = {key: value for key, value in ip.items() if key != _VERSION_KEY}
    return {_VERSION_KEY: str(_family(ip["address"])), **unnamed} if named else unnamed


def _family(address: object) -> int:
    return 6 if ":" in str(address) else 4
