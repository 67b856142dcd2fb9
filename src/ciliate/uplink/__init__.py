"""The node's uplinks, the devices that lead out of the node: each runs the programs.

status     devices in `dbg status`, as a line of the kube-proxy replacement, which is Cilium's place
feature    all of it in the agent
"""
