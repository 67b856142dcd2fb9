"""Addresses of this node: which CIDRs it has, what pods get, what is published and asked for.

feature                       the whole feature, as the agent sees it
node_ipam                     the parts, in the order of a start
pod_cidrs, pool_demand        CIDRs that new addresses come out of; demand for more, idle ones
address_source, delegated     addresses for pods: out of our blocks, or from another plugin
foreign_pods                  addresses of this node's blocks that pods of other nodes have
router                        the addresses of `cilium_host`
cilium_node                   this node's CiliumNode
snapshot, check, repair       what allocator, kernel and API say; differences; leaks freed
report, metrics               GET /v1/ipam; metric families
"""
