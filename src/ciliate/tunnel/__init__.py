"""The tunnel to other nodes: its device, and what runs at both its ends.

maps          the device as the programs know it
announcement  what the node says of it to others
feature       the tunnel in the agent: device, programs, map
"""
