"""The cluster's single writer: CRDs, clean-up after pods and nodes, marks of readiness.

Any number may run; the holder of a lease acts. What to do is decided by the pure modules
`collection` and `readiness`; `process` wires tables, decisions and writes. Address allocation
for nodes takes its place beside them: another task of `process.lead`, fed by the same tables.
"""
