"""Which address pods get when they leave the cluster.

plan            the masquerade address of every device; pure
expiry          flows that are over; pure
entries         the map `masquerade_addresses`
conntrack_gc    takes flows that are over out of their maps
status, show    the line of `dbg status`; rows of `dbg bpf nat list` and its kin
feature         all of it in the agent
"""
