"""CIDRs for nodes: what is used is learned, decisions are made, granted, written and told.

`ranges` puts the parts together; `ciliate.ipam.cluster` is the allocator they share.
"""
