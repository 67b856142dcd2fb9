"""BGP: nodes announce pod CIDRs and Services' addresses to routers, and take no routes from them.

model            a session and its routes, as values
announcements    what CiliumBGPAdvertisements announce on this node
communities      marks of routes, as the speaker takes them
plan             objects in, sessions out, and what is wrong with the objects
speaker_config   a session as ExaBGP's configuration
session_state    how a session goes, out of ExaBGP's events
report           what `cilium bgp` asks for, and `show` its columns
speaker/         one ExaBGP for each session, as children of the agent
agent/           the part of the agent: tables, Secrets, status, sessions
operator/        the part of the operator: CiliumBGPNodeConfigs, and conditions

The speaker is ExaBGP, a process of its own for each session: one that is configured wrongly, or whose
router misbehaves, harms no other, and the agent imports nothing of it. docs/BGP.md tells it for users.
"""
