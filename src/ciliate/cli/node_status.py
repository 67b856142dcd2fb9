"""The text of `dbg status`: Cilium's lines, in its order and spacing, out of a StatusResponse.

Each function is a group of lines; a feature's own are in its `status` module. A tab ends a cell
and `table.align` sets the columns. A part
that the agent does not have prints what Cilium prints for it, or nothing where Cilium does so.
Pure: the time is an argument.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ciliate.agent.status import StatusResponse
from ciliate.api.agent_status import BigTcp, Controller, FeatureSwitch
from ciliate.cli.duration import since
from ciliate.console.table import align
from ciliate.endpoint.status import lines as endpoint_lines
from ciliate.flows.status import lines as hubble_lines
from ciliate.identity.status import lines as identity_lines
from ciliate.ipam.status import lines as ipam_lines
from ciliate.masquerade.status import lines as masquerade_lines
from ciliate.routing.status import lines as routing_lines
from ciliate.services import status as services_status

_UNHEALTHY = frozenset({"Warning", "Failure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is printed beyond the ordinary lines."""

    addresses: bool = False
    controllers: bool = False
    devices: bool = False
    own: bool = False  # Lines that Cilium does not have.


def render_status(status: StatusResponse, details: Details, *, now: datetime) -> str:
    """Return the whole text."""
    lines = [
        *_cluster_lines(status),
        *_node_lines(status),
        *ipam_lines(status.ipam, addresses=details.addresses),
        *_datapath_lines(status),
        *_controller_lines(status.controllers, details, now=now),
        *_observer_lines(status),
        *_device_lines(status, details),
        *_closing_lines(status),
        *(_own_lines(status, now=now) if details.own else ()),
    ]
    return align(lines, width_min=2, padding=3)


def render_brief(status: StatusResponse) -> str:
    """Return "OK", or what is wrong first, in one line."""
    problem = first_problem(status)
    return f"error in {problem}\n" if problem else "OK\n"


def first_problem(status: StatusResponse) -> str | None:
    """Return the first component that is not well, with its message."""
    if status.kvstore and status.kvstore.state in _UNHEALTHY:
        return f"kvstore: {status.kvstore.msg}"
    if status.kubernetes.state in _UNHEALTHY:
        return f"kubernetes: {status.kubernetes.msg}"
    if status.cilium.state in _UNHEALTHY:
        return f"cilium: {status.cilium.msg}"
    for controller in status.controllers:
        if controller.status.last_failure_msg:
            return f"controller {controller.name}: {controller.status.last_failure_msg}"
    return None


def _on(enabled: bool) -> str:  # noqa: FBT001 - one argument: nothing to confuse it with.
    return "Enabled" if enabled else "Disabled"


def _cluster_lines(status: StatusResponse) -> Iterator[str]:
    if status.kvstore:
        yield f"KVStore:\t{status.kvstore.state}\t{status.kvstore.msg}"
    yield f"Kubernetes:\t{status.kubernetes.state}\t{status.kubernetes.msg}"
    if status.kubernetes.state != "Disabled":
        names = '", "'.join(sorted(status.kubernetes.k8s_api_versions))
        yield f'Kubernetes APIs:\t["{names}"]'


def _node_lines(status: StatusResponse) -> Iterator[str]:
    if status.kube_proxy_replacement:
        yield from services_status.lines(status.kube_proxy_replacement)
    if firewall := status.host_firewall:
        devices = f"\t[{', '.join(firewall.devices)}]" if firewall.mode != "Disabled" else ""
        yield f"Host firewall:\t{firewall.mode}{devices}"
    if status.srv6:
        yield f"SRv6:\t{_on(status.srv6.enabled)}"
    yield from endpoint_lines(status.cni_chaining, status.cni_file)
    yield f"Cilium:\t{status.cilium.state}   {status.cilium.msg}"
    if monitor := status.node_monitor:
        yield (
            f"NodeMonitor:\tListening for events on {monitor.cpus} CPUs with "
            f"{monitor.npages}x{monitor.pagesize} of shared memory"
        )
        if monitor.lost or monitor.unknown:
            yield f"\t{monitor.lost} events lost, {monitor.unknown} unknown notifications"
    else:
        yield "NodeMonitor:\tDisabled"


