"""`ciliate doctor`: faults of the network below the cluster, found by measuring.

group           the commands
trouble         exit code 2 for what keeps a command from an answer
mtu             `doctor mtu`: arguments, help
examination     `doctor mtu`: the agents are asked, in rounds
plan            which pairs of nodes are probed (pure)
segments        which nodes reach which others at full size (pure)
model           what probes tell, and what is made of it (pure)
verdicts        from what probes tell to findings with remedies (pure)
assumed_sizes   nodes and pods that assume different sizes (pure)
report_text     a report as text (pure)

On the node, by `cilium-dbg probe-mtu`:

probe           each target examined, many at a time
path            one target: does full size pass, and if not, what does?
size_search     the greatest size that passes, by halves (pure)
path_classes    targets that are reached alike (pure)
local_routes    what the node's routes say of a target
echo_packet     echoes as octets (pure)
echo_socket     echoes sent and received
"""
