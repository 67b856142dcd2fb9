"""LB IPAM in the operator.

book            what the tables of Services and pools say, in an allocator
cluster_ranges  addresses that pools had better not hold
targets         the statuses of Services and of pools, as a reconciler keeps them
feature         all of it, run while the operator leads
"""
