"""Kernel settings that pods' packets need, kept as they must be while the agent runs.

desired   which settings, node-wide and of each device of ours
target    /proc/sys of the node's namespace
feature   the reconciler, and what wakes it
"""
