"""IPAM in the operator: uses are learned, CIDRs for nodes decided, written and reported.

`feature` is what the process sees, `ranges` puts the parts together: `usage` learns, `granting`
serves nodes by decisions of `node_cidrs`, `cidr_writer` writes, `pool_lists` or `pool_objects`
define the pools. `ciliate.ipam.cluster` is the allocator they share.
"""
