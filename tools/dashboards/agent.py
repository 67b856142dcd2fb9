"""Dashboard "Ciliate agent": addresses, Services, masquerading and health of every node. Pure."""

from typing import Final

from tools.dashboards.layout import Dashboard, Section
from tools.dashboards.panel import lines, number, part, process_panels, quantile, rate, series

_DRAINING: Final = series("ciliate_ipam_node_cidrs", 'state="draining"')
_NUMBERS: Final = part("cilium_loadbalancer_id_allocations", "cilium_loadbalancer_id_capacity")

_STATE: Final = Section(
    "State",
    (
        number("Agents", f"count({series('cilium_process_start_time_seconds')})"),
        number(
            "Pods that wait for an address",
            f"sum({series('ciliate_ipam_pending_pods')}) or vector(0)",
            alarm=1,
        ),
        number(
            "Services with problems",
            f"sum({series('ciliate_services_with_problems')})",
            about="Left out, fully or in part, or refused something: `cilium-dbg status` says why.",
            alarm=1,
        ),
        number(
            "Events lost",
            f"sum(increase({series('ciliate_events_lost_total')}[$__range]))",
            about="In the time that is shown: events of programs that found no room in the ring.",
            alarm=1,
        ),
    ),
)

_ADDRESSES: Final = Section(
    "Addresses",
    (
        lines("In use", (series("cilium_ip_addresses"), "{{node}} {{family}}")),
        lines(
            "Fill",
            (
                part("cilium_ip_addresses", "cilium_ipam_capacity"),
                "{{node}} {{family}}",
            ),
            unit="percentunit",
            about="Of the addresses that the node can give.",
        ),
        lines(
            "Given and freed",
            (f"sum by (action) ({rate('cilium_ipam_events_total')})", "{{action}}"),
            unit="ops",
        ),
        lines(
            "Pools",
            (
                f"sum by (pool, family, state) ({series('ciliate_ipam_pool_addresses')})",
                "{{pool}} {{family}} {{state}}",
            ),
            about="Addresses of the CIDRs that nodes have of a pool.",
        ),
        lines(
            "CIDRs that drain",
            (
                f"sum by (node, pool, family) ({_DRAINING})",
                "{{node}} {{pool}} {{family}}",
            ),
            about="They go with the pods that have their addresses.",
        ),
    ),
)

_SERVICES: Final = Section(
    "Services",
    (
        lines(
            "Changes",
            (f"sum by (action) ({rate('cilium_services_events_total')})", "{{action}}"),
            unit="ops",
        ),
        lines(
            "From a change to the maps",
            *(
                (quantile(share, "cilium_service_implementation_delay"), f"{share:.0%}")
                for share in (0.5, 0.99)
            ),
            unit="s",
            about="From the agent's first sight of a change on.",
        ),
        lines(
            "From a pod's change to the maps",
            *(
                (quantile(share, "ciliate_network_programming_duration_seconds"), f"{share:.0%}")
                for share in (0.5, 0.99)
            ),
            unit="s",
            about="From the change on that an EndpointSlice tells of.",
        ),
        lines(
            "Fill of maps",
            (f"max by (map_name) ({series('cilium_bpf_map_pressure')})", "{{map_name}}"),
            unit="percentunit",
            about="On the node where it is fullest.",
        ),
        lines(
            "Fill of numbers",
            (
                f"max by (type) ({_NUMBERS})",
                "{{type}}",
            ),
            unit="percentunit",
            about="Services and endpoints have numbers; on the node where most are in use.",
        ),
        lines(
            "Sockets ended",
            (
                f"sum by (protocol) ({rate('ciliate_service_sockets_ended_total')})",
                "{{protocol}}",
            ),
            unit="ops",
            about="Because the endpoint they spoke to is gone.",
        ),
    ),
)

_REMOTE: Final = "{{address}} → {{remote}}:{{port}}/{{protocol}}"

_MASQUERADING: Final = Section(
    "Masquerading",
    (
        lines(
            "Fullest remote",
            (series("cilium_nat_endpoint_max_connection"), "{{node}} {{family}}"),
            unit="percent",
            about="Ports that connections to it hold, of those there are.",
        ),
        lines(
            "Ports of the fullest remotes",
            (f"topk(10, {series('ciliate_masquerade_ports_used')})", _REMOTE),
            about="Remotes to which a tenth of the ports, or more, is in use.",
        ),
        lines(
            "Connections refused for want of a port",
            (f"topk(10, {rate('ciliate_masquerade_port_failures_total')})", _REMOTE),
            unit="ops",
        ),
        lines(
            "Connections of pods",
            (
                f"topk(10, {series('ciliate_masquerade_pod_connections')})",
                "{{exported_namespace}}/{{exported_pod}}",
            ),
            about="Elements of the table of connections, of the ten pods that have most.",
        ),
        lines(
            "Connections that pods lost",
            (
                f"topk(10, {rate('ciliate_masquerade_pod_connections_evicted_total')})",
                "{{exported_namespace}}/{{exported_pod}} ended",
            ),
            (
                f"topk(10, {rate('ciliate_masquerade_pod_connections_refused_total')})",
                "{{exported_namespace}}/{{exported_pod}} refused",
            ),
            unit="ops",
            about="Ended to make room, or refused for want of it.",
        ),
    ),
)

_AGENT: Final = Section(
    "Agent",
    (
        *process_panels("cilium"),
        lines(
            "Events of programs",
            (f"sum by (node) ({rate('ciliate_events_total')})", "{{node}}"),
            (f"sum by (node) ({rate('ciliate_events_lost_total')})", "{{node}} lost"),
            unit="ops",
        ),
        lines(
            "Connections of listeners",
            (f"sum by (listener) ({series('ciliate_listener_connections')})", "{{listener}}"),
            about="Agents, flow servers and operator on the nodes that are chosen.",
        ),
        lines(
            "Connections that listeners ended",
            (
                f"sum by (listener, reason) ({rate('ciliate_listener_ended_total')}) > 0",
                "{{listener}} {{reason}}",
            ),
            unit="ops",
        ),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="ciliate-agent",
    title="Ciliate agent",
    description="Addresses, Services, masquerading and health of every node.",
    nodes_of="cilium_process_start_time_seconds",
    sections=(_STATE, _ADDRESSES, _SERVICES, _MASQUERADING, _AGENT),
)
