"""Whether this node replaces kube-proxy now: not by its settings, but by what is at work."""

from collections.abc import Iterable

from ciliate.node.context import Context
from ciliate.reconcile.status import RunStatus
from ciliate.services.status import DeviceModel, KubeProxyReplacement, features_of


def replacement(context: Context, parts: Iterable[RunStatus]) -> KubeProxyReplacement:
    """Return what `dbg status` tells; `parts` have to be at work for it to be true."""
    settings, devices = context.settings, context.devices.current
    is_wanted = settings.services.replaces_kube_proxy
    problem = in_force(parts) if is_wanted else ""
    return KubeProxyReplacement(
        mode="True" if is_wanted and not problem else "False",
        devices=tuple(link.name for link in devices.selected),
        device_list=tuple(
            DeviceModel(name=link.name, ip=tuple(str(known.address) for known in link.addresses))
            for link in devices.selected
        ),
        direct_routing_device=(
            settings.routing.direct_routing_device or devices.device_with(context.own.node_ip)
        ),
        features=features_of(settings.services),
        unsupported_devices=devices.unsupported,
        problem=problem,
    )


def in_force(parts: Iterable[RunStatus]) -> str:
    """Return why kube-proxy is not replaced, of what has to be at work for that; empty: it is."""
    for part in parts:
        if part.consecutive_failures:
            return f"{part.name}: {part.last_failure}"
        if not part.successes:
            return f"{part.name}: not done yet"
    return ""
