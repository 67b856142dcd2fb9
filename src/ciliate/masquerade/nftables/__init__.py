"""Masquerading by the host's stack (`enable-bpf-masquerade: false`): a table of nftables.

model          sets and chains as values; pure
plan           which of them stand in our table, for rules, settings and cluster; pure
script         transactions in nft's language; pure
listing        what `nft` lists, as the same values
members        the addresses of this node's pods and of the cluster
route_sources  the addresses that routes name
target         the table as a reconciler writes it
switch         from one back end to the other under running connections
stack          all of it in the agent
"""
