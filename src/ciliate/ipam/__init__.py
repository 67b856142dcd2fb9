"""Addresses for pods: which there are, and their owners.

At the top, pure: blocks and pools (`allocator`, `slots`, `node` for one node; `cluster`, `pools`,
`claims` for all), what is asked for (`demand`, `selection`, `sizing`, `trend`).

    agent/        a node's addresses: its CIDRs, the pods' and the router's, publication, repair
    operator/     CIDRs for nodes: learned, decided, written
    audit/        compares what allocator, kernel and API say; pure
    status        lines of `dbg status`
"""
