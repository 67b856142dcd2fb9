"""How packets reach pods: routes to this node's pods, to other nodes' CIDRs and pods.

plan              which way packets to a node go; pure
claims            which node each pod CIDR is of; pure
displaced_pods    pods that live elsewhere than their CIDR says
reserved          what no route to pods may cover; pure
service_ranges    the ranges of Services, which are reserved
errors            why a route is not as it should be
reachability      what the kernel answers about each node
routes            all routes as they should be, live
written_routes    which routes this agent wrote: noted on disk first
target            the kernel's table
maps, route_mtus  routes that limit packets more than their device does, for the programs
show              how that map is shown
status            the line of `dbg status`
feature           routing in the agent: which change touches which route
"""
