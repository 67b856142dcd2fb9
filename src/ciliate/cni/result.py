"""CNI results: what the plugin prints, in the shape of the version that was asked for. Pure.

It is made in the newest shape, less the MTUs of interfaces and routes that 1.1.0 added;
`result_shape.py` makes an older one of it.
"""

import json
from typing import Any, Final

from ciliate.cni.errors import CniError
from ciliate.cni.plugin_result import PassedResult
from ciliate.cni.result_shape import in_version
from ciliate.cni.version import NEWEST_VERSION, SUPPORTED_VERSIONS, CniVersion
from ciliate.net.address import IPAddress
from ciliate.net.pod_interface import PodInterface

#: The pod's end among `interfaces`, which addresses refer to.
_POD_INTERFACE: Final = 1


def render_add(result: PodInterface | PassedResult, version: CniVersion) -> bytes:
    """Return the success of an ADD: the pod's addresses, IPv6 first, as Cilium prints it."""
    if isinstance(result, PassedResult):
        return _json(in_version(result.document, version))
    newest = version == NEWEST_VERSION
    by_family = sorted(result.addresses, key=lambda address: -address.version)
    document: dict[str, Any] = {
        "cniVersion": version,
        "interfaces": _interfaces(result, with_mtu=newest),
        "ips": [_ip(address, result) for address in by_family],
        "routes": _routes(result, with_mtu=newest),
        "dns": {},
    }
    return _json(in_version(document, version))


def _interfaces(result: PodInterface, *, with_mtu: bool) -> list[dict[str, Any]]:
    mtu = {"mtu": result.mtu} if with_mtu else {}
    return [
        {"name": result.host_name, "mac": result.host_mac, **mtu},
        {"name": result.pod_name, "mac": result.pod_mac, "sandbox": result.netns, **mtu},
    ]


def _ip(address: IPAddress, result: PodInterface) -> dict[str, Any]:
    ip: dict[str, Any] = {
        "interface": _POD_INTERFACE,
        "address": f"{address}/{address.max_prefixlen}",
    }
    for gateway in result.gateways:
        if gateway.version == address.version:
            ip["gateway"] = str(gateway)
    return ip


def _routes(result: PodInterface, *, with_mtu: bool) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = []
    for gateway in sorted(result.gateways, key=lambda gateway: -gateway.version):
        everything = "0.0.0.0/0" if gateway.version == 4 else "::/0"
        mtu = {"mtu": result.route_mtu} if with_mtu else {}
        routes.append({"dst": f"{gateway}/{gateway.max_prefixlen}"})
        routes.append({"dst": everything, "gw": str(gateway), **mtu})
    return routes


def render_error(error: CniError, version: CniVersion) -> bytes:
    """Return a failure (CNI 1.1.0, "Error")."""
    document: dict[str, Any] = {"cniVersion": version, "code": error.code, "msg": error.msg}
    if error.details:
        document["details"] = error.details
    return _json(document)


def render_version(version: CniVersion) -> bytes:
    """Return the answer to VERSION."""
    return _json({"cniVersion": version, "supportedVersions": list(SUPPORTED_VERSIONS)})


def _json(document: dict[str, Any]) -> bytes:
    # Surrogates of an environment that is not UTF-8 come out as escapes: JSON stays valid.
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
