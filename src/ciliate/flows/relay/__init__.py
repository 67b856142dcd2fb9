"""The relay: one place where all nodes' flows are asked for, in the order of time.

`peers` learns from an agent which nodes there are, `pool` keeps a connection to each, `merge` puts
what they answer in order, `observer` is what clients ask. `objects` are the Deployment and its Service.
"""
