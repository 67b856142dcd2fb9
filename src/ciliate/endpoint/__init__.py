"""Pods of this node: attached when the runtime asks, taken over at a start, published.

plan                    entries of the maps `interfaces` and `endpoints`; pure
entries                 both maps as they should be, live
attachments, chained    CNI: pods come and go
records                 maps, table and file (`node.endpoint_store`) of an endpoint, changed together
restoration             what a previous agent left
pod_mtu                 the MTU of pods' routes, as it is now
publication             CiliumEndpoints
runtime_config          the CNI configuration file: how the runtime learns of the node
status, report          lines of `dbg status`; `dbg endpoint list`
show                    rows of `dbg bpf endpoint list` and `interface list`
feature                 all of it in the agent
operator/               CiliumEndpoints of pods that are gone
"""
