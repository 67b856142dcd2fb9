"""`ciliate doctor`: faults of the network below the cluster, found by measuring.

group           the commands
trouble         exit code 2 for what keeps a command from an answer
mtu             `doctor mtu`: arguments, help
examination     `doctor mtu`: the agents are asked, in rounds
first_round     whom the first round probes
plan            which pairs of nodes are probed (pure)
segments        which nodes reach which others at full size (pure)
model           what probes tell, and what is made of it (pure)
pairs           what both ends of a pair say, put together (pure)
verdicts        from pairs that lose packets to findings with remedies (pure)
notes           findings that are no black holes (pure)
assumed_sizes   nodes and pods that assume different sizes (pure)
conclusion      findings and verdict: the report (pure)
words           names and numbers as findings write them (pure)
report_text     a report as text

On the node, by `cilium-dbg probe-mtu`:

probe           each target examined, many at a time
path            one target: does full size pass, and if not, what does?
size_search     the greatest size that passes, by halves (pure)
path_classes    targets that are reached alike (pure)
local_routes    what the node's routes say of a target
echo_packet     echoes as octets (pure)
echo_socket     echoes asked and answered
raw_sockets     the kernel's sockets for that
outcome         what became of a question (pure)
"""
