"""What other plugins answered: an IPAM plugin's result, or the ADD result before ours. Pure.

What is read here: `ips`, each with an address in CIDR notation, and `interfaces`, to which an
address may refer (CNI 1.1.0, "ADD Success"); `result_shape.py` knows the shapes before those.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.result_shape import is_containers, with_list
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
        for ip in with_list(document).get("ips") or ():
            if not is_containers(ip, interfaces):
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
