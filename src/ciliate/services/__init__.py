"""Services: addresses that stand for sets of pods, served by the node in kube-proxy's place.

port_range          ranges of ports as values
node_port_range     NodePorts are kept apart from the node's ephemeral ports
model               a Service, its endpoints and this node, as far as they decide anything; pure
read                those out of objects of the API; pure
frontends           which addresses and ports a Service is asked for at; pure
verdicts            which endpoints of a Service take connections, and why others do not; pure
slots               the places of endpoints in a set, with the fewest changes; pure
numbers             ids that outlive the agent; pure
map_keys            keys and values of the maps as octets; pure
backend_sets        the endpoints that may be chosen, set by set; pure
frontend_table      who has which address and port, of several that claim it; pure
frontend_names      that, for who names flows
local_pods          hostPorts of this node's pods; pure
node_addresses      where packets from outside meet node ports; pure
serving             one Service brought into those; pure
capacity            how full the maps are, and who is left out; pure
maglev, murmur3     tables by which every node picks the same backend; pure
host_ports          hostPorts of pods as Services; pure
addresses           which addresses no endpoint has; pure
adoption            what the maps held when the agent started; pure
status              the kube-proxy replacement in `dbg status`; pure
report              Services as commands list and explain them; pure
book                all Services as what the maps should hold; pure
backend_address     where a backend is, and which ones a socket was sent to
stale_sockets       sockets of a namespace whose backend is gone end
socket_ending       they are looked for when a backend went
health_answers      what load balancers are told of the node
health_check        `healthCheckNodePort` of Services
proxy_health        /healthz, as kube-proxy has it
service_list        frontends as Cilium's commands have them; pure
show                the maps as Cilium's commands have them; pure
explain             which endpoint a client would get, and why no other
metrics             events, how long until the maps follow, how full these are; pure
problem_changes     which problems are new, and who tells of them; pure
problem_events      they are told, in the log and as Events
replacement         whether the node replaces kube-proxy now
native_range        whether a Service has an address where pods are routed natively
datagram_flows      flows of datagrams whose backend is gone end
watch               Services and EndpointSlices, told to the book
maps, targets       what the kernel holds, written in order
attachment          the programs of sockets, where all processes of the node are
"""
