"""`ciliate trace`: one packet's whole way, as the nodes told of it.

command       arguments, help
destination   DEST as it is typed (pure)
search        what POD and DEST are: the API is asked
sought        whose packets are looked for (pure)
agent_flows   flows of all nodes, out of the agents' pods
server_flows  flows of one gRPC server
tracing       waits for flows, and gives ways when they are whole
event         a flow as one event (pure)
calls         socket calls that no packet has followed yet (pure)
collector     which events belong to one connection, and when it is whole (pure)
connection    what was told of one connection (pure)
packets       which events are of one packet, in order (pure)
way           a connection as packets and what there is to say of it (pure)
remarks       what was not told, and what that means (pure)
drop_reasons  why the datapath drops: cause, what is behind it, what would change it (pure)
hop_text      one event in words (pure)
text          a way as text (pure)
document      a way as JSON (pure)
"""
