"""The speakers: one ExaBGP for each session, started, told and ended by the agent.

speaker    which sessions have one
child      one session's process: its configuration, its events, its end
launch     what is executed: ExaBGP, bound to the agent's life
"""
