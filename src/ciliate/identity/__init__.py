"""The identity of each pod, and the identity and node of each address of the cluster.

labels, numbers    which labels make an identity, which numbers they may have; pure
plan               entries of the map `ipcache`; pure
registry           numbers agreed cluster-wide through CiliumIdentity objects
resolver           numbers for this node's endpoints
ipcache            the map as it should be, live
status, report     the line of `dbg status`; `dbg ip list`, `dbg identity list`
show               rows of `dbg bpf ipcache list`
feature            all of it in the agent
operator/          unused identities
"""