def _datapath_lines(status: StatusResponse) -> Iterator[str]:
    for family, big_tcp in (("IPv4", status.ipv4_big_tcp), ("IPv6", status.ipv6_big_tcp)):
        if big_tcp:
            yield f"{family} BIG TCP:\t{_big_tcp(big_tcp)}"
    if status.bandwidth_manager:
        yield f"BandwidthManager:\t{_bandwidth(status.bandwidth_manager)}"
    yield from routing_lines(status.routing)
    if status.attach_mode:
        yield f"Attach Mode:\t{'TCX' if status.attach_mode == 'tcx' else 'Legacy TC'}"
    if status.datapath_mode:
        yield f"Device Mode:\t{status.datapath_mode}"
    replacement = status.kube_proxy_replacement
    devices = [device.name for device in replacement.device_list] if replacement else None
    yield from masquerade_lines(status.masquerading, devices)


def _big_tcp(big_tcp: BigTcp) -> str:
    if not big_tcp.enabled:
        return "Disabled"
    if big_tcp.max_gro == big_tcp.max_gso:
        return f"Enabled\t[{big_tcp.max_gso}]"
    return f"Enabled\t[{big_tcp.max_gro}, {big_tcp.max_gso}]"


def _bandwidth(manager: FeatureSwitch) -> str:
    return "EDT with BPF" if manager.enabled else "Disabled"


def _controller_lines(
    controllers: tuple[Controller, ...], details: Details, *, now: datetime
) -> Iterator[str]:
    failing = [c for c in controllers if c.status.consecutive_failure_count > 0]
    healthy = len(controllers) - len(failing)
    yield f"Controller Status:\t{healthy}/{len(controllers)} healthy"
    shown = sorted(controllers if details.controllers else failing, key=lambda c: c.name)
    if shown:
        yield "  Name\tLast success\tLast error\tCount\tMessage"
    for controller in shown:
        runs = controller.status
        yield (
            f"  {controller.name}\t{since(runs.last_success_timestamp, now=now)}"
            f"\t{since(runs.last_failure_timestamp, now=now)}"
            f"\t{runs.consecutive_failure_count}\t{runs.last_failure_msg or 'no error'}"
        )


def _observer_lines(status: StatusResponse) -> Iterator[str]:
    if proxy := status.proxy:
        yield (
            f"Proxy Status:\tOK, ip {proxy.ip}, {proxy.total_redirects} redirects active on ports "
            f"{proxy.port_range}, Envoy: {proxy.envoy_deployment_mode}"
        )
    else:
        yield "Proxy Status:\tNo managed proxy redirect"
    if status.identity_range:
        yield from identity_lines(status.identity_range)
    if hubble := status.hubble:
        yield from hubble_lines(hubble)


def _device_lines(status: StatusResponse, details: Details) -> Iterator[str]:
    if details.devices and status.kube_proxy_replacement is not None:
        yield from services_status.detail_lines(status.kube_proxy_replacement)


def _closing_lines(status: StatusResponse) -> Iterator[str]:
    if status.encryption:
        yield f"Encryption:\t{status.encryption.mode}\t"
    yield "Cluster health:\tProbe disabled"


def _own_lines(status: StatusResponse, *, now: datetime) -> Iterator[str]:
    """Yield what Cilium's status has no line for."""
    if status.endpoints:
        yield f"Endpoints:\t{status.endpoints.ready}/{status.endpoints.total} ready"
    if status.started_at:
        yield f"Started:\t{since(status.started_at, now=now)}"
    warnings = (*status.warnings, *status.service_problems)
    if warnings:
        yield "Warnings:"
        yield from (f"  {warning}" for warning in warnings)
