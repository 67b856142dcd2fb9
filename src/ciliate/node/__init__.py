"""What the features of the agent share while they run.

The settings and facts everything stands on, the watched tables of the cluster, the nodes and pods
they tell of, the devices and the endpoints of this node. Knows no feature.
"""
