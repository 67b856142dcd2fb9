"""What other plugins answered: an IPAM plugin's result, or the ADD result before ours. Pure.

Shapes since 0.3.1 agree in what is read here (CNI 1.1.0, "ADD Success"): `ips`, each with an
address in CIDR notation, and `interfaces`, to which an address may refer.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import NAMES_IP_VERSION, CniVersion
from ciliate.net.address import IPAddress, ip_address


@dataclass(frozen=True, slots=True)
class PassedResult:
    """Another plugin's result, handed on unchanged."""

    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PluginAddresses:
    """At most one address of each family, IPv6 first, with the gateways named beside them."""

    addresses: tuple[IPAddress, ...]
    gateways: tuple[IPAddress, ...]


def parse_result(stdout: bytes, *, plugin: str) -> dict[str, Any]:
    """Return a plugin's success as it printed it.

    Raises:
        CniError: That is no JSON object.
    """
    try:
        document = json.loads(stdout)
    except (ValueError, RecursionError) as error:
        raise CniError(
            CniCode.DECODE_FAILURE, f"result of plugin {plugin} ({len(stdout)} bytes) is not JSON"
        ) from error
    if not isinstance(document, dict):
        raise CniError(CniCode.DECODE_FAILURE, f"result of plugin {plugin} is not a JSON object")
    return document


def addresses_of(
    document: Mapping[str, Any], *, versions: Iterable[int], source: str
) -> PluginAddresses:
    """Return the container's first address of each IP version in `versions`.

    An address that refers to an interface outside the sandbox is not the container's.

    Raises:
        CniError: The result is malformed.
    """
    wanted = frozenset(versions)
    found: dict[int, tuple[IPAddress, IPAddress | None]] = {}
    try:
        interfaces = document.get("interfaces") or ()
        for ip in document.get("ips") or ():
            if not _is_containers(ip, interfaces):
                continue
            address = ip_address(str(ip["address"]).partition("/")[0])
            gateway = ip_address(ip["gateway"]) if ip.get("gateway") else None
            if address.version in wanted:
                found.setdefault(address.version, (address, gateway))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CniError(
            CniCode.INVALID_CONFIG, f"{source} is not a CNI result", str(error)[:100]
        ) from error
    ordered = [found[version] for version in sorted(found, reverse=True)]
    return PluginAddresses(
        addresses=tuple(address for address, _ in ordered),
        gateways=tuple(gateway for _, gateway in ordered if gateway is not None),
    )


def _is_containers(ip: Mapping[str, Any], interfaces: Any) -> bool:
    index = ip.get("interface")
    if not isinstance(index, int):
        return True
    return bool(interfaces[index].get("sandbox")) if 0 <= index < len(interfaces) else True


def in_version(document: Mapping[str, Any], version: CniVersion) -> dict[str, Any]:
    """Return a result in the shape of `version`; runtimes hand it over in that shape already."""
    named = version in NAMES_IP_VERSION
    ips = [_ip_in(ip, named=named) for ip in document.get("ips") or ()]
    changed: dict[str, Any] = {"cniVersion": version}
    if ips:
        changed["ips"] = ips
    return {**document, **changed}


_VERSION_KEY: Final = "version"


def _ip_in(ip: Mapping[str, Any], *, named: bool) -> dict[str, Any]:
    unnamed = {key: value for key, value in ip.items() if key != _VERSION_KEY}
    if not named:
        return unnamed
    return {_VERSION_KEY: "6" if ":" in str(ip.get("address")) else "4", **unnamed}
