"""The node's uplinks, the devices that lead out of the node: each runs the programs.

feature    all of it in the agent
"""
