"""`ciliate lab ui`: the page of flows with a second view, the lab itself.

The page (`flows/ui`) asks the flow API alone. What it cannot know of there, machines, links, pods as they
stand, and a connection's way over them, is served beside it on this machine: `lab_api`.
"""
