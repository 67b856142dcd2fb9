"""Which address pods get when they leave the cluster.

rules           the ordered list that decides a flow's source address; pure
compile         that list as a table of prefixes; pure
prefix_search   how the longest prefix is found in a hash; pure
table_entries   the table as entries of its maps; pure
policy          MasqueradePolicies as rules
rule_list       the list as it is on this node now
rule_table      the table in the kernel, replaced at once
agent_list      ip-masq-agent's file as ranges; pure
agent_file      reads that file when it changes
plan            the masquerade address of every device; pure
connections     what the elements of the table of connections say; pure
entries         the map `masquerade_addresses`
sweep           ends connections, by a program
conntrack_gc    tidies the table of connections, again and again
status, show    the line of `dbg status`; rows of `dbg bpf nat list` and its kin
report          rows of `dbg masquerade rules`
ports           who holds ports toward which destination, and when there will be none
nftables        the same by the host's stack
feature         all of it in the agent
operator        the status of MasqueradePolicies
"""
