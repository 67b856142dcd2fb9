"""The cluster's single writer: CRDs, clean-up after pods and nodes, marks of readiness.

Any number may run; the holder of a lease acts. What to do is decided by the pure modules
`collection`, `readiness` and `node_cidrs`; `process` wires tables, decisions and writes. In the
modes in which nodes get their CIDRs from here, `ipam` wires what that needs: `usage` learns,
`granting` serves, `cidr_writer` writes, `pool_lists` or `pool_objects` say out of what.
"""
