"""A running cluster's IPAM mode, changed node by node: `ciliate ipam migrate`."""
