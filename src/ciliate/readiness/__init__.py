"""How a node shows whether its agent is ready: a taint and a condition of its Node.

plan, target, feature   what a node should show; the operator reads and writes it
statement               when an agent says itself that it is ready; `agent/` does
"""
