"""How a node shows whether its agent is ready: a taint and a condition of its Node.

`plan` says what a node should show, `target` reads and writes it.
"""
