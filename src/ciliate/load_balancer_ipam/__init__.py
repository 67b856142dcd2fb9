"""LB IPAM: addresses for Services of type LoadBalancer, out of CiliumLoadBalancerIPPools.

The operator gives them; the status of each Service says which it has, and that is the only record:
an operator that starts takes over what Services have, the oldest first, before it gives anything.
How packets to such an address reach the cluster, and what a node does with them, is not its matter.

settings    the keys of cilium-config
blocks      a block of a pool as first and last address
pools       a pool as it is used, and which pools are in each other's way
requests    what a Service asks for
sharing     whether two Services may have one address
allocator   who has which address: what is kept, withdrawn, given, and why something is not
statuses    what Services and pools say of it, and the patches that have them say it
families    the same as metrics
operator/   the part of the operator: tables, targets, feature

All but `operator/` is pure.
"""
