"""The agent: one process on every node that keeps the node's pod network right.

Wiring only. What should be is decided by the features (`ipam`, `endpoint`, `identity`, `routing`,
`masquerade`), what is done goes through the adapters (`datapath`, `netlink`, `kube`).

    command      flags, logging, exit code
    bootstrap    settings and the node's own facts, before the kernel is touched
    daemon       the order of start, and the tasks that run afterwards
    cluster      what the watches tell: nodes, endpoints, identities of the whole cluster
    context      what every part stands on
    restore      what a previous life left
    attachments  CNI: pods come and go
    identities   pods' labels become numbers
    node         this node's CiliumNode
    devices      programs and masquerade addresses of the node's devices
    kernel       what maps and routes should hold
    reconcilers  every target that is kept right
    runtime_config, farewell     the CNI configuration file: written when ready, removed for good
    collection   flows that are over leave their maps
    report       what `dbg status` and its kin are answered
    server       the Unix socket that answers them
"""
