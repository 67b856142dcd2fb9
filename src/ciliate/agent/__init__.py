"""The agent: one process on every node that keeps the node's pod network right.

It reads settings, composes the features and runs them; each feature decides its desired state.

    command         flags, logging, exit code
    daemon          the agent's run, from its settings to its end
    bootstrap       settings and the node's own facts, before the kernel is touched
    features        which features there are, and what they know of each other
    running_node    the features, started in order
    status, report  what `dbg status` and similar commands get: the parts of all features
    server          the Unix socket that answers them
    instance_lock   one agent per node, network namespace and BPF root
    shutdown        whether the agent stops for a restart or leaves this node for good
"""
