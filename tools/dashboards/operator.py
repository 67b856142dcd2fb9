"""Dashboard "Ciliate operator": CIDRs for nodes, addresses for load balancers. Pure."""

from typing import Final

from tools.dashboards.layout import Dashboard, Section
from tools.dashboards.panel import lines, number, part, process_panels, rate, series

_STATE: Final = Section(
    "State",
    (
        number("Operators that lead", f"sum({series('ciliate_operator_leading')})"),
        number(
            "Nodes that wait for a block",
            f"sum({series('ciliate_operator_ipam_nodes_waiting')})",
            alarm=1,
        ),
        number("Problems of pools", f"sum({series('ciliate_operator_ipam_problems')})", alarm=1),
        number(
            "Services without their address",
            f"sum({series('cilium_operator_lbipam_services_unsatisfied')})",
            about="Of type LoadBalancer, that get addresses from pools.",
            alarm=1,
        ),
    ),
)

_CIDRS: Final = Section(
    "CIDRs of nodes",
    (
        lines(
            "Blocks of pools",
            (
                f"sum by (pool, family) ({series('ciliate_operator_ipam_pool_blocks_used')})",
                "{{pool}} {{family}} used",
            ),
            (
                f"sum by (pool, family) ({series('ciliate_operator_ipam_pool_blocks_left')})",
                "{{pool}} {{family}} left",
            ),
            stacked=True,
            about="Cluster scope and multi-pool; in Kubernetes' host scope the operator gives none.",
        ),
        lines(
            "Fill of pools",
            (
                part(
                    "ciliate_operator_ipam_pool_blocks_used", "ciliate_operator_ipam_pool_blocks"
                ),
                "{{pool}} {{family}}",
            ),
            unit="percentunit",
        ),
        lines(
            "Time until a pool is used up",
            (
                series("ciliate_operator_ipam_pool_seconds_to_exhaustion"),
                "{{pool}} {{family}}",
            ),
            unit="s",
            about="At the growth of late; without growth there is no line.",
        ),
        lines(
            "Nodes and conflicts",
            (f"sum({series('ciliate_operator_ipam_nodes')})", "nodes"),
            (f"sum({series('ciliate_operator_ipam_conflicts')})", "CIDRs that overlap"),
        ),
        lines(
            "Writes of CIDRs",
            (f"sum({rate('ciliate_operator_ipam_grants_total')})", "given"),
            (f"sum({rate('ciliate_operator_ipam_failed_writes_total')})", "failed"),
            unit="ops",
        ),
        lines(
            "Blocks that drain",
            (
                f"sum by (pool, family) ({series('ciliate_operator_ipam_pool_blocks_draining')})",
                "{{pool}} {{family}}",
            ),
            about="Nodes give them back when their pods are gone.",
        ),
    ),
)

_LOAD_BALANCERS: Final = Section(
    "Addresses of load balancers",
    (
        lines(
            "Addresses of pools",
            (
                f"sum by (pool) ({series('cilium_operator_lbipam_ips_used')})",
                "{{pool}} used",
            ),
            (
                f"sum by (pool) ({series('cilium_operator_lbipam_ips_available')})",
                "{{pool}} left",
            ),
        ),
        lines(
            "Services",
            (f"sum({series('cilium_operator_lbipam_services_matching')})", "of pools"),
            (
                f"sum({series('cilium_operator_lbipam_services_unsatisfied')})",
                "without their address",
            ),
        ),
        lines(
            "Pools that overlap",
            (f"sum({series('cilium_operator_lbipam_conflicting_pools')})", "pools"),
            about="They give nothing: their blocks are those of others, too.",
        ),
    ),
)

_OPERATOR: Final = Section("Operator", process_panels("cilium_operator"))

DASHBOARD: Final = Dashboard(
    uid="ciliate-operator",
    title="Ciliate operator",
    description="CIDRs for nodes, addresses for load balancers, and the operator's health.",
    nodes_of="ciliate_operator_leading",
    sections=(_STATE, _CIDRS, _LOAD_BALANCERS, _OPERATOR),
)
