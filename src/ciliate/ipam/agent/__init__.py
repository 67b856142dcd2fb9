"""Addresses of this node: which CIDRs it has, what pods get, what is published and asked for.

feature                       all of it in the agent
node_ipam                     the parts, in the order of a start
pod_cidrs, pool_demand        which CIDRs new addresses come out of; which are needed, or idle
address_source, delegated     addresses for pods: out of our blocks, or from another plugin
foreign_pods                  addresses of our blocks that pods elsewhere have
router                        the addresses of `cilium_host`
cilium_node                   this node's CiliumNode
snapshot, check, repair       what allocator, kernel and API say; leaks found, and freed
report, metrics               GET /v1/ipam; metric families
"""
