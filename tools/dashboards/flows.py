"""Dashboard "Hubble flows": what pods send and receive, and what of it is dropped. Pure.

A list of metrics may have more labels (`labelsContext` and its kin): every query sums them up.
"""

from typing import Final

from tools.dashboards.layout import Dashboard, Section
from tools.dashboards.panel import Panel, lines, number, process_panels, rate, series


def _by(title: str, labels: str, metric: str, *, about: str = "", most: int = 0) -> Panel:
    """A panel of a counter's growth, summed up by labels; of the `most` largest sums, if told."""
    summed = f"sum by ({labels}) ({rate(metric)})"
    legend = " ".join(f"{{{{{label}}}}}" for label in labels.split(", "))
    expression = f"topk({most}, {summed})" if most else summed
    return lines(title, (expression, legend), unit="ops", stacked=not most, about=about)


_STATE: Final = Section(
    "State",
    (
        number("Flows a second", f"sum({rate('hubble_flows_processed_total')})", unit="ops"),
        number(
            "Drops a second",
            f"sum({rate('hubble_drop_total')}) or vector(0)",
            unit="ops",
        ),
        number(
            "Flows lost",
            f"sum(increase({series('hubble_lost_events_total')}[$__range]))",
            about="In the time that is shown.",
            alarm=1,
        ),
        number(
            "Flows not counted",
            f"sum(increase({series('ciliate_flow_metric_series_refused_total')}[$__range]))",
            about="In the time that is shown: their metric has as many series as it may.",
            alarm=1,
        ),
    ),
)

_FLOWS: Final = Section(
    "Flows",
    (
        _by("Flows by verdict", "verdict", "hubble_flows_processed_total"),
        _by("Flows by protocol", "protocol", "hubble_flows_processed_total"),
        _by(
            "Flows by place of observation",
            "type, subtype",
            "hubble_flows_processed_total",
            about="A packet is seen at several: where it leaves a pod, a node, and where it arrives.",
        ),
        _by("Flows by node", "node", "hubble_flows_processed_total"),
        _by(
            "Ports",
            "port, protocol",
            "hubble_port_distribution_total",
            most=10,
            about="The ten to which most is sent; ICMP has port 0.",
        ),
        lines(
            "Lost",
            (f"sum by (source) ({rate('hubble_lost_events_total')})", "{{source}}"),
            unit="ops",
            about="No room in the programs' ring, or a client that took them too slowly.",
        ),
    ),
)

_DROPS: Final = Section(
    "Drops",
    (
        _by("Drops by reason", "reason", "hubble_drop_total"),
        _by("Drops by protocol", "protocol", "hubble_drop_total"),
        _by("Drops by node", "node", "hubble_drop_total"),
    ),
)

_SYN: Final = rate("hubble_tcp_flags_total", 'flag="SYN"')
_SYN_ACK: Final = rate("hubble_tcp_flags_total", 'flag="SYN-ACK"')

_TCP_ICMP: Final = Section(
    "TCP and ICMP",
    (
        _by("TCP flags", "flag, family", "hubble_tcp_flags_total"),
        lines(
            "Connections asked for and answered",
            (f"sum({_SYN})", "SYN"),
            (f"sum({_SYN_ACK})", "SYN-ACK"),
            unit="ops",
            about="What is asked for more often than answered meets nobody.",
        ),
        _by("ICMP", "type, family", "hubble_icmp_total"),
    ),
)

_DNS: Final = Section(
    "DNS",
    (
        _by("DNS queries", "qtypes", "hubble_dns_queries_total"),
        _by("DNS responses by code", "rcode", "hubble_dns_responses_total"),
        _by("Records of DNS responses", "type", "hubble_dns_response_types_total"),
    ),
)

_SERVER: Final = Section("Flow servers", process_panels("ciliate_flow_server"))

DASHBOARD: Final = Dashboard(
    uid="ciliate-hubble-flows",
    title="Hubble flows",
    description="What pods send and receive, and what of it is dropped.",
    nodes_of="hubble_lost_events_total",
    sections=(_STATE, _FLOWS, _DROPS, _TCP_ICMP, _DNS, _SERVER),
)
