"""Addresses of Services on the nodes' own layer 2, for networks without a router (docs/L2.md).

lease_names  the Lease by which nodes agree who announces a Service
patterns     names of devices, by RE2
plan         what this node may announce, pure
frames       what it says unasked when it begins to, pure
report       what it announces, for people
maps         what the programs answer
agent/       competes for the Leases, and has the programs answer
operator/    says what is wrong with policies; removes Leases that nobody needs
"""
