"""Layer 2 announcements in the agent.

tables     the policies and the Services, as watched
leases     one candidate for each Service
links      what is said unasked, and the groups at which IPv6 addresses are asked for
announcing all of it, run while the node does
feature    what the agent knows of it
"""
