"""IPAM in the operator: what is used is learned, CIDRs for nodes are decided, written, reported.

`feature` is what the process sees, `ranges` puts the parts together: `usage` learns, `granting`
serves nodes by `node_cidrs`, `cidr_writer` writes, `pool_lists` or `pool_objects` say out of what.
`ciliate.ipam.cluster` is the allocator they share.
"""
