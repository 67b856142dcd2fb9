"""Addresses of this node: which CIDRs it has, what pods get, what is told and asked for.

`node_ipam` puts the parts together, in the order of a start.
"""
